"""A project with subscriptions and money that tests change row by row, as Stripe's news would."""

from datetime import datetime, timedelta
from typing import Any

from billing.models import (
    Dispute,
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
from usage.models import Meter

MONTH = timedelta(days=30)


class Ledger:
    """Writes the mirrors of one project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.account = StripeAccount.objects.create(
            project=project, name=project.slug, livemode=False
        )
        self.product = Product.objects.for_project(project).create(
            account=self.account, name="Pro", stripe_id=_stripe_id("prod")
        )
        self._customers: dict[str, Customer] = {}

    def customer(self, user_id: str) -> Customer:
        if user_id not in self._customers:
            rows = Customer.objects.for_project(self.project)
            self._customers[user_id] = rows.create(user_id=user_id)
        return self._customers[user_id]

    def price(self, amount: int, currency: str = "usd", **fields: Any) -> Price:
        return Price.objects.for_project(self.project).create(
            account=self.account,
            product=self.product,
            stripe_id=_stripe_id("price"),
            type="recurring",
            currency=currency,
            unit_amount=amount,
            **{"interval": "month", **fields},
        )

    def meter(self) -> Meter:
        return Meter.objects.for_project(self.project).create(
            code="calls", name="Calls", aggregation="sum"
        )

    def subscribe(
        self, price: Price, user_id: str = "alice", *, at: datetime, **fields: Any
    ) -> Subscription:
        """A subscription that began ``at``."""
        quantity = fields.pop("quantity", 1)
        row = Subscription.objects.for_project(self.project).create(
            account=self.account,
            customer=self.customer(user_id),
            stripe_id=_stripe_id("sub"),
            started_at=at,
            currency=price.currency,
            **{"status": "active", **fields},
        )
        SubscriptionItem.objects.for_project(self.project).create(
            subscription=row,
            stripe_id=_stripe_id("si"),
            price=price,
            price_stripe_id=price.stripe_id or "",
            quantity=quantity,
            period_start=at,
            period_end=at + MONTH,
        )
        self.change(row, at=at)
        return row

    def change(
        self,
        row: Subscription,
        *,
        at: datetime,
        price: Price | None = None,
        quantity: int | None = None,
        **fields: Any,
    ) -> None:
        """Store this news of the subscription, as a sync at this time does."""
        rows = Subscription.objects.for_project(self.project)
        rows.filter(pk=row.pk).update(updated_at=at, **fields)
        item = {"price": price, "quantity": quantity}
        values = {name: value for name, value in item.items() if value is not None}
        if values:
            items = SubscriptionItem.objects.for_project(self.project)
            items.filter(subscription=row).update(**values)

    def cancel(self, row: Subscription, *, at: datetime) -> None:
        self.change(row, at=at, status="canceled", canceled_at=at, ended_at=at)

    def pay(self, amount: int, currency: str = "usd", *, at: datetime | None) -> Payment:
        """A payment; it is paid unless ``at`` is None."""
        return Payment.objects.for_project(self.project).create(
            account=self.account,
            customer=self.customer("alice"),
            stripe_id=_stripe_id("pi"),
            status="paid" if at else "pending",
            currency=currency,
            amount=amount,
            amount_received=amount if at else 0,
            paid_at=at,
        )

    def refund(
        self, payment: Payment, amount: int, *, at: datetime, status: str = "succeeded"
    ) -> Refund:
        return Refund.objects.for_project(self.project).create(
            account=self.account,
            payment=payment,
            stripe_id=_stripe_id("re"),
            status=status,
            currency=payment.currency,
            amount=amount,
            refunded_at=at,
        )

    def dispute(self, payment: Payment, amount: int, *, at: datetime, status: str) -> Dispute:
        return Dispute.objects.for_project(self.project).create(
            account=self.account,
            payment=payment,
            stripe_id=_stripe_id("dp"),
            status=status,
            currency=payment.currency,
            amount=amount,
            opened_at=at,
        )


def _stripe_id(prefix: str) -> str:
    return new_id(prefix)
