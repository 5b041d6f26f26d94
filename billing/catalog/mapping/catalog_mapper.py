"""What the mappers of the catalog share: its objects belong to a project and to no customer."""

from collections.abc import Callable
from datetime import datetime

from billing.catalog import catalog_events
from billing.models import StripeAccount
from billing.sync.mapper import Mapper, RowT, SnapshotT
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from projects.models import Customer


def find_row(model: type[RowT], account: StripeAccount, snapshot: SnapshotT) -> RowT | None:
    """Our row of the object, or the one that the object was created for."""
    return owners.claimed_row(
        model, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )


def find_or_build_row(
    model: type[RowT], account: StripeAccount, owner: Owner, snapshot: SnapshotT
) -> RowT:
    """Our row of the object; an unsaved one for an object that was created elsewhere."""
    row = find_row(model, account, snapshot)
    return row or model(project_id=owner.project_id, account=account)


def write_row(planned: RowPlan[RowT], customer: Customer | None, at: datetime) -> None:
    """Write the row and record the event of the change."""
    if planned.differences():
        customer = catalog_events.lock(planned.row, customer_id=planned.values.get("customer_id"))
        with catalog_events.recorded(planned.row, customer=customer, at=at):
            planned.write(at=at)


def build_mapper(
    *,
    model: type[RowT],
    plan: Callable[[StripeAccount, Owner, SnapshotT], RowPlan[RowT]],
    gone: Callable[[RowT, datetime], Values],
    owner: Callable[[StripeAccount, SnapshotT], Owner | None] | None = None,
    carry_out: Callable[[RowPlan[RowT], Customer | None, datetime], None] = write_row,
) -> Mapper[SnapshotT, RowT]:
    """A mapper of a kind of the catalog. By default an object belongs to the project of our row,
    or to the project whose own account it is in; in a shared account it is foreign."""

    def find_owner(account: StripeAccount, snapshot: SnapshotT) -> Owner | None:
        row = find_row(model, account, snapshot)
        project_id = row.project_id if row is not None else account.project_id
        return Owner(project_id) if project_id is not None else None

    return Mapper(
        model=model,
        owner=owner or find_owner,
        plan=plan,
        gone=gone,
        carry_out=carry_out,
        customer_id=_no_customer,
    )


def _no_customer(row: RowT) -> None:
    return None
