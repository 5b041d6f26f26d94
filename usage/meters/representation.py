"""Meters, usage records and totals as JSON."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from common.bodies import Time, UserId
from common.times import rfc3339
from usage.models import Meter, Record
from usage.models.meter import Aggregation
from usage.models.record import Forwarding
from usage.periods import Window
from usage.totals.selectors.totals import Span

FORWARDING = tuple(status for status in Forwarding.values if status)
"""The values of ``stripe_status``. The empty status means that Stripe does not get the record."""


class MeterBody(TypedDict):
    """A meter: what is counted, and how records are added up."""

    id: str
    code: str
    name: str
    unit: Annotated[str, "Empty when unknown."]
    aggregation: Annotated[str, Aggregation]
    created_at: Time
    archived_at: Time | None


class RecordBody(TypedDict):
    """A usage record: one use of a meter by one user."""

    id: str
    user_id: UserId
    meter: Annotated[str, "The meter's code."]
    value: Annotated[int, "1 for a `count` or `unique` meter: the text of a use is not stored."]
    occurred_at: Time
    recorded_at: Time
    corrects: Annotated[str | None, "Id of the record that this one replaces."]
    voided_at: Annotated[Time | None, "When it was voided; it no longer counts."]
    stripe_status: Annotated[
        Annotated[str, FORWARDING] | None,
        "Of a use billed by a metered price: whether Stripe has the record. Null otherwise.",
    ]
    stripe_error: Annotated[str | None, "Why Stripe refused it."]


class UsageGroupBody(TypedDict):
    starts_at: Time
    ends_at: Time
    value: int


class UsageFiguresBody(TypedDict):
    """A user's usage of one meter, without the time range."""

    user_id: UserId
    meter: str
    aggregation: Annotated[str, Aggregation]
    unit: str
    value: Annotated[int, "Usage in the whole time range."]
    groups: Annotated[list[UsageGroupBody], "Usage of each hour, day or month (UTC) that has any."]


class UsageRefusalBody(TypedDict):
    """Usage that Stripe does not bill."""

    user_id: UserId
    customer: str
    meter: Annotated[str, "The code of the meter."]
    records: Annotated[int, "How many records."]
    value: Annotated[int, "The sum of their values, in units of the meter."]
    reason: Annotated[str, "Why, in Stripe's words or ours."]


class UsageVoidRefusalBody(UsageRefusalBody):
    """Voided usage that Stripe bills all the same."""


UsageTimeBody = TypedDict("UsageTimeBody", {"from": Time, "to": Time})  # ``from`` is a keyword


class UsageBody(UsageFiguresBody, UsageTimeBody):
    """A user's usage of one meter in a time range."""


def meter(row: Meter) -> MeterBody:
    return {
        "id": row.pk,
        "code": row.code,
        "name": row.name,
        "unit": row.unit,
        "aggregation": row.aggregation,
        "created_at": rfc3339(row.created_at),
        "archived_at": rfc3339(row.archived_at),
    }


def record(row: Record) -> RecordBody:
    return {
        "id": row.id,
        "user_id": row.customer.user_id,
        "meter": row.meter.code,
        "value": row.value,
        "occurred_at": rfc3339(row.occurred_at),
        "recorded_at": rfc3339(row.recorded_at),
        "corrects": row.corrects or None,
        "voided_at": rfc3339(row.voided_at),
        "stripe_status": row.forwarding or None,
        "stripe_error": row.forwarding_error or None,
    }


def usage(
    of: Meter, *, user_id: str, span: Span, value: int, groups: Sequence[tuple[Window, int]]
) -> UsageBody:
    """A user's usage of one meter in a time range."""
    return {
        "user_id": user_id,
        "meter": of.code,
        "aggregation": of.aggregation,
        "unit": of.unit,
        "from": rfc3339(span.starts_at),
        "to": rfc3339(span.ends_at),
        "value": value,
        "groups": [
            {
                "starts_at": rfc3339(window.starts_at),
                "ends_at": rfc3339(window.ends_at),
                "value": figure,
            }
            for window, figure in groups
        ],
    }
