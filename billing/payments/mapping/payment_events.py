"""Decide which events announce a change of a payment, its refunds or its disputes."""

from collections.abc import Iterator

from django.db.models import Model

from billing.models import Dispute, Payment, Refund
from billing.models.dispute import DisputeStage, stage_of
from billing.models.payment import PaymentStatus
from billing.stripe.snapshots import REFUND_GONE
from billing.sync.plan import Differences, RowPlan, Values
from events.catalog import EventType

EVENT_OF_STATUS = {
    PaymentStatus.REQUIRES_ACTION: EventType.PAYMENT_REQUIRES_ACTION,
    PaymentStatus.PROCESSING: EventType.PAYMENT_PROCESSING,
    PaymentStatus.FAILED: EventType.PAYMENT_FAILED,
    PaymentStatus.EXPIRED: EventType.PAYMENT_EXPIRED,
    PaymentStatus.CANCELED: EventType.PAYMENT_CANCELED,
}
"""Statuses that have an event of their own."""
SUCCEEDED = "succeeded"
"""Stripe's status of a refund."""
OPEN_STAGES = frozenset({DisputeStage.INQUIRY, DisputeStage.OPEN})
ACTED_ON = ("status", "reason", "amount", "evidence_due_by")
"""Fields of an open dispute whose change a project acts on."""


def event_types(plan: RowPlan[Payment], differences: Differences) -> Iterator[EventType]:
    """Yield the events of a change that is planned but not yet written."""
    if plan.row.synced_at is None:
        yield EventType.PAYMENT_CREATED
    if plan.row.paid_at is None and plan.values.get("paid_at") is not None:
        yield EventType.PAYMENT_PAID
    if "status" in differences and differences["status"][1] in EVENT_OF_STATUS:
        yield EVENT_OF_STATUS[differences["status"][1]]
    yield from _refund_events(plan, differences)
    yield from _dispute_events(plan, differences)


def _refund_events(plan: RowPlan[Payment], differences: Differences) -> Iterator[EventType]:
    """Yield at most one event for new refunds, one for those that succeeded, one for failed ones.

    A refund that succeeds while another one fails may leave ``amount_refunded`` unchanged, so the
    failed amount is added back before the comparison.
    """
    failed_amount = sum(
        row.amount
        for row, values in _child_rows(plan, "refunds")
        if isinstance(row, Refund)
        and row.status not in {"", *REFUND_GONE}
        and values["status"] in REFUND_GONE
    )
    before, after = differences.get("amount_refunded", (0, 0))
    if after + failed_amount > before:
        yield EventType.PAYMENT_REFUNDED
    if any(
        values["status"] == SUCCEEDED and (not isinstance(row, Refund) or row.status != SUCCEEDED)
        for row, values in _child_rows(plan, "refunds")
    ):
        yield EventType.PAYMENT_REFUND_SUCCEEDED
    if failed_amount:
        yield EventType.PAYMENT_REFUND_FAILED


def _dispute_events(plan: RowPlan[Payment], differences: Differences) -> Iterator[EventType]:
    """Yield at most one event for opened disputes, one for changed and one for closed ones."""
    stage_changes = [
        (
            row.stage if isinstance(row, Dispute) else None,
            stage_of(values["status"], values["case_type"]),
        )
        for row, values in _child_rows(plan, "disputes")
    ]
    new_stages = {after for before, after in stage_changes if before != after}
    if new_stages & OPEN_STAGES:
        yield EventType.PAYMENT_DISPUTED
    if any(_is_updated(row, values, differences) for row, values in _child_rows(plan, "disputes")):
        yield EventType.PAYMENT_DISPUTE_UPDATED
    if new_stages & {DisputeStage.WON, DisputeStage.LOST}:
        yield EventType.PAYMENT_DISPUTE_CLOSED


def _is_updated(row: Model | None, values: Values, differences: Differences) -> bool:
    """Whether a stored dispute stays at its open stage and differs from Stripe's."""
    if not isinstance(row, Dispute) or row.stage not in OPEN_STAGES:
        return False
    if stage_of(values["status"], values["case_type"]) != row.stage:
        return False
    return any(f"disputes[{row.stripe_id}].{name}" in differences for name in ACTED_ON)


def _child_rows(plan: RowPlan[Payment], name: str) -> Iterator[tuple[Model | None, Values]]:
    """Yield each planned refund or dispute: its row, None if it is new, and its new values."""
    for children in plan.children:
        if children.name == name:
            for stripe_id, values in children.values_by_id.items():
                yield children.rows.get(stripe_id), values
