"""What a refund would change for its customer, before anybody makes it. Nothing is written."""

from datetime import datetime

from billing.access import purchase_facts
from billing.access import service as access
from billing.access.line_shares import RefundedMoney
from billing.models import Checkout, Payment, Subscription
from entitlements.decisions.selectors import previews
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source


def of_refund(*, payment: Payment, refund: RefundedMoney, at: datetime) -> list[DecisionChange]:
    """For each feature that the payment has to do with the decision without and with the refund."""
    also = {payment.pk: refund}
    checkouts, subscriptions = bought_with(payment)
    said = {
        Source(SourceType.CHECKOUT, each.pk): (
            purchase_facts.of_checkout(
                each, purchase_facts.find_line_access(each, extra_refunds=also)
            )
        )
        for each in checkouts
    }
    for subscription in subscriptions:
        source = Source(SourceType.SUBSCRIPTION, subscription.pk)
        said[source] = purchase_facts.of_subscription(subscription, extra_refunds=also)
    return previews.of_sources(customer=payment.customer, drafts=said, at=at)


def bought_with(payment: Payment) -> tuple[list[Checkout], list[Subscription]]:
    """The purchases and the subscriptions that follow the payment's money."""
    invoices = access.invoices_of(payment)
    checkouts = {each.pk: each for one in invoices for each in access.checkouts_of(one)}
    if payment.checkout is not None:
        checkouts[payment.checkout.pk] = payment.checkout
    subscriptions = [each for one in invoices for each in access.subscriptions_of(one)]
    return list(checkouts.values()), subscriptions
