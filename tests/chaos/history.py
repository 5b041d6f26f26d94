"""Change a few objects at Stripe at random, and compare the mirrors with them.

Every object carries a number that grows with each change, so that a mirror that goes backwards
is seen. The truth is read from the sandbox's store, not through the code under test.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from billing.models import (
    Payment,
    Price,
    Product,
    StripeAccount,
    StripeCustomer,
    StripeEndpoint,
    Subscription,
)
from billing.models.sync_object import ObjectKind
from billing.stripe.client import use_transport
from common import crypto
from projects.models import Project
from sandbox import webhook_signatures
from sandbox.objects import Object
from sandbox.world import DEFAULT_ACCOUNT, DEFAULT_SECRET_KEY, World
from tests.factories.entitlements import FeatureFactory
from tests.factories.projects import ProjectFactory
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop
from webhooks import routing

MODELS: dict[ObjectKind, Any] = {
    ObjectKind.CUSTOMER: StripeCustomer,
    ObjectKind.PRODUCT: Product,
    ObjectKind.PAYMENT_INTENT: Payment,
    ObjectKind.SUBSCRIPTION: Subscription,
}


SECRET = "whsec_chaos"
NUMBER = "n"
"""The metadata key of the growing number."""
LONG_AGO = 3 * 3600
"""Seconds; the buyer and the price were made so long ago that no net looks at their events."""
PAID, REFUNDED = 1200, 100
"""Minor units of a payment, and of each refund."""
Change = Callable[[], None]


@dataclass
class Thing:
    """An object at Stripe and how often it has changed."""

    kind: ObjectKind
    stripe_id: str
    number: int = 0
    over: bool = False
    """Whether it has reached a state that never changes again."""

    def next(self) -> dict[str, str]:
        self.number += 1
        return {NUMBER: str(self.number)}


@dataclass
class History:
    """A project with its own Stripe account, and one to four objects that change."""

    seed: int
    chance: random.Random = field(init=False)
    shop: Shop = field(init=False)
    endpoint: StripeEndpoint = field(init=False)
    things: list[Thing] = field(init=False, default_factory=list)
    highest: dict[str, int] = field(init=False, default_factory=dict)
    """The highest number that the mirror of each object has shown."""
    offered: int = field(init=False, default=0)
    """How many of the sandbox's events have been looked at."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        random.seed(self.seed)
        now = int(time.time())
        stripe = SandboxStripe(World(frozen_at=now - LONG_AGO, seed=self.seed))
        use_transport(stripe.transport)
        project = ProjectFactory.create()
        account = StripeAccount(project=project, name="chaos", livemode=False)
        account.secret_key = crypto.encrypt(DEFAULT_SECRET_KEY, context=account.key_context)
        account.save()
        self.endpoint = StripeEndpoint(account=account, token=f"chaos-{account.pk}")
        self.endpoint.secrets = [crypto.encrypt(SECRET, context=self.endpoint.secret_context)]
        self.endpoint.save()
        self.shop = Shop(stripe, project, account)
        self.buyer = self.shop.buyer()
        many = self.chance.choice((1, 1, 2, 2, 3, 4))
        kinds = self.chance.choices(list(CHANGES), weights=WEIGHTS, k=many)
        if ObjectKind.SUBSCRIPTION in kinds:
            _ = self.price  # made now, so that it is old news later
        stripe.world.move_clock(now)
        self.begin(kinds)

    @cached_property
    def price(self) -> Price:
        feature = FeatureFactory.create(project=self.project, code="sso")
        return self.shop.price(self.shop.product("Pro", feature))

    @property
    def project(self) -> Project:
        return self.shop.project

    @property
    def account(self) -> StripeAccount:
        return self.shop.account

    def begin(self, kinds: list[ObjectKind]) -> None:
        """Make the objects; customers are few, so the buyer stands for each of them."""
        for kind in kinds:
            thing = self._make(kind)
            if thing.stripe_id not in {each.stripe_id for each in self.things}:
                self.things.append(thing)

    def _make(self, kind: ObjectKind) -> Thing:
        v1 = self.shop.stripe.v1
        if kind is ObjectKind.CUSTOMER:
            return Thing(kind, str(self.buyer.stripe_id))
        if kind is ObjectKind.PRODUCT:
            product = v1.products.create({"name": "Extra", "metadata": {NUMBER: "0"}})
            return Thing(kind, product.id)
        if kind is ObjectKind.PAYMENT_INTENT:
            return Thing(kind, self.shop.pay(self.buyer, PAID))
        return Thing(kind, self.shop.subscribe(self.buyer, self.price))

    def change(self) -> None:
        """Something happens to one of the objects."""
        open_ended = [thing for thing in self.things if not thing.over] or self.things
        self.touch(self.chance.choice(open_ended))

    def touch(self, thing: Thing) -> None:
        """Something happens to this object, unless it is over."""
        if not thing.over:
            CHANGES[thing.kind](self, thing)

    def news(self) -> list[Object]:
        """What Stripe has recorded since the last call: one event for each object that changed.

        Several events about one change of one object name the same object.
        """
        every = list(self.shop.stripe.world.store.kind(DEFAULT_ACCOUNT, "event").values())
        fresh, self.offered = every[self.offered :], len(every)
        ours = {thing.stripe_id for thing in self.things}
        self.chance.shuffle(fresh)
        return list({_subject(event): event for event in fresh if _subject(event) in ours}.values())

    def signed(self, event: Object) -> tuple[bytes, str]:
        """The body and the signature header of a delivery."""
        body = webhook_signatures.build_payload(event, {"api_version": None})
        return body, webhook_signatures.build_headers(body, [SECRET])["Stripe-Signature"]

    def truth(self, kind: str, stripe_id: str) -> Object:
        stripe_object = self.shop.stripe.world.store.get((DEFAULT_ACCOUNT, kind, stripe_id))
        assert stripe_object is not None
        return stripe_object

    def number(self, kind: str, stripe_id: str) -> int:
        """The number that the mirror of an object shows."""
        rows = MODELS[ObjectKind(kind)].objects.for_project(self.project)
        row: Any = rows.filter(stripe_id=stripe_id).first()
        if row is None:
            return 0
        return row.balance if kind == ObjectKind.CUSTOMER else int(row.metadata.get(NUMBER, 0))

    def never_backwards(self, thing: Thing) -> None:
        number = self.number(thing.kind, thing.stripe_id)
        assert number >= self.highest.get(thing.stripe_id, 0), f"{thing} went backwards"
        self.highest[thing.stripe_id] = number


