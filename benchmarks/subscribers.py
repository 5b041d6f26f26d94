"""Customers with subscriptions in the Stripe sandbox, and what changes them there.

Nothing here is told to the product: the sandbox sends no events, so a measure decides when an event
arrives.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from benchmarks.stripe_account import StripeAccount

THREADS = 4
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Subscriber:
    """A customer of a seller, with the newest state of its newest subscription at Stripe."""

    user_id: str
    stripe_id: str
    payment_method: str
    subscription: dict[str, Any]

    @property
    def is_active(self) -> bool:
        return bool(self.subscription["status"] == "active")

    @property
    def quantity(self) -> int:
        return int(self.subscription["items"]["data"][0]["quantity"])


def create_many(account: StripeAccount, *, price: str, count: int) -> list[Subscriber]:
    """Customers ``u0`` to ``u<count - 1>`` with an active subscription to this price."""
    return at_once(lambda number: _create(account, f"u{number}", price), range(count))


def raise_quantity(account: StripeAccount, subscriber: Subscriber) -> None:
    """Bill one more at once: the subscription has changed, and there is a new, paid invoice."""
    item = subscriber.subscription["items"]["data"][0]["id"]
    subscriber.subscription = account.call(
        "POST",
        f"/v1/subscriptions/{subscriber.subscription['id']}",
        {
            "items[0][id]": item,
            "items[0][quantity]": subscriber.quantity + 1,
            "proration_behavior": "always_invoice",
        },
    )


def cancel_or_resubscribe(account: StripeAccount, subscriber: Subscriber, *, price: str) -> None:
    """End an active subscription now; give a customer without one a new one."""
    if subscriber.is_active:
        path = f"/v1/subscriptions/{subscriber.subscription['id']}"
        subscriber.subscription = account.call("DELETE", path)
    else:
        subscriber.subscription = _subscribe(
            account, subscriber.stripe_id, subscriber.payment_method, price
        )


def at_once(function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
    """Results in the order of the items, by a few threads."""
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(function, items))


def _create(account: StripeAccount, user_id: str, price: str) -> Subscriber:
    person = {"email": f"{user_id}@example.com", "metadata[user_id]": user_id}
    customer = account.call("POST", "/v1/customers", person)["id"]
    method = account.call(
        "POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer}
    )["id"]
    return Subscriber(user_id, customer, method, _subscribe(account, customer, method, price))


def _subscribe(
    account: StripeAccount, customer: str, payment_method: str, price: str
) -> dict[str, Any]:
    subscription: dict[str, Any] = account.call(
        "POST",
        "/v1/subscriptions",
        {"customer": customer, "items[0][price]": price, "default_payment_method": payment_method},
    )
    return subscription
