"""The address for Stripe's deliveries. A plain Django view: it is called often, and Stripe defines
its body."""

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
    """Answer 200 once the event is committed; after any other answer Stripe sends it again."""
    signature = request.headers.get("Stripe-Signature", "")
    answer = receive(_body(request), signature=signature, token=token)
    return HttpResponse(answer, content_type="application/json")


def receive(body: bytes, *, signature: str, token: str | None) -> bytes:
    """Store a delivery and return the body of its answer. Raises SignatureRefused."""
    endpoint = stripe_accounts.find_endpoint(token)
    intake.receive(endpoint=endpoint, body=body, signature=signature, at=timezone.now())
    return RECEIVED


def _body(request: HttpRequest) -> bytes:
    """The raw bytes, up to the limit; a larger body is not hashed."""
    max_bytes: int = settings.WEBHOOKS.max_body
    if _content_length(request) > max_bytes:
        raise EventTooLarge(f"Send at most {max_bytes} bytes.")
    try:
        body = request.read(max_bytes + 1)
    except UnreadablePostError as error:
        raise incomplete_body() from error
    if len(body) > max_bytes:
        raise EventTooLarge(f"Send at most {max_bytes} bytes.")
    return body


def incomplete_body() -> SignatureRefused:
    """The refusal of a body that broke off; Stripe sends it again."""
    return SignatureRefused("The body is incomplete.")


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
