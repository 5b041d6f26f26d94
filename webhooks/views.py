"""Where Stripe delivers its events. Plain Django: this path is hot, and the body is Stripe's."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.services import stripe_accounts
from webhooks.errors import BodyTooLarge, SignatureRefused
from webhooks.services import intake

RECEIVED = b'{"received": true}'


@csrf_exempt
@require_POST
def stripe(request: HttpRequest, token: str | None = None) -> HttpResponse:
    """200 once the event is committed; any other answer makes Stripe send it again."""
    body = _body(request)
    intake.receive(
        endpoint=stripe_accounts.receiving(token),
        body=body,
        signature=request.headers.get("Stripe-Signature", ""),
        at=timezone.now(),
    )
    return HttpResponse(RECEIVED, content_type="application/json")


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
