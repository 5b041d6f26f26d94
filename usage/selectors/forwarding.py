"""Records that Stripe is to hear of, across projects: those that have waited longest first."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet, Sum, Value

from usage.models import Meter, Record
from usage.models.record import Forwarding

UNSETTLED = (Forwarding.PENDING, Forwarding.CANCELING)


def due(*, after: datetime | None, seen: Collection[str], limit: int) -> list[Record]:
    """Records to be told or taken back, told of first come first.

    ``after`` and ``seen`` are where an earlier look has ended: when the last record of it was
    recorded, and which of the same moment it had.
    """
    rows = Record.objects.across_projects().filter(forwarding__in=UNSETTLED)
    if after is not None:
        rows = rows.filter(recorded_at__gte=after).exclude(id__in=seen)
    return list(rows.order_by("recorded_at", "id")[:limit])


@dataclass(frozen=True, slots=True)
class Standing:
    """How many records wait, since when the oldest, and how many Stripe refused."""

    waiting: int
    refused: int
    oldest: datetime | None


def standing() -> Standing:
    """Of all projects together; one query."""
    rows = Record.objects.across_projects()
    waiting, refused = (
        found.order_by()
        .values(what=Value(what))
        .annotate(n=Count("id"), oldest=Min("recorded_at"))
        .values_list("what", "n", "oldest")
        for what, found in (
            ("waiting", rows.filter(forwarding__in=UNSETTLED)),
            ("refused", rows.filter(forwarding=Forwarding.REFUSED)),
        )
    )
    found = {what: (n, oldest) for what, n, oldest in waiting.union(refused, all=True)}
    counted, oldest = found["waiting"]
    return Standing(waiting=counted, oldest=oldest, refused=found["refused"][0])


def refused(*, meter: Meter) -> QuerySet[Record]:
    """The meter's records that Stripe refused, newest first."""
    rows = Record.objects.for_project(meter.project_id).filter(
        meter=meter, forwarding=Forwarding.REFUSED
    )
    return rows.select_related("customer").order_by("-recorded_at", "-id")


@dataclass(frozen=True, slots=True)
class Told:
    """What a customer's records of a meter within a time come to, by what Stripe was told.

    ``counted`` is what Stripe should have; ``refused`` is how many records it did not take, or
    did not take back. ``settled`` is false while some are on their way.
    """

    records: int
    value: int
    refused: int
    settled: bool


def told(
    *,
    project_id: str,
    customer_id: str,
    meter_id: str,
    since: datetime,
    until: datetime,
    lately: datetime,
) -> Told:
    """What Stripe should say of ``[since, until)``; unsettled if it was told after ``lately``."""
    rows = Record.objects.for_project(project_id).filter(
        customer_id=customer_id, meter_id=meter_id, occurred_at__gte=since, occurred_at__lt=until
    )
    counts = Q(forwarding__in=[Forwarding.TOLD, Forwarding.REFUSED], voided_at__isnull=True)
    found = rows.aggregate(
        records=Count("id", filter=counts),
        value=Sum("value", filter=counts),
        refused=Count("id", filter=Q(forwarding=Forwarding.REFUSED)),
        moving=Count("id", filter=Q(forwarding__in=UNSETTLED) | Q(forwarded_at__gt=lately)),
    )
    return Told(
        records=found["records"],
        value=int(found["value"] or 0),
        refused=found["refused"],
        settled=not found["moving"],
    )
