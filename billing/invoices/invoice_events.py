"""Decide which events announce a change of an invoice, its payments or its credit notes."""

from collections.abc import Iterator

from billing.models import CreditNote, Invoice
from billing.models.invoice import DELETED, DRAFT, PAID
from billing.models.invoice_payment import PROCESSING
from billing.sync.plan import Differences, RowPlan
from events.catalog import EventType

EVENT_OF_STATUS = {
    PAID: EventType.INVOICE_PAID,
    "void": EventType.INVOICE_VOIDED,
    "uncollectible": EventType.INVOICE_UNCOLLECTIBLE,
}
NOT_FINALIZED = frozenset({"", DRAFT, DELETED})
"""An invoice without a row has no status: it may be first read long after it was finalized."""
ISSUED = "issued"
"""Stripe's status of a credit note that counts."""


def event_types(plan: RowPlan[Invoice], differences: Differences) -> Iterator[EventType]:
    """Yield the events of a change that is planned but not yet written."""
    before, after = differences.get("status", (plan.row.status, plan.row.status))
    if plan.is_new and after == DRAFT:
        yield EventType.INVOICE_DRAFTED
    if before in NOT_FINALIZED and after not in NOT_FINALIZED:
        yield EventType.INVOICE_FINALIZED
    if after != PAID and _has_payment_failed(plan, differences, after):
        yield EventType.INVOICE_PAYMENT_FAILED
    if before != after and after in EVENT_OF_STATUS:
        yield EVENT_OF_STATUS[after]
    yield from _credit_note_events(plan)


def _credit_note_events(plan: RowPlan[Invoice]) -> Iterator[EventType]:
    """Yield at most one event for issued credit notes, and at most one for voided ones."""
    changes = {
        (row.status if isinstance(row, CreditNote) else None, values["status"])
        for children in plan.children
        if children.name == "credit_notes"
        for stripe_id, values in children.values_by_id.items()
        for row in [children.rows.get(stripe_id)]
    }
    if any(before != ISSUED and after == ISSUED for before, after in changes):
        yield EventType.INVOICE_CREDITED
    if any(before == ISSUED and after != ISSUED for before, after in changes):
        yield EventType.INVOICE_CREDIT_NOTE_VOIDED


def _has_payment_failed(plan: RowPlan[Invoice], differences: Differences, status: str) -> bool:
    """Return whether an attempt to collect the money has failed.

    Stripe counts a bank debit as an attempt when it starts; it fails days later, if the bank
    refuses it. So no attempt has failed while a payment is processing.
    """
    status_changes = [
        (getattr(children.rows.get(stripe_id), "status", ""), values["status"])
        for children in plan.children
        if children.name == "payments"
        for stripe_id, values in children.values_by_id.items()
    ]
    if any(after == PROCESSING for _, after in status_changes):
        return False
    if any(before == PROCESSING for before, _ in status_changes):
        return True
    attempts_before, attempts_after = differences.get("attempt_count", (0, 0))
    return status != "void" and attempts_after > (attempts_before or 0)
