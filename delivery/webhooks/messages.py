"""The request of a delivery: the event's bytes, signed for this attempt."""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from django.conf import settings

from common import standard_webhooks, traces
from common.egress_rules import port_of
from delivery.models import DeliveryKind, WebhookEndpoint
from delivery.sender.messages import SendJob
from delivery.webhooks import own_headers
from delivery.webhooks.lanes import DueDelivery, LaneEndpoint
from events.log import rendered

REPLAY_HEADER = "tollgate-replay"
"""On what is sent again by hand, with the same id: receivers that remember ids ignore it."""
LARGEST_BYTES = 64 * 1024
"""Of a body. A larger event is sent without ``data`` and ``previous``."""
CACHE_SECONDS = 2.0
"""Bodies are kept for so long, for the other endpoints of the project: an erased person must not
live on in memory."""
CACHED = 4096
MASK = "•••"
"""In the record of an attempt, in place of the values of the endpoint's own headers."""
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class LoadedEvent(NamedTuple):
    """An event as it is sent. ``traceparent`` is empty without a trace."""

    project_id: str
    body: bytes
    traceparent: str


class EventBodies:
    """Bodies of events as they are sent."""

    def __init__(self) -> None:
        self._bodies: dict[str, LoadedEvent] = {}
        self._emptied_at = 0.0

    def load(self, event_ids: Iterable[str]) -> None:
        """Read these events, as far as they are not here."""
        now = time.monotonic()
        if now - self._emptied_at > CACHE_SECONDS or len(self._bodies) > CACHED:
            self._bodies.clear()
            self._emptied_at = now
        missing = list({each for each in event_ids if each not in self._bodies})
        for start in range(0, len(missing), rendered.PAGE):
            for event in rendered.chosen(missing[start : start + rendered.PAGE]):
                self._bodies[event.event_id] = LoadedEvent(
                    event.project_id, _limited(event.body), event.traceparent
                )

    def find(self, event_id: str, *, project_id: str) -> LoadedEvent | None:
        """The loaded event; None if the project has no such event, or it has no position yet."""
        event = self._bodies.get(event_id)
        return event if event is not None and event.project_id == project_id else None


def headers_of(
    endpoint: LaneEndpoint,
    delivery: DueDelivery,
    *,
    body: bytes,
    at: datetime,
    traceparent: str = "",
) -> dict[str, str]:
    """All headers of an attempt that is made now. A header of the tenant's own replaces the
    trace's."""
    signed = standard_webhooks.sign(endpoint.keys, message_id=delivery.event_id, at=at, body=body)
    trace = {traces.HEADER: traceparent} if traceparent else {}
    headers = {**trace, **endpoint.headers, "content-type": "application/json", **signed}
    if delivery.kind == DeliveryKind.REPLAY:
        headers[REPLAY_HEADER] = delivery.id
    return headers


def shown_headers(endpoint: LaneEndpoint, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers for the record of the attempt: no signature, no value of the tenant's own."""
    shown = {name: MASK if name in endpoint.headers else headers[name] for name in headers}
    shown.pop(standard_webhooks.SIGNATURE, None)
    return shown


def plain_endpoint(row: WebhookEndpoint, *, keys: Sequence[bytes]) -> LaneEndpoint:
    """An endpoint without a lane, for single requests. Raises CannotDecrypt."""
    return LaneEndpoint(
        id=row.pk,
        project_id=row.project_id,
        url=row.url,
        headers=own_headers.open_all(row),
        keys=tuple(keys),
        types=frozenset(),
        ordering=row.ordering,
        rate=row.rate,
        is_enabled=row.is_enabled,
        keys_until=None,
    )


def make_job(
    endpoint: LaneEndpoint, *, attempt_id: str, headers: Mapping[str, str], body: bytes
) -> SendJob:
    """The job for the sender. In development, it may lead to this machine."""
    is_local = settings.EGRESS.loopback and urlsplit(endpoint.url).hostname in _LOCAL_NAMES
    return SendJob(
        job_id=attempt_id,
        endpoint_id=endpoint.id,
        url=endpoint.url,
        headers=headers,
        body=body,
        allows_http=is_local,
        ports=(port_of(urlsplit(endpoint.url)),) if is_local else None,
    )


def digest(body: bytes) -> str:
    """What shows whether two attempts sent the same bytes."""
    return hashlib.sha256(body).hexdigest()[:16]


def _limited(body: bytes) -> bytes:
    if len(body) <= LARGEST_BYTES:
        return body
    event = orjson.loads(body)
    return orjson.dumps({**event, "data": None, "previous": {}, "is_cut": True})
