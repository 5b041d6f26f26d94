"""Stripe's deliveries that are answered on the fast path."""

import re
from typing import Any

from django.conf import settings

from webhooks.views import ADDRESS, incomplete_body, receive

LENGTH = re.compile(r"[0-9]{1,9}")


def take_in(environ: dict[str, Any]) -> tuple[int, bytes] | None:
    """Store the event of ``POST /webhooks/stripe`` and answer it.

    Returns None, without reading the body, for a delivery that :func:`webhooks.views.stripe` must
    handle. Raises the same errors as that view.
    """
    address = ADDRESS.fullmatch(environ["PATH_INFO"])
    length = environ.get("CONTENT_LENGTH") or ""
    if address is None or environ.get("QUERY_STRING") or LENGTH.fullmatch(length) is None:
        return None
    if int(length) > settings.WEBHOOKS.max_body:
        return None
    try:
        body = environ["wsgi.input"].read(int(length))
    except OSError as error:
        raise incomplete_body() from error
    signature = environ.get("HTTP_STRIPE_SIGNATURE", "")
    return 200, receive(body, signature=signature, token=address[1])
