"""Routes of test clocks, which set the time of single customers."""

from __future__ import annotations

from stripe.params.test_helpers import (
    TestClockAdvanceParams,
    TestClockCreateParams,
    TestClockDeleteParams,
    TestClockListParams,
    TestClockRetrieveParams,
)

from sandbox.billing import billing_periods, cancellation, subscription_items
from sandbox.errors import invalid
from sandbox.objects import Object, Params
from sandbox.pagination import list_page
from sandbox.resources import customers
from sandbox.routing import Routes
from sandbox.test_clocks import KIND
from sandbox.transaction import Transaction

routes = Routes()

URL = "/v1/test_helpers/test_clocks"
LIFETIME_SECONDS = 30 * billing_periods.DAY
MAX_INTERVALS = 2
MAX_SECONDS_WITHOUT_SUBSCRIPTION = 2 * 365 * billing_periods.DAY


@routes.post(URL, TestClockCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    """Create a test clock, optionally for a customer without subscriptions."""
    clock: Object = {
        "id": tx.new_id("clock"),
        "object": KIND,
        "created": tx.world.clock.now(),
        "deletes_after": tx.world.clock.now() + LIFETIME_SECONDS,
        "frozen_time": params["frozen_time"],
        "livemode": False,
        "name": params.get("name"),
        "status": "ready",
        "status_details": {},
    }
    tx.insert(clock)
    tx.emit("test_helpers.test_clock.created", clock)
    if "customer" in params:
        _attach_customer(tx, clock, params["customer"])
    return clock


@routes.get(f"{URL}/<id>", TestClockRetrieveParams)
def retrieve(tx: Transaction, params: Params, clock_id: str) -> Object:
    return tx.path_object(KIND, clock_id)


@routes.get(URL, TestClockListParams)
def list_(tx: Transaction, params: Params) -> Object:
    return list_page(tx, KIND, params, url=URL)


@routes.post(f"{URL}/<id>/advance", TestClockAdvanceParams)
def advance(tx: Transaction, params: Params, clock_id: str) -> Object:
    """Start to advance the clock. Due actions run right after this response."""
    clock = tx.path_object(KIND, clock_id)
    target = params["frozen_time"]
    if clock["status"] != "ready":
        raise invalid("Test clock advancement underway - cannot perform modifications.")
    if target <= clock["frozen_time"]:
        raise invalid(
            "You can only advance a test clock forward: `frozen_time` must be after the clock's "
            f"current time ({clock['frozen_time']}).",
            param="frozen_time",
        )
    if target > (latest := _latest_target(tx, clock)):
        raise invalid(
            "You cannot advance a test clock more than two intervals of its shortest "
            f"subscription, or two years if it has none: at most to {latest}.",
            param="frozen_time",
        )
    clock |= {
        "status": "advancing",
        "status_details": {"advancing": {"target_frozen_time": target}},
    }
    tx.emit("test_helpers.test_clock.advancing", clock)
    return clock


@routes.delete(f"{URL}/<id>", TestClockDeleteParams)
def delete(tx: Transaction, params: Params, clock_id: str) -> Object:
    """Delete the clock and its customers."""
    clock = tx.path_object(KIND, clock_id)
    for customer in tx.list_objects("customer", lambda each: each.get("test_clock") == clock_id):
        customers.delete(tx, {}, customer["id"])
    tx.emit("test_helpers.test_clock.deleted", clock)
    return tx.delete(clock)


def finish_advance(tx: Transaction, clock: Object) -> None:
    """Finish an advance: the clock is at its target time and ``ready``."""
    clock |= {"frozen_time": tx.now, "status": "ready", "status_details": {}}
    tx.emit("test_helpers.test_clock.ready", clock)


def _attach_customer(tx: Transaction, clock: Object, clock_id: str) -> None:
    customer = tx.param_object("customer", clock_id, param="customer")
    subscribed = tx.list_ids("subscription", lambda each: each["customer"] == clock_id)
    if customer["test_clock"] or subscribed:
        raise invalid(
            "The customer must have neither a test clock nor a subscription.", param="customer"
        )
    with tx.updating(customer, "customer.updated"):
        customer["test_clock"] = clock["id"]


def _latest_target(tx: Transaction, clock: Object) -> int:
    """Latest target: two intervals of the shortest subscription, or two years without one."""
    now: int = clock["frozen_time"]
    ends = [
        billing_periods.period_boundary(now, item["price"]["recurring"], MAX_INTERVALS)
        for subscription in tx.list_objects(
            "subscription", lambda each: each["test_clock"] == clock["id"]
        )
        if subscription["status"] not in cancellation.ENDED_STATUSES
        for item in subscription_items.list_items(subscription)
    ]
    return min(ends, default=now + MAX_SECONDS_WITHOUT_SUBSCRIPTION)
