"""What a refund would do to the credits that came with the payment. Nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from billing.access import credit_terms, period_credits, purchase_facts
from billing.access.line_shares import RefundedMoney
from billing.access.selectors.line_receipts import ExtraRefunds
from billing.models import Checkout, Payment
from billing.payments.refund_effects import bought_with
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grant_terms
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from entitlements.resolution.credit_allocation import apply_legs, plan_due_transactions


@dataclass(frozen=True, slots=True)
class CreditEffect:
    """How many credits of one grant can be spent, without and with the refund; and how many were
    spent by then that there would turn out to be no right to."""

    grant: CreditGrant
    before: int
    after: int
    overspent: int

    @property
    def is_change(self) -> bool:
        return self.after != self.before or self.overspent != self.grant.overspent


def of_refund(*, payment: Payment, refund: RefundedMoney, at: datetime) -> list[CreditEffect]:
    """For each grant of credits that follows the payment's money what this refund would do
    to it."""
    also = {payment.pk: refund}
    checkouts, subscriptions = bought_with(payment)
    then = [each for checkout in checkouts for each in _of_checkout(checkout, also)]
    for subscription in subscriptions:
        then += period_credits.terms_after_refund(
            subscription=subscription, customer=payment.customer, extra_refunds=also, at=at
        )
    return [_effect(grant, terms, at) for grant, terms in then if grant.revoked_at is None]


def _of_checkout(
    checkout: Checkout, also: ExtraRefunds
) -> Iterator[tuple[CreditGrant, CreditGrantTerms]]:
    rows = credits.grants_of_source(
        project=checkout.project_id, source_type=CreditSource.CHECKOUT, source_id=checkout.pk
    )
    held = {grant.key: grant for grant in rows}
    for line, left in purchase_facts.find_line_access(checkout, extra_refunds=also):
        if grant := held.get(line.pk):
            yield (
                grant,
                credit_terms.apply_remaining_access(credit_grant_terms.terms_of(grant), left),
            )


def _effect(grant: CreditGrant, terms: CreditGrantTerms, at: datetime) -> CreditEffect:
    lot = replace(grant.lot, expires_at=terms.expires_at)
    steps = plan_due_transactions(lot, due=terms.due, is_withheld=terms.is_withheld, at=at)
    then = apply_legs(lot, [leg for step in steps for leg in step.legs])
    return CreditEffect(
        grant=grant,
        before=grant.available if grant.lot.is_live(at) else 0,
        after=then.available,
        overspent=max(0, then.spent - terms.due),
    )