def _subject(event: Object) -> str | None:
    target = routing.target(event["type"], event["data"]["object"])
    return target.stripe_id if target else None


def _change_customer(history: History, thing: Thing) -> None:
    number = thing.next()[NUMBER]
    history.shop.stripe.v1.customers.update(thing.stripe_id, {"balance": int(number)})


def _change_product(history: History, thing: Thing) -> None:
    active = history.chance.random() < 0.7
    history.shop.stripe.v1.products.update(
        thing.stripe_id, {"metadata": thing.next(), "active": active}
    )


def _change_payment(history: History, thing: Thing) -> None:
    """Refund a part: Stripe sends an event for a refund and none for new metadata of a payment."""
    v1 = history.shop.stripe.v1
    v1.payment_intents.update(thing.stripe_id, {"metadata": thing.next()})
    v1.refunds.create({"payment_intent": thing.stripe_id, "amount": REFUNDED})


def _change_subscription(history: History, thing: Thing) -> None:
    v1 = history.shop.stripe.v1
    if history.chance.random() < 0.15:
        v1.subscriptions.cancel(thing.stripe_id)
        thing.over = True
        return
    at_end = history.chance.random() < 0.3
    v1.subscriptions.update(
        thing.stripe_id, {"metadata": thing.next(), "cancel_at_period_end": at_end}
    )


CHANGES: dict[ObjectKind, Callable[[History, Thing], None]] = {
    ObjectKind.CUSTOMER: _change_customer,
    ObjectKind.PRODUCT: _change_product,
    ObjectKind.PAYMENT_INTENT: _change_payment,
    ObjectKind.SUBSCRIPTION: _change_subscription,
}
WEIGHTS = (3, 3, 2, 2)
"""How often each kind is drawn; a subscription brings an invoice and a payment along."""
