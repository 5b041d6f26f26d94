"""Rows of a project, as many as a test counts queries over."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from billing.models import (
    Invoice,
    InvoiceLine,
    Payment,
    Price,
    Product,
    Refund,
    StripeAccount,
    Subscription,
    SubscriptionItem,
)
from common.ids import new_id
from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 12, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """Each row is confirmed by Stripe, and new."""

    project: Project
    account: StripeAccount

    def customers(self, count: int) -> list[Customer]:
        return [CustomerFactory.create(project=self.project) for _ in range(count)]

    def payment(self, customer: Customer, *, refunds: int = 0, **fields: Any) -> Payment:
        row = Payment.objects.create(
            **self._mirror("pi"),
            **{"customer": customer, "currency": "usd", "amount": 2900, **fields},
        )
        for _ in range(refunds):
            Refund.objects.create(
                **self._mirror("re"),
                payment=row,
                currency="usd",
                amount=100,
                status="succeeded",
                refunded_at=AT,
            )
        return row

    def price(self) -> Price:
        product = Product.objects.create(**self._mirror("prod"), name="Pro")
        return Price.objects.create(
            **self._mirror("price"),
            product=product,
            type="recurring",
            currency="usd",
            unit_amount=2900,
            interval="month",
        )

    def subscription(self, customer: Customer, *prices: Price) -> Subscription:
        row = Subscription.objects.create(
            **self._mirror("sub"),
            customer=customer,
            status="active",
            started_at=AT,
            currency="usd",
        )
        for price in prices:
            SubscriptionItem.objects.create(
                project=self.project,
                subscription=row,
                stripe_id=new_id("si"),
                price=price,
                price_stripe_id=price.id_at_stripe,
                period_start=AT,
                period_end=LATER,
            )
        return row

    def invoice(self, customer: Customer, *, lines: int = 1, **fields: Any) -> Invoice:
        amounts = dict.fromkeys(["subtotal", "total", "amount_due", "amount_paid"], 2900 * lines)
        row = Invoice.objects.create(
            **self._mirror("in"),
            **amounts,
            customer=customer,
            status="paid",
            currency="usd",
            issued_at=AT,
            **fields,
        )
        for _ in range(lines):
            InvoiceLine.objects.create(
                project=self.project,
                invoice=row,
                stripe_id=new_id("il"),
                amount=2900,
                currency="usd",
                period_start=AT,
                period_end=LATER,
            )
        return row

    def _mirror(self, prefix: str) -> dict[str, Any]:
        return {"project": self.project, "account": self.account, "stripe_id": new_id(prefix)}
