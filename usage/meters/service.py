"""Create and change meters."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import F

from common.inserts import insert
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects.models import Project
from usage.errors import MeterExists
from usage.meters import representation
from usage.meters import selectors as meters
from usage.models import Meter


def create(
    *,
    project: Project,
    code: str,
    name: str,
    aggregation: str,
    actor: str,
    at: datetime,
    unit: str = "",
    reason: str = "",
) -> Meter:
    """Create a meter. Its code and aggregation never change. Raises MeterExists."""
    meter = Meter(project=project, code=code, name=name, aggregation=aggregation, unit=unit)
    with transaction.atomic():
        if not insert(meter):
            raise MeterExists(f"{code} exists. Change it with PATCH /meters/{code}.")
        _audit(meter, "meter.create", actor, at, reason=reason)
        _record_event(meter, EventType.METER_CREATED, {}, at)
    return meter


def change(
    *,
    meter: Meter,
    actor: str,
    at: datetime,
    name: str | None = None,
    unit: str | None = None,
    archived: bool | None = None,
    reason: str = "",
) -> Meter:
    """Rename, archive or restore the meter. None leaves a value; an equal value is no change.

    An archived meter takes no new records; its records and totals stay.
    """
    with transaction.atomic():
        meter = meters.lock(project_id=meter.project_id, meter_id=meter.pk)
        before = representation.meter(meter)
        meter.name = meter.name if name is None else name
        meter.unit = meter.unit if unit is None else unit
        if archived is not None:
            meter.archived_at = (meter.archived_at or at) if archived else None
        if representation.meter(meter) != before:
            meter.save(update_fields=["name", "unit", "archived_at"])
            _audit(meter, "meter.change", actor, at, before=before, reason=reason)
            is_archived = before["archived_at"] is None and meter.archived_at is not None
            event_type = EventType.METER_ARCHIVED if is_archived else EventType.METER_UPDATED
            _record_event(meter, event_type, before, at)
    return meter


def watch(*, meter: Meter) -> None:
    """A limit uses this meter from now on: every count leaves a movement."""
    Meter.objects.for_project(meter.project_id).filter(pk=meter.pk).update(
        is_watched=True, is_shared=F("is_watched")
    )


def _record_event(
    meter: Meter, event_type: EventType, before: Mapping[str, object], at: datetime
) -> None:
    body = representation.meter(meter)
    outbox.record(
        project_id=meter.project_id,
        event_type=event_type,
        subject=meter.pk,
        data=body,
        previous=outbox.previous_values(before, body),
        at=at,
    )


def _audit(
    meter: Meter,
    action: str,
    actor: str,
    at: datetime,
    before: Mapping[str, object] | None = None,
    reason: str = "",
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=meter.pk,
        project_id=meter.project_id,
        at=at,
        reason=reason,
        before=before,
        after=representation.meter(meter),
    )
