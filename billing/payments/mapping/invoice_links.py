"""Link the parts of invoices that a payment pays, which may be stored before it."""

from dataclasses import dataclass, field
from datetime import datetime

from billing.invoices import shown_invoices
from billing.models import InvoicePayment, Payment
from billing.sync.plan import Differences
from common import prepared_relations
from common.prepared_queries import Parameter, PreparedValues
from projects.models import Customer

_UNLINKED = PreparedValues(
    lambda: (
        InvoicePayment.objects.for_project(Parameter("project_id"))
        .filter(
            invoice__account_id=Parameter("account_id"),
            invoice__customer_id=Parameter("customer_id"),
            payment_stripe_id=Parameter("stripe_id"),
            payment__isnull=True,
        )
        .values_list("pk", "invoice_id")
    )
)


@dataclass(slots=True)
class InvoiceLinks:
    """What one stored payment is linked to."""

    bodies_before: shown_invoices.Bodies = field(default_factory=list)

    def link(self, row: Payment, differences: Differences) -> None:
        """Link the parts of invoices that were stored before this payment. One query if there are
        none."""
        unlinked = _find_unlinked(row)
        if not unlinked:
            return
        self.bodies_before = shown_invoices.bodies_before(
            [invoice_id for _, invoice_id in unlinked], customer=row.customer
        )
        InvoicePayment.objects.for_project(row.project_id).filter(
            pk__in=[pk for pk, _ in unlinked]
        ).update(payment=row)
        prepared_relations.reload(row, "invoice_payments")

    def record_changes(self, *, customer: Customer, at: datetime) -> None:
        """Record the invoices that show the payment now, with the customer's newest version."""
        for invoice, _ in self.bodies_before:
            prepared_relations.reload(invoice, "payments")
        shown_invoices.record_changes(self.bodies_before, customer=customer, at=at)


def is_unlinked(row: Payment) -> bool:
    """Whether parts of invoices were stored before this payment that are not linked to it yet."""
    return bool(_find_unlinked(row))


def _find_unlinked(row: Payment) -> list[tuple[str, str]]:
    """Ids of these parts and of their invoices."""
    return _UNLINKED.rows(
        project_id=row.project_id,
        account_id=row.account_id,
        customer_id=row.customer_id,
        stripe_id=row.stripe_id,
    )
