"""Check that totals, counters and keys agree with the usage records."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from projects.models import Project
from usage.models import Counter, Record, RecordKey, Total
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span


@dataclass(frozen=True)
class ExpectedTotal:
    """What the records of one hour come to."""

    count: int
    sum: int
    max: int
    last: int
    last_at: datetime


def is_kept(project: Project) -> bool:
    """Totals equal the records, counters equal the totals, and each record has its key."""
    rows = Record.objects.for_project(project)
    uses = [
        (row.customer_id, row.meter_id, row.value, row.occurred_at)
        for row in rows.filter(voided_at__isnull=True)
    ]
    kept = {
        (row.customer_id, row.meter_id, row.hour): ExpectedTotal(
            row.count, int(row.sum), row.max, row.last, row.last_at
        )
        for row in Total.objects.for_project(project).filter(count__gt=0)
    }
    assert kept == expected_totals(uses)
    keys = RecordKey.objects.for_project(project).values_list("id", flat=True)
    assert sorted(keys) == sorted(rows.values_list("id", flat=True))
    counters = list(Counter.objects.for_project(project))
    spans = [Span(row.customer_id, row.meter_id, row.starts_at, row.ends_at) for row in counters]
    figures = totals.usage_of_spans(project_id=project.pk, spans=spans)
    assert [int(row.used) for row in counters] == figures
    return True


def expected_totals(
    uses: list[tuple[str, str, int, datetime]],
) -> dict[tuple[str, str, datetime], ExpectedTotal]:
    """The totals of these uses (customer, meter, value, moment), computed one by one."""
    groups: dict[tuple[str, str, datetime], list[tuple[datetime, int]]] = defaultdict(list)
    for customer_id, meter_id, value, at in uses:
        hour = at.replace(minute=0, second=0, microsecond=0)
        groups[customer_id, meter_id, hour].append((at, value))
    return {
        key: ExpectedTotal(
            len(group),
            sum(value for _, value in group),
            max(value for _, value in group),
            max(group)[1],
            max(group)[0],
        )
        for key, group in groups.items()
    }
