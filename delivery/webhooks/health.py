"""The health of endpoints: warn while one fails, disable it after five days, tell when it works
again. Each of these is an event in the project's log."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from delivery.models import DisabledReason, EndpointState, WebhookEndpoint
from delivery.models.webhook_endpoint import LEASE_FIELDS
from delivery.webhooks import endpoint_events
from delivery.webhooks.selectors import endpoints
from events.catalog import EventType

log = structlog.get_logger(__name__)

WARN_AFTER = (timedelta(hours=1), timedelta(days=1), timedelta(days=4))
"""Without a success."""
DISABLE_AFTER = timedelta(days=5)
ADDRESS_REFUSED_WITHIN = timedelta(hours=24)
"""An address that is refused twice within a day disables the endpoint."""
ADDRESS_REFUSED_AGAIN_AFTER = timedelta(seconds=3)


def warnings_due(failing_since: datetime, *, at: datetime) -> int:
    """How many warnings an endpoint has earned that has failed since then."""
    return sum(at - failing_since >= age for age in WARN_AFTER)


def warn(*, endpoint_id: str, project_id: str, warnings: int, at: datetime) -> None:
    """Record that the endpoint has been failing for a while, once for each level."""
    with transaction.atomic():
        row = endpoints.lock(project_id=project_id, endpoint_id=endpoint_id)
        if row is None or row.warnings >= warnings:
            return
        row.warnings = warnings
        row.save(update_fields=["warnings"])
        endpoint_events.record(EventType.WEBHOOK_ENDPOINT_FAILING, row, at=at)


def recover(*, endpoint_id: str, project_id: str, at: datetime) -> None:
    """Record that an endpoint works again that was reported as failing."""
    with transaction.atomic():
        row = endpoints.lock(project_id=project_id, endpoint_id=endpoint_id)
        if row is None or not row.warnings:
            return
        row.warnings = 0
        row.save(update_fields=["warnings"])
        endpoint_events.record(EventType.WEBHOOK_ENDPOINT_RECOVERED, row, at=at)


def refuse_address(*, endpoint_id: str, project_id: str, at: datetime) -> None:
    """Note that the address was refused; disable the endpoint when it happens again."""
    with transaction.atomic():
        row = endpoints.lock(project_id=project_id, endpoint_id=endpoint_id)
        if row is None or not row.is_enabled:
            return
        first = row.address_refused_at
        if first is None or at - first > ADDRESS_REFUSED_WITHIN:
            row.address_refused_at = at
            row.save(update_fields=["address_refused_at"])
        elif at - first >= ADDRESS_REFUSED_AGAIN_AFTER:
            _disable(row, DisabledReason.ADDRESS, at)


def disable(*, endpoint_id: str, project_id: str, reason: DisabledReason, at: datetime) -> None:
    """Send nothing more to the endpoint until somebody enables it. Its position stays."""
    with transaction.atomic():
        row = endpoints.lock(project_id=project_id, endpoint_id=endpoint_id)
        if row is not None and row.is_enabled:
            _disable(row, reason, at)


def _disable(row: WebhookEndpoint, reason: DisabledReason, at: datetime) -> None:
    row.state, row.disabled_reason, row.disabled_at = EndpointState.DISABLED, reason, at
    row.end_lease(at=at)
    row.save(update_fields=["state", "disabled_reason", "disabled_at", *LEASE_FIELDS])
    endpoint_events.record(EventType.WEBHOOK_ENDPOINT_DISABLED, row, at=at)
    log.warning("webhook_endpoint_disabled", endpoint=row.pk, reason=str(reason))
