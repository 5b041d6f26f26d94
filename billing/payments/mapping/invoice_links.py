"""Link the parts of invoices that a payment pays, which may be stored before it."""

from billing.models import InvoicePayment, Payment
from billing.sync.plan import Differences
from common import prepared_relations
from common.prepared_queries import Parameter, PreparedValues

_UNLINKED_INVOICE_PAYMENTS = PreparedValues(
    lambda: (
        InvoicePayment.objects.for_project(Parameter("project_id"))
        .filter(
            invoice__account_id=Parameter("account_id"),
            invoice__customer_id=Parameter("customer_id"),
            payment_stripe_id=Parameter("stripe_id"),
            payment__isnull=True,
        )
        .values_list("pk")[:1]
    )
)


def link_and_show(row: Payment, differences: Differences) -> None:
    if is_unlinked(row):
        link(row)
        prepared_relations.reload(row, "invoice_payments")


def is_unlinked(row: Payment) -> bool:
    """Whether invoice payments were stored before this payment that are not linked to it yet."""
    return bool(
        _UNLINKED_INVOICE_PAYMENTS.rows(
            project_id=row.project_id,
            account_id=row.account_id,
            customer_id=row.customer_id,
            stripe_id=row.stripe_id,
        )
    )


def link(row: Payment) -> None:
    """Link the invoice payments that were stored before this payment."""
    InvoicePayment.objects.for_project(row.project_id).filter(
        invoice__account_id=row.account_id,
        invoice__customer_id=row.customer_id,
        payment_stripe_id=row.stripe_id,
        payment__isnull=True,
    ).update(payment=row)
