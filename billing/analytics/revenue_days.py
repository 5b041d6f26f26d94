"""Count the money of days from the mirrors of payments, refunds and disputes, and store the days.

Money counts on the day (UTC) on which it moved: a payment when it was paid, a refund when it was
made, if it has succeeded, a dispute when it was opened, if the bank holds the money now or has
kept it. A refund that fails and a dispute that is won later are taken off their old day again, so
counted days are recounted: those of the last weeks every hour, all others every night.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Count, IntegerField, QuerySet, Sum, Value
from django.db.models.functions import TruncDate

from billing.analytics import money_rows
from billing.models import RevenueDay

COUNTED = ("payments", "gross", "refunds", "refunded", "disputes", "disputed")

RevenueDays = dict[tuple[str, date, str], RevenueDay]
"""Rows by project id, day and currency."""


def count(
    *, project_ids: Collection[str], start: datetime, end: datetime, at: datetime
) -> RevenueDays:
    """The rows of ``[start, end)``, not stored; days without money have none. One query."""
    days: RevenueDays = {}
    payments, refunds, disputes = (
        _sums(rows.filter(project_id__in=project_ids), time, amount, column)
        for rows, time, amount, column in (
            (money_rows.payments(start=start, end=end), "paid_at", "amount_received", 0),
            (money_rows.refunds(start=start, end=end), "refunded_at", "amount", 1),
            (money_rows.withheld_disputes(start=start, end=end), "opened_at", "amount", 2),
        )
    )
    for project_id, day, currency, *sums in payments.union(refunds, disputes, all=True):
        key = (project_id, day, currency)
        if key not in days:
            days[key] = RevenueDay(project_id=project_id, day=day, currency=currency, counted_at=at)
        for name, value in zip(COUNTED, sums, strict=True):
            setattr(days[key], name, getattr(days[key], name) + value)
    return days


def _sums(rows: QuerySet[Any], time: str, amount: str, column: int) -> Any:
    """Number and sum by project, day and currency, in the columns of their kind; others are 0."""
    values: list[Any] = []
    for number in range(len(COUNTED) // 2):
        is_own = number == column
        values += [
            Count("pk") if is_own else Value(0, output_field=IntegerField()),
            Sum(amount) if is_own else Value(0, output_field=BigIntegerField()),
        ]
    columns = {f"counted_{number}": value for number, value in enumerate(values)}
    return (
        rows.order_by()
        .annotate(counted_day=TruncDate(time, tzinfo=UTC))
        .values("project_id", "counted_day", "currency")
        .annotate(**columns)
        .values_list("project_id", "counted_day", "currency", *columns)
    )


def difference(stored: RevenueDay | None, counted: RevenueDay | None) -> dict[str, tuple[int, int]]:
    """Columns that differ, with the stored and the counted value. A missing row is all zeros."""
    pairs = {name: (getattr(stored, name, 0), getattr(counted, name, 0)) for name in COUNTED}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def recount(
    *, project_id: str, start: datetime, end: datetime, at: datetime, store: bool = True
) -> list[tuple[date, str, dict[str, tuple[int, int]]]]:
    """Count the days of ``[start, end)`` again and store those that differ, unless ``store`` is
    false. Returns day, currency and differences of each of them."""
    with transaction.atomic():
        counted = count(project_ids=[project_id], start=start, end=end, at=at)
        differing = compare(project_id=project_id, counted=counted, start=start, end=end)
        if store:
            _store(project_id, differing, counted)
    return differing


def compare(
    *, project_id: str, counted: RevenueDays, start: datetime, end: datetime
) -> list[tuple[date, str, dict[str, tuple[int, int]]]]:
    """Day, currency and differences of each stored day that differs from the count."""
    rows = RevenueDay.objects.for_project(project_id).filter(
        day__gte=start.date(), day__lt=end.date()
    )
    stored = {(row.project_id, row.day, row.currency): row for row in rows}
    differing = []
    for key in sorted(stored.keys() | counted.keys()):
        columns = difference(stored.get(key), counted.get(key))
        if columns:
            differing.append((key[1], key[2], columns))
    return differing


def _store(
    project_id: str,
    differing: Iterable[tuple[date, str, dict[str, tuple[int, int]]]],
    counted: RevenueDays,
) -> None:
    keys = [(day, currency) for day, currency, _ in differing]
    days = RevenueDay.objects.for_project(project_id)
    for day, currency in keys:
        if (project_id, day, currency) not in counted:
            days.filter(day=day, currency=currency).delete()
    days.bulk_create(
        [
            counted[project_id, day, currency]
            for day, currency in keys
            if (project_id, day, currency) in counted
        ],
        update_conflicts=True,
        unique_fields=["project", "day", "currency"],
        update_fields=[*COUNTED, "counted_at"],
    )
