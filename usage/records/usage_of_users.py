"""Usage of users in a time range, as response bodies."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from common.errors import Invalid
from projects.customers import selectors as customers
from projects.models import Customer, Project
from usage.meters import representation
from usage.meters.representation import UsageBody
from usage.models import Meter
from usage.periods import Period, Unit
from usage.totals.aggregation import HOUR, hour_of
from usage.totals.selectors import totals
from usage.totals.selectors.totals import Span

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
LONGEST = {
    Unit.HOUR: timedelta(days=31),
    Unit.DAY: timedelta(days=400),
    Unit.MONTH: timedelta(days=4000),
}
"""The longest time range per unit of ``group_by``, which keeps responses small."""


def read(
    *,
    project: Project,
    user_id: str,
    meter: Meter,
    time_range: tuple[datetime, datetime],
    unit: Unit | None = None,
) -> UsageBody:
    """The user's usage, with ``unit`` also by hour, day or month. An unknown user has used
    nothing."""
    customer = customers.find(project=project, user_id=user_id)
    span = Span(customer.pk if customer else customers.NO_CUSTOMER, meter.pk, *time_range)
    (value,) = totals.usage_of_spans(project_id=project.pk, spans=[span])
    groups = [] if unit is None else totals.usage_by_unit(meter=meter, span=span, unit=unit)
    name = customer.user_id if customer else user_id
    return representation.usage(meter, user_id=name, span=span, value=value, groups=groups)


def read_many(
    *,
    project: Project,
    users: Sequence[Customer],
    meter: Meter,
    time_range: tuple[datetime, datetime],
) -> dict[str, UsageBody]:
    """The usage of each customer, by the customer's id: one query."""
    spans = [Span(customer.pk, meter.pk, *time_range) for customer in users]
    values = totals.usage_of_spans(project_id=project.pk, spans=spans)
    return {
        customer.pk: representation.usage(
            meter, user_id=customer.user_id, span=span, value=value, groups=[]
        )
        for customer, span, value in zip(users, spans, values, strict=True)
    }


def time_range(
    *, since: datetime | None, until: datetime | None, unit: Unit | None, now: datetime
) -> tuple[datetime, datetime]:
    """Start and end of the time range, by default this month until now. Raises Invalid unless both
    are full hours in order, and for a range that is too long for ``unit``."""
    until = until or hour_of(now) + HOUR
    if not EARLIEST <= until <= LATEST:
        raise Invalid("A moment between the years 2000 and 2200.", field="to")
    since = since or Period(Unit.MONTH).window(until - HOUR).starts_at
    for field, moment in (("from", since), ("to", until)):
        if not EARLIEST <= moment <= LATEST:
            raise Invalid("A moment between the years 2000 and 2200.", field=field)
        if hour_of(moment) != moment:
            raise Invalid("Full hours only: what was used is added up by the hour.", field=field)
    if since >= until:
        raise Invalid("The end lies after the beginning.", field="to")
    if unit is not None and until - since > LONGEST[unit]:
        days = LONGEST[unit].days
        raise Invalid(f"By the {unit.value} no more than {days} days at once.", field="group_by")
    return since, until
