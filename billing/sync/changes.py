"""Write a plan and record its events: one new version of the customer, any number of events."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from billing import row_ids
from billing.sync.plan import Differences, RowPlan, RowT
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer


def write_and_record(
    planned: RowPlan[RowT],
    *,
    customer: Customer,
    render: Callable[[RowT], Mapping[str, object]],
    event_types: Callable[[RowPlan[RowT], Differences], Iterable[EventType]],
    at: datetime,
    otherwise: EventType | None = None,
    link: Callable[[RowT, Differences], None] = lambda row, differences: None,
) -> Differences:
    """Write the plan of a locked customer's row. Returns the differences, empty if there are none.

    ``event_types`` names the events; it is called before the plan is written. ``otherwise`` is the
    event of a change that has none of them and shows in the row's body. ``link`` stores what else
    the body shows, once the row is written.
    """
    differences = planned.differences()
    row_ids.log(planned.row)
    if not differences:
        return differences
    planned.load()
    is_new = planned.is_new
    before: Mapping[str, object] = {} if is_new else render(planned.row)
    types = list(event_types(planned, differences))
    planned.write(at=at)
    link(planned.row, differences)
    version = customers.raise_version(customer)
    after = render(planned.row)
    previous = outbox.previous_values(before, after)
    if otherwise is not None and previous and not types:
        types = [otherwise]
    outbox.record_each(
        types,
        is_new=is_new,
        project_id=customer.project_id,
        subject=planned.row.pk,
        customer_id=customer.pk,
        version=version,
        data=after,
        previous=previous,
        at=at,
    )
    return differences


def record_shown(
    bodies_before: Iterable[tuple[RowT, Mapping[str, object]]],
    *,
    customer: Customer,
    render: Callable[[RowT], Mapping[str, object]],
    event_type: EventType,
    at: datetime,
) -> None:
    """Record the rows that show something else since another object was stored, with the newest
    version of their customer."""
    for row, before in bodies_before:
        after = render(row)
        if previous := outbox.previous_values(before, after):
            outbox.record_shown(
                event_type=event_type,
                project_id=customer.project_id,
                subject=row.pk,
                customer_id=customer.pk,
                version=customer.version,
                data=after,
                previous=previous,
                at=at,
            )
