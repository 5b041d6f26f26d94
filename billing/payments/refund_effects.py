"""Preview how a refund would change the customer's access. Nothing is written."""

from datetime import datetime

from billing.access import purchase_facts
from billing.access import service as access
from billing.access.line_shares import RefundedMoney
from billing.models import Checkout, Payment, Subscription
from entitlements.decisions.selectors import previews
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source


def preview_decisions(
    *, payment: Payment, refund: RefundedMoney, at: datetime
) -> list[DecisionChange]:
    """Return each affected feature's decision without and with the refund."""
    extra_refunds = {payment.pk: refund}
    checkouts, subscriptions = find_purchases(payment)
    drafts = {
        Source(SourceType.CHECKOUT, checkout.pk): (
            purchase_facts.of_checkout(
                checkout, purchase_facts.find_line_access(checkout, extra_refunds=extra_refunds)
            )
        )
        for checkout in checkouts
    }
    for subscription in subscriptions:
        source = Source(SourceType.SUBSCRIPTION, subscription.pk)
        drafts[source] = purchase_facts.of_subscription(subscription, extra_refunds=extra_refunds)
    return previews.of_sources(customer=payment.customer, drafts=drafts, at=at)


def find_purchases(payment: Payment) -> tuple[list[Checkout], list[Subscription]]:
    """Return the checkouts and the subscriptions that the payment has paid."""
    invoices = access.invoices_of(payment)
    checkouts = {
        checkout.pk: checkout for invoice in invoices for checkout in access.checkouts_of(invoice)
    }
    if payment.checkout is not None:
        checkouts[payment.checkout.pk] = payment.checkout
    subscriptions = [
        subscription for invoice in invoices for subscription in access.subscriptions_of(invoice)
    ]
    return list(checkouts.values()), subscriptions
