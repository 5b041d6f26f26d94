"""What people see of endpoints and deliveries, in a fixed number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from delivery.models import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookReplay,
    WebhookSecret,
)
from delivery.webhooks.selectors import replays
from events.models import ProjectHead

NEWEST = 10
_HEAD = ProjectHead.objects.across_projects().filter(pk=OuterRef("project_id")).values("position")


def with_lag(rows: QuerySet[WebhookEndpoint]) -> QuerySet[WebhookEndpoint]:
    """The rows with ``lag``: how many events of the project are not looked at yet for the
    endpoint."""
    head = Coalesce(Subquery(_HEAD), F("position"))
    return rows.annotate(lag=Greatest(head - F("position"), Value(0)))


def condition(row: WebhookEndpoint, *, at: datetime) -> str:
    """One word: ``deleted``, ``disabled``, ``paused`` (nothing is sent until ``breaker_until``),
    ``failing`` or ``enabled``."""
    if row.deleted_at is not None:
        return "deleted"
    if not row.is_enabled:
        return "disabled"
    if row.breaker_until is not None and row.breaker_until > at:
        return "paused"
    return "failing" if row.failing_since is not None else "enabled"


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, newest first. ``next_before``: where the next page begins; empty on the last."""

    rows: Sequence[WebhookDelivery]
    next_before: str


def page(*, project_id: str, endpoint_id: str, state: str, before: str, limit: int) -> DeliveryPage:
    """Deliveries that were created before the one with this id; empty: the newest."""
    rows = WebhookDelivery.objects.for_project(project_id).filter(endpoint_id=endpoint_id)
    if state:
        rows = rows.filter(state=state)
    if before:
        rows = rows.filter(pk__lt=before)
    newest = list(rows.order_by("-pk")[: limit + 1])
    is_last = len(newest) <= limit
    return DeliveryPage(newest[:limit], "" if is_last else newest[limit - 1].pk)


def newest_deliveries(
    row: WebhookEndpoint, *, states: Sequence[str] = DeliveryState.values
) -> list[WebhookDelivery]:
    """The last deliveries in these states."""
    rows = WebhookDelivery.objects.for_project(row.project_id).filter(
        endpoint_id=row.pk, state__in=states
    )
    return list(rows.order_by("-pk")[:NEWEST])


def newest_replays(row: WebhookEndpoint) -> list[WebhookReplay]:
    """The last replays, running ones among them: an endpoint has at most one."""
    rows = replays.of(project=row.project_id, endpoint_id=row.pk)
    return list(rows.order_by("-pk")[:NEWEST])


def secrets(row: WebhookEndpoint) -> list[WebhookSecret]:
    """The endpoint's secrets, newest first."""
    rows = WebhookSecret.objects.for_project(row.project_id).filter(endpoint_id=row.pk)
    return list(rows.order_by("-created_at", "-pk"))


def last_attempts(deliveries: Sequence[WebhookDelivery]) -> dict[str, WebhookAttempt]:
    """The last attempt of each of these deliveries of one project, by delivery."""
    if not deliveries:
        return {}
    rows: Any = WebhookAttempt.objects.for_project(deliveries[0].project_id)
    rows = rows.filter(delivery_id__in=[each.pk for each in deliveries])
    rows = rows.order_by("delivery_id", "-number", "-pk").distinct("delivery_id")
    return {attempt.delivery_id: attempt for attempt in rows.defer("response_body")}
