"""The events that a change of a payment, its refunds or its disputes is told by."""

from collections.abc import Iterator

from django.db.models import Model

from billing.models import Dispute, Payment, Refund
from billing.models.dispute import DisputeStage, stage_of
from billing.models.payment import PaymentStatus
from billing.stripe.snapshots import REFUND_GONE
from billing.sync.plan import Differences, RowPlan, Values
from events.catalog import EventType

TOLD = {
    PaymentStatus.FAILED: EventType.PAYMENT_FAILED,
    PaymentStatus.EXPIRED: EventType.PAYMENT_EXPIRED,
    PaymentStatus.CANCELED: EventType.PAYMENT_CANCELED,
}
"""The event that a change of status has of its own."""


def happened(planned: RowPlan[Payment], differences: Differences) -> Iterator[EventType]:
    """The events of a planned change, before it is written."""
    if planned.row.synced_at is None:
        yield EventType.PAYMENT_CREATED
    if planned.row.paid_at is None and planned.values.get("paid_at") is not None:
        yield EventType.PAYMENT_PAID
    if "status" in differences and differences["status"][1] in TOLD:
        yield TOLD[differences["status"][1]]
    yield from _refunded(planned, differences)
    yield from _contested(planned)


def _refunded(planned: RowPlan[Payment], differences: Differences) -> Iterator[EventType]:
    """Money that went back, and money that was to go back and did not."""
    bounced = sum(
        row.amount
        for row, values in _below(planned, "refunds")
        if isinstance(row, Refund)
        and row.status not in {"", *REFUND_GONE}
        and values["status"] in REFUND_GONE
    )
    before, after = differences.get("amount_refunded", (0, 0))
    if after + bounced > before:
        yield EventType.PAYMENT_REFUNDED
    if bounced:
        yield EventType.PAYMENT_REFUND_FAILED


def _contested(planned: RowPlan[Payment]) -> Iterator[EventType]:
    """What banks have begun and ended: at most one of each, whatever their number."""
    moves = [
        (
            row.stage if isinstance(row, Dispute) else None,
            stage_of(values["status"], values["case_type"]),
        )
        for row, values in _below(planned, "disputes")
    ]
    changes = {after for before, after in moves if before != after}
    if changes & {DisputeStage.INQUIRY, DisputeStage.OPEN}:
        yield EventType.PAYMENT_DISPUTED
    if changes & {DisputeStage.WON, DisputeStage.LOST}:
        yield EventType.PAYMENT_DISPUTE_CLOSED


def _below(planned: RowPlan[Payment], name: str) -> Iterator[tuple[Model | None, Values]]:
    """Each row of that name with what it is to say; None for one that is new."""
    for each in planned.children:
        if each.name == name:
            for stripe_id, values in each.wanted.items():
                yield each.rows.get(stripe_id), values
