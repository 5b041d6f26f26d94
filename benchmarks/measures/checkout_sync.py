"""The return from checkout: ``POST /checkout/{id}/sync`` of a page that was just paid, alone.

No event has arrived and no worker runs, so the call itself reads everything that the answer needs.
Requests to Stripe are what the product's own counter at ``/metrics`` says.
"""

import re
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from benchmarks.stripe_account import control
from benchmarks.stripe_stack import FEATURE, METRICS_TOKEN, RETURN_ORIGIN, Seller, StripeStack
from devtools.demo.people import Tenant
from devtools.demo.web import Api, send

GOOD_CARD = "4242424242424242"
WARM_UP = 6
"""Pages opened first: each process of the web server looks at the account once."""
METRICS_SECONDS = 6.0
"""After which each process has added what it has counted."""
METRICS_TRIES = 5
"""Without Redis for a moment, ``/metrics`` has no counters."""
METRICS_HEADERS = {"Authorization": f"Bearer {METRICS_TOKEN}"}
_REQUESTS = re.compile(r"^tollgate_stripe_requests_total\{.*\} (\S+)$", re.MULTILINE)
_SESSION = re.compile(r"cs_\w+")


@dataclass(slots=True)
class SyncCosts:
    """Milliseconds of each call, requests to Stripe for one of each kind, and error texts."""

    sync_ms: list[float] = field(default_factory=list)
    requests_to_open: float = 0.0
    requests_to_sync: float = 0.0
    wrong: list[str] = field(default_factory=list)


def measure(stack: StripeStack, seller: Seller, *, count: int) -> SyncCosts:
    """Open and pay so many pages for new buyers, and then sync one after another."""
    api, costs, tag = Api(stack.world.url, seller.key), SyncCosts(), f"{time.time_ns():x}"
    tenant = Tenant(api)
    for number in range(WARM_UP):
        _open(tenant, seller, f"first-{tag}-{number}")
    before = _stripe_requests(stack)
    checkouts = [_open(tenant, seller, f"buyer-{tag}-{number}") for number in range(count)]
    opened = _stripe_requests(stack)
    for checkout in checkouts:
        _pay(stack, checkout["url"])
    for checkout in checkouts:
        started = time.perf_counter()
        reply = api.call("POST", f"/api/v1/checkout/{checkout['id']}/sync")
        costs.sync_ms.append((time.perf_counter() - started) * 1000)
        costs.wrong += find_mistake(reply.status, reply.text and reply.json())
    costs.requests_to_open = (opened - before) / count
    costs.requests_to_sync = (_stripe_requests(stack) - opened) / count
    return costs


def count_requests(metrics: str) -> float:
    """Requests to Stripe of all resources and outcomes."""
    return sum(float(number) for number in _REQUESTS.findall(metrics))


def find_mistake(status: int, body: Any) -> list[str]:
    """An error text unless the answer says that the buyer has what was bought."""
    if status != HTTPStatus.OK:
        return [f"sync was answered with {status} {body}"]
    allowed = {each["feature"]: each["allowed"] for each in body["entitlements"]}
    if body["status"] != "complete" or allowed.get(FEATURE) is not True:
        return [f"sync says {body['status']}, {allowed}"]
    return []


def _open(tenant: Tenant, seller: Seller, user_id: str) -> Any:
    order = {"user_id": user_id, "price": seller.price, "success_url": f"{RETURN_ORIGIN}/thanks"}
    return tenant.post("/checkout", order)


def _pay(stack: StripeStack, url: str) -> None:
    """Raises RuntimeError if the sandbox does not take the money."""
    match = _SESSION.search(url)
    buyer = {"card": GOOD_CARD, "email": "buyer@example.com", "name": "Ada Buyer"}
    path = f"/checkout/{match[0] if match else ''}/pay"
    answer = control(stack.sandbox_port, path, buyer)
    if answer["status"] != "complete":
        raise RuntimeError(f"The sandbox did not take the money: {answer}")


def _stripe_requests(stack: StripeStack) -> float:
    """What all processes have counted. Raises RuntimeError if ``/metrics`` does not tell it."""
    for _ in range(METRICS_TRIES):
        time.sleep(METRICS_SECONDS)
        reply = send("GET", f"{stack.world.url}/metrics", headers=METRICS_HEADERS)
        if reply.status == HTTPStatus.OK and (count := count_requests(reply.text)):
            return count
    raise RuntimeError(f"/metrics has no requests to Stripe, and answers {reply.status}")
