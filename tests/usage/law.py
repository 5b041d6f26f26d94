"""Check that totals, counters and keys agree with the usage records."""

from projects.models import Project
from usage.models import Counter, Record, RecordKey, Total
from usage.totals.aggregation import RecordedUse, TotalChange, group_by_hour
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span


def is_kept(project: Project) -> bool:
    """Totals equal the records, counters equal the totals, and each record has its key."""
    rows = Record.objects.for_project(project)
    uses = [
        RecordedUse(row.customer_id, row.meter_id, row.value, row.occurred_at)
        for row in rows.filter(voided_at__isnull=True)
    ]
    kept = {
        (row.customer_id, row.meter_id, row.hour): TotalChange(
            row.count, int(row.sum), row.max, row.last, row.last_at
        )
        for row in Total.objects.for_project(project).filter(count__gt=0)
    }
    assert kept == group_by_hour(uses)
    keys = RecordKey.objects.for_project(project).values_list("id", flat=True)
    assert sorted(keys) == sorted(rows.values_list("id", flat=True))
    counters = list(Counter.objects.for_project(project))
    spans = [Span(row.customer_id, row.meter_id, row.starts_at, row.ends_at) for row in counters]
    figures = totals.usage_of_spans(project_id=project.pk, spans=spans)
    assert [int(row.used) for row in counters] == figures
    return True
