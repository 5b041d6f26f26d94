"""Where Stripe delivers its events. Plain Django: this path is hot, and the body is Stripe's."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.models import StripeEndpoint
from billing.selectors import stripe_accounts as endpoints
from billing.services import stripe_accounts
from common.errors import NotFound
from webhooks.errors import BodyTooLarge, SignatureRefused
from webhooks.services import intake

TOKEN = re.compile(r"[A-Za-z0-9_\-]{1,64}")


@csrf_exempt
@require_POST
def stripe(request: HttpRequest, token: str | None = None) -> HttpResponse:
    """200 once the event is committed; any other answer makes Stripe send it again."""
    body = _body(request)
    intake.receive(
        endpoint=_endpoint(token),
        body=body,
        signature=request.headers.get("Stripe-Signature", ""),
        at=timezone.now(),
    )
    return JsonResponse({"received": True})


def _body(request: HttpRequest) -> bytes:
    """The raw bytes, up to the cap; nothing is hashed of a body that is larger."""
    longest: int = settings.WEBHOOKS.max_body
    if _announced(request) > longest:
        raise BodyTooLarge(f"Send at most {longest} bytes.")
    try:
        body = request.read(longest + 1)
    except UnreadablePostError as error:
        raise SignatureRefused("The body did not arrive whole.") from error
    if len(body) > longest:
        raise BodyTooLarge(f"Send at most {longest} bytes.")
    return body


def _announced(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _endpoint(token: str | None) -> StripeEndpoint:
    """The platform's own endpoint without a token. Raises NotFound for one that is not live."""
    if token is None:
        return stripe_accounts.platform_endpoint()
    found = endpoints.endpoint_by_token(token) if TOKEN.fullmatch(token) else None
    if found is None:
        raise NotFound
    return found
