"""Stripe's deliveries that are answered on the fast path."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.utils import timezone

from billing.accounts import service as stripe_accounts
from common import traces
from common.loop_statements import LoopStatement, NotReady
from webhooks.services import intake, intake_sql
from webhooks.services.intake import Delivery, EventBatch
from webhooks.views import ADDRESS, RECEIVED, incomplete_body, receive

LENGTH = re.compile(r"[0-9]{1,9}")
MAX_BYTES_WITHOUT_THREAD = 64 * 1024
"""A longer body would stop the event loop for too long."""
STATEMENT = intake_sql.RECEIVE
"""Stores events in the event loop."""
MAX_BYTES_IN_LOOP = 512 * 1024
"""Of the bodies that the event loop stores together."""


def take_in(environ: dict[str, Any]) -> tuple[int, bytes] | None:
    """Store the event of ``POST /webhooks/stripe`` and answer it.

    Returns None, without reading the body, for a delivery that :func:`webhooks.views.stripe` must
    handle. Raises the same errors as that view.
    """
    address = _match_address(environ)
    length = environ.get("CONTENT_LENGTH") or ""
    if address is None or LENGTH.fullmatch(length) is None:
        return None
    if int(length) > settings.WEBHOOKS.max_body:
        return None
    try:
        body = environ["wsgi.input"].read(int(length))
    except OSError as error:
        raise incomplete_body() from error
    return 200, receive(body, signature=_signature(environ), token=address[1])


def open_delivery(environ: dict[str, Any], body: bytes) -> Delivery | None:
    """Verify an event whose whole body is there, for the event loop: without a query.

    Returns None for a delivery that needs one, or more time. Raises the same errors as the view.
    """
    address = _match_address(environ)
    if address is None or not 0 < len(body) <= MAX_BYTES_WITHOUT_THREAD:
        return None
    endpoint = stripe_accounts.find_cached_endpoint(address[1])
    if endpoint is None:
        return None
    parent = traces.parse(environ.get("HTTP_TRACEPARENT", ""))
    delivery = intake.open_delivery(
        endpoint=endpoint,
        body=body,
        signature=_signature(environ),
        traceparent="" if parent is None else str(parent),
        at=timezone.now(),
    )
    return delivery if delivery.envelope.report is None and not delivery.is_of_moment else None


def take_in_together(opened: Sequence[Delivery]) -> list[bytes | None]:
    """Store events in one transaction; returns the bodies of their answers, None for one that
    :func:`take_in` has to store. Raises the database's errors.
    """
    return [RECEIVED if is_stored else None for is_stored in intake.receive_together(opened)]


def parameters_of(opened: Sequence[Delivery]) -> dict[str, Any]:
    """Parameters of ``STATEMENT`` for these events."""
    return EventBatch(opened).parameters


async def take_in_by_loop(
    opened: Sequence[Delivery], statement: LoopStatement, wake: Callable[[str], None]
) -> list[bytes | None]:
    """As :func:`take_in_together`, in the event loop, by ``STATEMENT``; ``wake`` wakes the workers
    of a task. Raises NotReady as well."""
    if sum(len(delivery.body) for delivery in opened) > MAX_BYTES_IN_LOOP:
        raise NotReady
    batch = EventBatch(opened)
    rows = await statement.fetch_rows(batch.parameters)
    return [RECEIVED if is_stored else None for is_stored in batch.finish(rows, wake)]


def _match_address(environ: dict[str, Any]) -> re.Match[str] | None:
    if environ["REQUEST_METHOD"] != "POST" or environ.get("QUERY_STRING"):
        return None
    return ADDRESS.fullmatch(environ["PATH_INFO"])


def _signature(environ: dict[str, Any]) -> str:
    signature: str = environ.get("HTTP_STRIPE_SIGNATURE", "")
    return signature
