"""Where Stripe delivers its events. Plain Django: this path is hot, and the body is Stripe's."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.accounts import service as stripe_accounts
from webhooks.errors import EventTooLarge, SignatureRefused
from webhooks.services import intake

ADDRESS = re.compile(r"(?:/api/v1)?/webhooks/stripe(?:/([A-Za-z0-9_\-]{1,64}))?")
LENGTH = re.compile(r"[0-9]{1,9}")
RECEIVED = b'{"received": true}'


@csrf_exempt
@require_POST
def stripe(request: HttpRequest, token: str | None = None) -> HttpResponse:
    """200 once the event is committed; any other answer makes Stripe send it again."""
    signature = request.headers.get("Stripe-Signature", "")
    answer = _receive(_body(request), signature=signature, token=token)
    return HttpResponse(answer, content_type="application/json")


def delivery(environ: Mapping[str, Any]) -> Callable[[], bytes] | None:
    """How to take in what the web server has at hand, without a request being made of it.

    None, and nothing is read, for anything that is odd: it goes to :func:`stripe`, or nowhere. Who
    calls what is returned gets the answer of :func:`stripe`, or the same errors.
    """
    address = ADDRESS.fullmatch(environ["PATH_INFO"])
    length = environ.get("CONTENT_LENGTH") or ""
    if address is None or environ.get("QUERY_STRING") or LENGTH.fullmatch(length) is None:
        return None
    if int(length) > settings.WEBHOOKS.max_body:
        return None

    def take_in() -> bytes:
        try:
            body = environ["wsgi.input"].read(int(length))
        except OSError as error:
            raise _half() from error
        signature = environ.get("HTTP_STRIPE_SIGNATURE", "")
        return _receive(body, signature=signature, token=address[1])

    return take_in


def _receive(body: bytes, *, signature: str, token: str | None) -> bytes:
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
        raise _half() from error
    if len(body) > longest:
        raise EventTooLarge(f"Send at most {longest} bytes.")
    return body


def _half() -> SignatureRefused:
    return SignatureRefused("The body did not arrive whole.")


def _announced(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
