"""A shop on which every write to Stripe is made, and what one case of a write asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from billing.models import (
    Price,
    Product,
    StripeCustomer,
)
from billing.models.outbound import Outbound
from common.ids import new_id
from sandbox.billing import subscription_pauses
from tests.shop import RETURN, Shop


def promotion_code_params(coupon: str) -> dict[str, Any]:
    return {"promotion": {"type": "coupon", "coupon": coupon}}


@dataclass
class Case:
    """One thing to ask for. ``done`` counts how often it was done at Stripe."""

    params: dict[str, Any]
    done: Callable[[], int]
    row: Outbound | None = None
    target: str = ""
    is_refused: bool = False
    request: str = field(default_factory=lambda: new_id("req"))


@dataclass
class Bench:
    """Something of everything that an operation needs, made once and used by many cases."""

    shop: Shop
    number: int = field(default=0)

    @cached_property
    def buyer(self) -> StripeCustomer:
        return self.shop.buyer("alice")

    @cached_property
    def product(self) -> Product:
        return self.shop.product()

    @cached_property
    def price(self) -> Price:
        return self.shop.price(self.product)

    @cached_property
    def once(self) -> Price:
        return self.shop.price(self.product, interval="")

    @cached_property
    def coupon(self) -> str:
        return str(self.v1.coupons.create({"percent_off": 10, "duration": "once"}).id)

    @cached_property
    def promotion_code(self) -> str:
        return self._promotion_code()

    @cached_property
    def meter(self) -> str:
        """The name of a meter's events."""
        formula = {"formula": "sum"}
        params = {"display_name": "Calls", "event_name": "calls", "default_aggregation": formula}
        return str(self.v1.billing.meters.create(params).event_name)

    @cached_property
    def subscription(self) -> str:
        return self.subscribe()

    @cached_property
    def schedule(self) -> str:
        schedule = self.v1.subscription_schedules.create({"from_subscription": self.subscribe()})
        return str(schedule.id)

    @cached_property
    def portal(self) -> str:
        features = {"features": {"invoice_history": {"enabled": True}}}
        return str(self.v1.billing_portal.configurations.create(features).id)

    @property
    def v1(self) -> Any:
        return self.shop.stripe.v1

    def subscribe(self) -> str:
        return self.shop.subscribe(self.buyer, self.price)

    def card(self) -> str:
        method = self.v1.payment_methods.attach("pm_card_visa", {"customer": self.buyer.stripe_id})
        return str(method.id)

    def page(self) -> str:
        params = {
            "mode": "payment",
            "customer": self.buyer.stripe_id,
            "line_items": [{"price": self.once.stripe_id, "quantity": 1}],
            "success_url": RETURN,
        }
        return str(self.v1.checkout.sessions.create(params).id)

    def paused(self) -> str:
        """A subscription whose trial has ended without a card."""
        subscription_id = self.subscribe()
        with self.shop.stripe.world.transaction() as tx:
            subscription = tx.path_object("subscription", subscription_id)
            with tx.updating(subscription):
                subscription_pauses.set_paused(
                    tx, subscription, reason="trial_end_without_payment_method"
                )
        return subscription_id

    def intent(self) -> str:
        params = {"amount": 500, "currency": "usd", "customer": self.buyer.stripe_id}
        return str(self.v1.payment_intents.create(params).id)

    def _promotion_code(self) -> str:
        return str(self.v1.promotion_codes.create(promotion_code_params(self.coupon)).id)

    def row(self, model: type[Outbound], **values: Any) -> Outbound:
        return model.objects.create(project=self.shop.project, account=self.shop.account, **values)

    def makes(self, row: Outbound, params: dict[str, Any], kind: str) -> Case:
        """A case that makes an object: it is done as often as objects name the row."""

        def done() -> int:
            with self.shop.stripe.world.transaction() as tx:
                return len(
                    tx.list_ids(
                        kind, lambda each: bool(each["metadata"].get("tollgate_id") == row.pk)
                    )
                )

        return Case(params, done, row=row)

    def labels(self, target: str, service: Any) -> Case:
        """A case that changes an object that stays: it is done once the object shows the change."""
        self.number += 1
        label = f"case {self.number}"

        def done() -> int:
            return int(service.retrieve(target).metadata.to_dict().get("case") == label)

        return Case({"metadata": {"case": label}}, done, target=target)

    def ends(self, target: str, service: Any, **ended: Any) -> Case:
        """A case that ends or converts an object: it is done once the object shows it."""
        (name, value) = next(iter(ended.items()))

        def done() -> int:
            return int(service.retrieve(target).to_dict()[name] == value)

        return Case({}, done, target=target)
