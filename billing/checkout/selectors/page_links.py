"""Links between pages, invoices and PaymentIntents that are stored in any order."""

from django.db.models import Exists, OuterRef, Q

from billing.models import Checkout, Invoice, InvoicePayment, Payment, StripeAccount
from billing.models.payment import PaymentStatus, PaymentType
from billing.sync.selectors.owners import Owner
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedValues

IS_PENDING = Q(checkout__isnull=False, stripe_id__isnull=True, status=PaymentStatus.PENDING)
"""Condition of payments that were opened on a page and have no PaymentIntent yet."""
_CHECKOUT_IDS = PreparedValues(
    lambda: (
        Checkout.objects.for_project(Parameter("project_id"))
        .filter(
            Q(payment_stripe_id=Parameter("payment_stripe_id"))
            | (~Q(invoice_stripe_id="") & Q(invoice_stripe_id=Parameter("invoice_stripe_id")))
            | Q(pk=Parameter("our_id"), payment_stripe_id=""),
            account_id=Parameter("account_id"),
            customer_id=Parameter("customer_id"),
        )
        .order_by("id")
        .values_list("pk")[:1]
    )
)
_WAITING = PreparedValues(
    lambda: (
        Payment.objects.for_project(Parameter("project_id"))
        .filter(
            IS_PENDING,
            customer_id=Parameter("customer_id"),
            type__in=[PaymentType.SUBSCRIPTION, PaymentType.CART],
        )
        .values_list("checkout__invoice_stripe_id")
    )
)
"""The invoices, empty if unknown, of pages whose payments have no PaymentIntent yet."""
_UNLINKED_PAYMENTS = PreparedValues(
    lambda: _select_unlinked_payments().values_list("payment_stripe_id")
)


def find_checkout_id(
    *,
    owner: Owner,
    account: StripeAccount,
    payment_stripe_id: str,
    invoice_stripe_id: str,
    our_id: str,
) -> str | None:
    """Return the id of the owner's checkout that names this payment or invoice, or that has our id
    and no payment; None without one. An empty ``invoice_stripe_id`` or ``our_id`` matches
    nothing."""
    rows = _CHECKOUT_IDS.rows(
        project_id=owner.project_id,
        account_id=account.pk,
        customer_id=owner.customer_id,
        payment_stripe_id=payment_stripe_id,
        invoice_stripe_id=invoice_stripe_id,
        our_id=our_id,
    )
    return rows[0][0] if rows else None


def find_invoices_of_waiting_pages(owner: Owner) -> set[str]:
    """Return Stripe's ids of the invoices of the customer's pages whose payments have no
    PaymentIntent yet; an empty one for a page without an invoice."""
    rows = _WAITING.rows(project_id=owner.project_id, customer_id=owner.customer_id)
    return {stripe_id for (stripe_id,) in rows}


def find_unlinked_payments(invoice: Invoice) -> list[str]:
    """Return Stripe's ids of the payments of this invoice whose rows do not name it yet, or the
    page that it came from."""
    rows = _UNLINKED_PAYMENTS.rows(
        project_id=invoice.project_id,
        account_id=invoice.account_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.pk,
        invoice_stripe_id=invoice.stripe_id,
    )
    return sorted({stripe_id for (stripe_id,) in rows})


def _select_unlinked_payments() -> ProjectQuerySet[InvoicePayment]:
    pages = Checkout.objects.for_project(Parameter("project_id")).filter(
        account_id=Parameter("account_id"),
        customer_id=Parameter("customer_id"),
        invoice_stripe_id=Parameter("invoice_stripe_id"),
    )
    linked = Payment.objects.for_project(Parameter("project_id")).filter(
        ~Exists(pages) | Q(checkout__isnull=False),
        account_id=Parameter("account_id"),
        stripe_id=OuterRef("payment_stripe_id"),
        invoice_stripe_id=Parameter("invoice_stripe_id"),
    )
    return (
        InvoicePayment.objects.for_project(Parameter("project_id"))
        .filter(~Exists(linked), invoice_id=Parameter("invoice_id"))
        .exclude(payment_stripe_id="")
    )
