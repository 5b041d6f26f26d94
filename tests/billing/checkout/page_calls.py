"""Open pages, and run code at one point of opening them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.billing.tenant import Json, Tenant, order

SESSIONS = "/v1/checkout/sessions"
AFTER_ALL_TRIES = 3
"""The SDK's own tries of one request."""


def open_page(tenant: Tenant, price: Json, name: str = "", **body: Any) -> tuple[int, str]:
    """The status, and the id of the page or the code of the refusal."""
    headers = {"Idempotency-Key": name} if name else {}
    answer = tenant.api.post("/checkout", order(price, **body), headers=headers)
    response_body = answer.json()
    return answer.status_code, response_body.get("id") or response_body["code"]


def page_statuses(tenant: Tenant) -> list[str]:
    """The states of all pages at Stripe, oldest first."""
    sessions = sorted(tenant.at_stripe("checkout.session"), key=lambda each: each["created"])
    return [each["status"] for each in sessions]


def live_subscriptions(tenant: Tenant) -> int:
    return sum(each["status"] != "canceled" for each in tenant.at_stripe("subscription"))


@contextmanager
def once_at(
    tenant: Tenant, path: str, act: Callable[[], Any], *, method: str = "POST", after: bool = False
) -> Iterator[list[Any]]:
    """Do something just before the first such request reaches Stripe, or just after."""
    transport, done = tenant.stripe.transport, list[Any]()
    send = transport.request

    def request(sent: str, url: str, *args: Any, **kwargs: Any) -> Any:
        is_it = not done and sent.upper() == method and url.split("?", maxsplit=1)[0].endswith(path)
        if not is_it:
            return send(sent, url, *args, **kwargs)
        done.append(None)
        answer = send(sent, url, *args, **kwargs) if after else None
        done[0] = act()
        return answer or send(sent, url, *args, **kwargs)

    transport.request = request  # type: ignore[method-assign]
    try:
        yield done
    finally:
        del transport.request
    assert done, f"{method} {path} was never sent."
