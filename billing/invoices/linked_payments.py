"""Record ``payment.updated`` for payments that show another invoice since the invoice was stored.

A payment's body names its invoice, and an invoice that is stored after it, or no longer lists it,
changes nothing in the payment's own row.
"""

from collections.abc import Iterator
from datetime import datetime

from billing import representation
from billing.models import Invoice, Payment
from billing.representation.payments import PaymentBody
from billing.sync.changes import record_shown
from billing.sync.plan import RowPlan
from common import prepared_relations
from events.catalog import EventType
from projects.models import Customer

RELATIONS = ("refunds", "disputes", "invoice_payments", "fraud_warnings")

Bodies = list[tuple[Payment, PaymentBody]]


def bodies_before(plan: RowPlan[Invoice]) -> Bodies:
    """The payments that the plan links to the invoice or parts from it, and their bodies before.
    No query if there are none."""
    if not (payment_ids := set(_relinked(plan))):
        return []
    rows = Payment.objects.for_project(plan.row.project_id).filter(pk__in=payment_ids)
    payments = list(rows.select_related("customer").order_by("pk"))
    prepared_relations.load(payments, *RELATIONS)
    return [(payment, representation.payment(payment)) for payment in payments]


def record_changes(bodies: Bodies, *, customer: Customer, at: datetime) -> None:
    """Record the bodies that have changed, with the customer's newest version."""
    for payment, _ in bodies:
        prepared_relations.reload(payment, "invoice_payments")
    record_shown(
        bodies,
        customer=customer,
        render=representation.payment,
        event_type=EventType.PAYMENT_UPDATED,
        at=at,
    )


def _relinked(plan: RowPlan[Invoice]) -> Iterator[str]:
    """Ids of the payments that a part of the invoice named before, or will name."""
    for parts in plan.children:
        if parts.name != "payments":
            continue
        for stripe_id in parts.rows.keys() | parts.values_by_id.keys():
            row, values = parts.rows.get(stripe_id), parts.values_by_id.get(stripe_id, {})
            before, after = getattr(row, "payment_id", None), values.get("payment_id")
            if before != after:
                yield from (payment_id for payment_id in (before, after) if payment_id)
