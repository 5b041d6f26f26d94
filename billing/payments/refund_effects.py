"""What a refund would change for its customer, before anybody makes it. Nothing is written."""

from datetime import datetime

from billing.access import purchase_facts as claims
from billing.access import service as provisioning
from billing.access.line_shares import GivenBack
from billing.access.proposals import proposed
from billing.models import Checkout, Payment, Subscription
from entitlements.decisions.selectors import previews
from entitlements.decisions.selectors.effects import DecisionChange
from entitlements.models.fact import SourceType
from entitlements.resolution.facts import Source


def of_refund(*, payment: Payment, refund: GivenBack, at: datetime) -> list[DecisionChange]:
    """For each feature that the payment has to do with the decision without and with the refund."""
    also = {payment.pk: refund}
    checkouts, subscriptions = bought_with(payment)
    said = {
        Source(SourceType.CHECKOUT, each.pk): proposed(
            claims.of_checkout(each, claims.of_lines(each, also=also))
        )
        for each in checkouts
    }
    for subscription in subscriptions:
        source = Source(SourceType.SUBSCRIPTION, subscription.pk)
        said[source] = proposed(claims.of_subscription(subscription, also=also))
    return previews.of_sources(customer=payment.customer, drafts=said, at=at)


def bought_with(payment: Payment) -> tuple[list[Checkout], list[Subscription]]:
    """The purchases and the subscriptions that follow the payment's money."""
    invoices = provisioning.invoices_of(payment)
    checkouts = {each.pk: each for one in invoices for each in provisioning.checkouts_of(one)}
    if payment.checkout is not None:
        checkouts[payment.checkout.pk] = payment.checkout
    subscriptions = [each for one in invoices for each in provisioning.subscriptions_of(one)]
    return list(checkouts.values()), subscriptions
