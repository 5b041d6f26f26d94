"""Records of use, one by one."""

from datetime import datetime

from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project
from usage.models import Record, RecordKey

UNKNOWN = "No record with this id. They are kept for 13 months."


def get(*, project: Project | str, record_id: str) -> Record:
    """The record with this id, voided or not; raises NotFound."""
    return _of(_place(project, record_id))


def lock(*, project: Project | str, record_id: str) -> Record:
    """As :func:`get`, its row locked until the transaction ends."""
    return _of(_place(project, record_id).select_for_update(of=("self",)))


def listing(
    *,
    project: Project | str,
    customer_id: str,
    meter_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> ProjectQuerySet[Record]:
    """What the customer used of the meter within ``[since, until)``, newest first."""
    rows = Record.objects.for_project(project).filter(customer_id=customer_id, meter_id=meter_id)
    if since is not None:
        rows = rows.filter(occurred_at__gte=since)
    if until is not None:
        rows = rows.filter(occurred_at__lt=until)
    return rows.select_related("customer", "meter").order_by("-occurred_at", "-id")


def rows_like(record: Record) -> ProjectQuerySet[Record]:
    """A query for the row of this record."""
    return Record.objects.for_project(record.project_id).filter(
        customer_id=record.customer_id,
        meter_id=record.meter_id,
        occurred_at=record.occurred_at,
        id=record.id,
    )


def _place(project: Project | str, record_id: str) -> ProjectQuerySet[Record]:
    """A query for the record; its key tells which partition holds it. Raises NotFound."""
    key = RecordKey.objects.for_project(project).filter(id=record_id).first()
    if key is None:
        raise NotFound(UNKNOWN)
    return (
        Record.objects.for_project(project)
        .filter(
            customer_id=key.customer_id,
            meter_id=key.meter_id,
            occurred_at=key.occurred_at,
            id=record_id,
        )
        .select_related("customer", "meter")
    )


def _of(rows: ProjectQuerySet[Record]) -> Record:
    record = rows.first()
    if record is None:
        raise NotFound(UNKNOWN)
    return record
