"""Store Stripe's checkout sessions. A session that Tollgate did not open has no row."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from billing.access import line_events
from billing.access import service as access
from billing.access.selectors import purchased_rows
from billing.checkout import page_payments, page_results
from billing.checkout.representation import checkouts as shown
from billing.models import Checkout, CheckoutLine, StripeAccount
from billing.models.checkout import PAID, CheckoutStatus
from billing.models.sync_object import ObjectKind
from billing.stripe import checkouts as stripe_checkouts
from billing.stripe.snapshots import CheckoutSnapshot
from billing.sync import kinds, sync_queue
from billing.sync.changes import write_and_record
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import Children, Differences, RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from common.queue import enqueue
from events.catalog import EventType
from projects.models import Customer


def _find_row(account: StripeAccount, snapshot: CheckoutSnapshot) -> Checkout | None:
    """Find our row, unless the session belongs to another Stripe customer than the row."""
    row = owners.claimed_row(
        Checkout, account=account, stripe_id=snapshot.stripe_id, our_id=snapshot.our_id
    )
    if row is None or not snapshot.customer_stripe_id:
        return row
    owner = owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)
    return row if owner == Owner(row.project_id, row.customer_id) else None


def _find_owner(account: StripeAccount, snapshot: CheckoutSnapshot) -> Owner | None:
    row = _find_row(account, snapshot)
    return Owner(row.project_id, row.customer_id) if row is not None else None


def _plan_row(
    account: StripeAccount, owner: Owner, snapshot: CheckoutSnapshot
) -> RowPlan[Checkout]:
    row = _find_row(account, snapshot)
    assert row is not None
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "status": snapshot.status,
            "payment_status": snapshot.payment_status,
            "url": snapshot.url,
            "currency": snapshot.currency or row.currency,
            "amount_total": snapshot.amount_total,
            "amount_subtotal": snapshot.amount_subtotal,
            "amount_discount": snapshot.amount_discount,
            "amount_tax": snapshot.amount_tax,
            "line_totals": _line_totals(snapshot),
            "payment_stripe_id": snapshot.payment_stripe_id or "",
            "subscription_stripe_id": snapshot.subscription_stripe_id or "",
            "invoice_stripe_id": snapshot.invoice_stripe_id or "",
            "metadata": snapshot.metadata,
            "expires_at": snapshot.expires_at,
        },
    )


def _line_totals(snapshot: CheckoutSnapshot) -> list[dict[str, Any]]:
    return [
        {"price": line.price_stripe_id, "quantity": line.quantity, "total": line.total}
        for line in snapshot.line_totals
    ]


def _values_when_gone(row: Checkout, at: datetime) -> Values:
    if row.status == CheckoutStatus.COMPLETE:
        return {}
    return {"status": CheckoutStatus.EXPIRED.value, "url": ""}


def _write_plan(plan: RowPlan[Checkout], customer: Customer | None, at: datetime) -> None:
    assert customer is not None
    row = plan.row
    row.customer = customer
    plan = replace(
        plan,
        values={**plan.values, **_outcome_values(plan, at)},
        children=_plan_fulfilled_lines(plan, at),
    )
    differences = write_and_record(
        plan, customer=customer, render=shown.checkout, event_types=_event_types, at=at
    )
    _record_fulfilled_lines(plan, customer, at)
    if differences and row.status == CheckoutStatus.COMPLETE:
        _request_sync_of_results(row)
    access.follow_checkout(checkout=row, customer=customer, at=at)
    page_payments.follow_checkout(checkout=row, customer=customer, at=at)
    page_results.follow(checkout=row, customer=customer, at=at)


def _outcome_values(plan: RowPlan[Checkout], at: datetime) -> Values:
    """Return when the page was completed, and that no payment of a paid page has failed."""
    row = plan.row
    status = plan.values.get("status", row.status)
    is_new = status == CheckoutStatus.COMPLETE and row.completed_at is None
    return {
        **({"completed_at": at} if is_new else {}),
        **({"payment_failed_at": None} if _will_be_fulfilled(plan) else {}),
    }


def _will_be_fulfilled(plan: RowPlan[Checkout]) -> bool:
    """Evaluate ``Checkout.is_fulfilled`` with the planned values."""
    status = plan.values.get("status", plan.row.status)
    payment_status = plan.values.get("payment_status", plan.row.payment_status)
    return status == CheckoutStatus.COMPLETE and payment_status in PAID


def _plan_fulfilled_lines(plan: RowPlan[Checkout], at: datetime) -> tuple[Children, ...]:
    """Plan ``fulfilled_at`` of all lines of a page that is complete and paid."""
    if not _will_be_fulfilled(plan):
        return ()
    lines = {
        line.pk: line
        for line in purchased_rows.find_lines([plan.row.pk])
        if line.fulfilled_at is None
    }
    new_values = {pk: {"fulfilled_at": at} for pk in lines}
    return (Children(name="lines", rows=lines, values_by_id=new_values, new=lines.__getitem__),)


def _record_fulfilled_lines(plan: RowPlan[Checkout], customer: Customer, at: datetime) -> None:
    lines = [line for children in plan.children for line in children.rows.values()]
    line_events.record(
        [line_events.fulfilled(line) for line in lines if isinstance(line, CheckoutLine)],
        customer=customer,
        at=at,
    )


def _event_types(plan: RowPlan[Checkout], differences: Differences) -> Iterator[EventType]:
    before, after = differences.get("status", (plan.row.status, plan.row.status))
    if before != after and after == CheckoutStatus.COMPLETE:
        yield EventType.CHECKOUT_COMPLETED
    if not plan.row.is_fulfilled and _will_be_fulfilled(plan):
        yield EventType.CHECKOUT_PAID
    if before != after and after == CheckoutStatus.EXPIRED:
        yield EventType.CHECKOUT_EXPIRED


def _request_sync_of_results(row: Checkout) -> None:
    """Request a sync of the objects that the session created; their own events may never arrive."""
    results = {
        ObjectKind.PAYMENT_INTENT: row.payment_stripe_id,
        ObjectKind.SUBSCRIPTION: row.subscription_stripe_id,
        ObjectKind.INVOICE: row.invoice_stripe_id,
    }
    for kind, stripe_id in results.items():
        if stripe_id:
            sync_queue.request_sync(
                account_id=row.account_id,
                kind=kind,
                stripe_id=stripe_id,
                project_id=row.project_id,
            )
            enqueue("billing.sync")


MAPPER: Mapper[CheckoutSnapshot, Checkout] = Mapper(
    model=Checkout, owner=_find_owner, plan=_plan_row, gone=_values_when_gone, carry_out=_write_plan
)

MIRRORED = Mirrored(
    ObjectKind.CHECKOUT_SESSION,
    stripe_checkouts.retrieve,
    stripe_checkouts.iterate,
    MAPPER,
    kinds.never,
)
