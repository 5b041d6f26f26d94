"""A small shop in the sandbox: what a project sells, who buys, and the rows that we have of it.

Rows and Stripe objects are made the way the outbound services make them: our row first, its id as
``tollgate_id`` in the object's metadata, then the object's id into the row.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from billing.models import (
    Checkout,
    CheckoutLine,
    Price,
    Product,
    ProductFeature,
    StripeAccount,
    StripeCustomer,
)
from billing.models.mirror import Mirror
from entitlements.models import Feature
from projects.models import Project
from sandbox.checkout import completion
from tests.factories.projects import CustomerFactory
from tests.sandbox_stripe import SandboxStripe

MirrorT = TypeVar("MirrorT", bound=Mirror)

RETURN = "https://app.example.com/thanks"


@dataclass(frozen=True)
class Shop:
    """One project that sells through one Stripe account."""

    stripe: SandboxStripe
    project: Project
    account: StripeAccount

    def buyer(self, user_id: str = "alice", card: str = "pm_card_visa") -> StripeCustomer:
        """A customer whom both sides know, with a card on file."""
        row = StripeCustomer.objects.create(
            project=self.project,
            account=self.account,
            customer=CustomerFactory.create(project=self.project, user_id=user_id),
        )
        customer = self.stripe.v1.customers.create(
            {"email": f"{user_id}@example.com", "metadata": {"tollgate_id": row.pk}}
        )
        method = self.stripe.v1.payment_methods.attach(card, {"customer": customer.id})
        self.stripe.v1.customers.update(
            customer.id, {"invoice_settings": {"default_payment_method": method.id}}
        )
        return self._known(row, customer.id)

    def product(self, name: str = "Pro", *features: Feature | tuple[Feature, Any]) -> Product:
        """Something to sell; a feature without a value is on."""
        row = Product.objects.create(project=self.project, account=self.account, name=name)
        for each in features:
            feature, value = each if isinstance(each, tuple) else (each, True)
            ProductFeature.objects.create(
                project=self.project, product=row, feature=feature, value=value
            )
        new_product = self.stripe.v1.products.create(
            {"name": name, "metadata": {"tollgate_id": row.pk}}
        )
        return self._known(row, new_product.id)

    def price(self, product: Product, amount: int = 2900, interval: str = "month") -> Price:
        """A price of the product: monthly, or one-time for an empty interval."""
        row = Price.objects.create(
            project=self.project,
            account=self.account,
            product=product,
            type="recurring" if interval else "one_time",
            currency="usd",
            unit_amount=amount,
            interval=interval,
        )
        params: Any = {
            "product": product.stripe_id,
            "currency": "usd",
            "unit_amount": amount,
            "metadata": {"tollgate_id": row.pk},
        }
        if interval:
            params["recurring"] = {"interval": interval}
        return self._known(row, self.stripe.v1.prices.create(params).id)

    def pay(self, buyer: StripeCustomer, amount: int = 2900, **fields: Any) -> str:
        """The buyer pays this much with the card on file; the payment intent's id."""
        card = self.stripe.v1.customers.retrieve(str(buyer.stripe_id)).invoice_settings
        assert card is not None
        params: Any = {
            "amount": amount,
            "currency": "usd",
            "customer": buyer.stripe_id,
            "payment_method": str(card.default_payment_method),
            "off_session": True,
            "confirm": True,
            **fields,
        }
        return self.stripe.v1.payment_intents.create(params).id

    def subscribe(self, buyer: StripeCustomer, price: Price, **fields: Any) -> str:
        """A subscription made at Stripe; its id."""
        params: Any = {
            "customer": buyer.stripe_id,
            "items": [{"price": price.stripe_id}],
            **fields,
        }
        return self.stripe.v1.subscriptions.create(params).id

    def checkout(self, buyer: StripeCustomer, price: Price) -> Checkout:
        """An open hosted page for one of this price."""
        row = Checkout.objects.create(
            project=self.project,
            account=self.account,
            customer=buyer.customer,
            type="subscription" if price.is_recurring else "item",
            success_url=RETURN,
            currency=price.currency,
        )
        CheckoutLine.objects.create(project=self.project, checkout=row, price=price)
        labels = {"metadata": {"tollgate_id": row.pk}}
        params: Any = {
            "mode": "subscription" if price.is_recurring else "payment",
            "customer": buyer.stripe_id,
            "line_items": [{"price": price.stripe_id, "quantity": 1}],
            "success_url": RETURN,
            **labels,
        }
        data = "subscription_data" if price.is_recurring else "payment_intent_data"
        params[data] = labels
        session = self.stripe.v1.checkout.sessions.create(params)
        return self._known(row, session.id)

    def complete(self, checkout: Checkout, card: str = "pm_card_visa") -> None:
        """The buyer fills the hosted page in and pays."""
        with self.stripe.world.transaction() as tx:
            session = tx.path_object("checkout.session", str(checkout.stripe_id))
            buyer = completion.BuyerDetails(email="buyer@example.com", name="Ada Buyer")
            completion.complete_session(tx, session, card=card, buyer=buyer)

    def _known(self, row: MirrorT, stripe_id: str) -> MirrorT:
        row.stripe_id = stripe_id
        row.save(update_fields=["stripe_id"])
        return row
