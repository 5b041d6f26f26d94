"""Where Stripe delivers its events. Plain Django: this path is hot, and the body is Stripe's."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.accounts import service as stripe_accounts
from webhooks.errors import EventTooLarge, SignatureRefused
from webhooks.services import intake

ADDRESS = re.compile(r"(?:/api/v1)?/webhooks/stripe(?:/([A-Za-z0-9_\-]{1,64}))?")
RECEIVED = b'{"received": true}'


@csrf_exempt
@require_POST
def stripe(request: HttpRequest, token: str | None = None) -> HttpResponse:
    """200 once the event is committed; any other answer makes Stripe send it again."""
    signature = request.headers.get("Stripe-Signature", "")
    answer = receive(_body(request), signature=signature, token=token)
    return HttpResponse(answer, content_type="application/json")


def receive(body: bytes, *, signature: str, token: str | None) -> bytes:
    """Store a delivery and return the body of the answer to it. Raises SignatureRefused."""
    endpoint = stripe_accounts.find_endpoint(token)
    intake.receive(endpoint=endpoint, body=body, signature=signature, at=timezone.now())
    return RECEIVED


def _body(request: HttpRequest) -> bytes:
    """The raw bytes, up to the cap; nothing is hashed of a body that is larger."""
    longest: int = settings.WEBHOOKS.max_body
    if _announced(request) > longest:
        raise EventTooLarge(f"Send at most {longest} bytes.")
    try:
        body = request.read(longest + 1)
    except UnreadablePostError as error:
        raise incomplete_body() from error
    if len(body) > longest:
        raise EventTooLarge(f"Send at most {longest} bytes.")
    return body


def incomplete_body() -> SignatureRefused:
    """The refusal of a body that broke off: Stripe sends it again."""
    return SignatureRefused("The body did not arrive whole.")


def _announced(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
