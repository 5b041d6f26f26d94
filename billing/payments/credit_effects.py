"""Preview how a refund would change the credits that the payment bought. Nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from billing.access import credit_terms, period_credits, purchase_facts
from billing.access.line_shares import RefundedMoney
from billing.access.selectors.line_receipts import ExtraRefunds
from billing.models import Checkout, Payment
from billing.payments.refund_effects import find_purchases
from entitlements.balances.selectors import credits
from entitlements.credits import credit_grant_terms
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import CreditSource
from entitlements.resolution.credit_allocation import apply_legs, plan_due_transactions


@dataclass(frozen=True, slots=True)
class CreditEffect:
    """One credit grant's spendable credits without (``before``) and with (``after``) the refund.

    ``overspent`` counts the credits already spent that the refunded grant would no longer cover.
    """

    grant: CreditGrant
    before: int
    after: int
    overspent: int

    @property
    def is_change(self) -> bool:
        return self.after != self.before or self.overspent != self.grant.overspent


def preview_credits(*, payment: Payment, refund: RefundedMoney, at: datetime) -> list[CreditEffect]:
    """Return the refund's effect on each unrevoked credit grant that the payment bought."""
    extra_refunds = {payment.pk: refund}
    checkouts, subscriptions = find_purchases(payment)
    new_terms = [
        pair for checkout in checkouts for pair in _checkout_terms(checkout, extra_refunds)
    ]
    for subscription in subscriptions:
        new_terms += period_credits.terms_after_refund(
            subscription=subscription, customer=payment.customer, extra_refunds=extra_refunds, at=at
        )
    return [
        _compute_effect(grant, terms, at) for grant, terms in new_terms if grant.revoked_at is None
    ]


def _checkout_terms(
    checkout: Checkout, extra_refunds: ExtraRefunds
) -> Iterator[tuple[CreditGrant, CreditGrantTerms]]:
    """Yield the checkout's credit grants with the terms that they would have after the refunds."""
    rows = credits.grants_of_source(
        project=checkout.project_id, source_type=CreditSource.CHECKOUT, source_id=checkout.pk
    )
    grants_by_line = {grant.key: grant for grant in rows}
    for line, left in purchase_facts.find_line_access(checkout, extra_refunds=extra_refunds):
        if grant := grants_by_line.get(line.pk):
            yield (
                grant,
                credit_terms.apply_remaining_access(credit_grant_terms.terms_of(grant), left),
            )


def _compute_effect(grant: CreditGrant, terms: CreditGrantTerms, at: datetime) -> CreditEffect:
    lot = replace(grant.lot, expires_at=terms.expires_at)
    steps = plan_due_transactions(lot, due=terms.due, is_withheld=terms.is_withheld, at=at)
    lot_after = apply_legs(lot, [leg for step in steps for leg in step.legs])
    return CreditEffect(
        grant=grant,
        before=grant.available if grant.lot.is_live(at) else 0,
        after=lot_after.available,
        overspent=max(0, lot_after.spent - terms.due),
    )
