"""Claim lanes, keep their leases, and give them back."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from common.crypto import CannotDecrypt
from common.prepared_statements import fetch_rows
from common.standard_webhooks import SecretRefused, parse_secret
from delivery.models import EndpointState, WebhookEndpoint, WebhookSecret
from delivery.webhooks import lane_sql, own_headers
from delivery.webhooks.lanes import DeliveryLane, LaneEndpoint
from delivery.webhooks.pace import LaneBreaker, Pace
from delivery.webhooks.selectors import endpoints
from events import catalog

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)


def claim(*, limit: int, at: datetime, now: float) -> list[DeliveryLane]:
    """Lease endpoints that have work, those that are due first. ``now`` is of the monotonic
    clock. An endpoint whose secrets cannot be read is left alone until its lease ends."""
    if limit <= 0:
        return []
    rows = fetch_rows(lane_sql.CLAIM, {"at": at, "limit": limit, "lease": LEASE})
    claimed = [dict(zip((*lane_sql.CLAIMED, "is_abandoned"), row, strict=True)) for row in rows]
    secrets = endpoints.live_secrets([row["id"] for row in claimed], at=at) if claimed else {}
    lanes = (_lane(row, secrets.get(row["id"], []), at=at, now=now) for row in claimed)
    return [lane for lane in lanes if lane is not None]


def held(lanes: Iterable[DeliveryLane]) -> set[str]:
    """The ids of those lanes whose leases are still ours."""
    lanes = list(lanes)
    if not lanes:
        return set()
    return {row[0] for row in fetch_rows(lane_sql.HELD, _epochs(lanes))}


def renew(lanes: Iterable[DeliveryLane]) -> set[str]:
    """Begin the leases anew; the ids of those that are still ours."""
    lanes = list(lanes)
    if not lanes:
        return set()
    rows = fetch_rows(lane_sql.RENEW, {**_epochs(lanes), "lease": LEASE})
    return {row[0] for row in rows}


def release(lanes: Sequence[DeliveryLane]) -> None:
    """Give the leases back, and note when the next delivery is due."""
    if lanes:
        fetch_rows(lane_sql.RELEASE, _epochs(lanes))


def _epochs(lanes: Sequence[DeliveryLane]) -> dict[str, Any]:
    return {"ids": [lane.id for lane in lanes], "epochs": [lane.epoch for lane in lanes]}


def _lane(
    row: dict[str, Any], secrets: Sequence[WebhookSecret], *, at: datetime, now: float
) -> DeliveryLane | None:
    try:
        endpoint = _endpoint(row, secrets)
    except (CannotDecrypt, SecretRefused, ValueError) as error:
        log.warning("webhook_endpoint_unreadable", endpoint=row["id"], error=type(error).__name__)
        return None
    return DeliveryLane(
        endpoint=endpoint,
        epoch=row["epoch"],
        position=row["position"],
        pace=Pace(rate=row["rate"], now=now),
        breaker=LaneBreaker(
            failures=row["failures"], pauses=row["pauses"], until=row["breaker_until"]
        ),
        failing_since=row["failing_since"],
        warnings=row["warnings"],
        load_at=at,
        used_at=now,
    )


def _endpoint(row: dict[str, Any], secrets: Sequence[WebhookSecret]) -> LaneEndpoint:
    """Raises CannotDecrypt, and ValueError for an endpoint without a secret."""
    if not secrets:
        raise ValueError("An endpoint needs a secret.")
    stored = WebhookEndpoint(pk=row["id"], sealed_headers=row["sealed_headers"])
    names = [name for each in row["event_types"] for name in catalog.matching(each)]
    return LaneEndpoint(
        id=row["id"],
        project_id=row["project_id"],
        url=row["url"],
        headers=own_headers.open_all(stored),
        keys=tuple(parse_secret(secret.open()) for secret in secrets),
        types=frozenset(names),
        ordering=row["ordering"],
        rate=row["rate"],
        is_enabled=row["state"] == EndpointState.ENABLED,
        keys_until=min((each.expires_at for each in secrets if each.expires_at), default=None),
    )
