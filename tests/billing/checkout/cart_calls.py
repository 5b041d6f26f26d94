"""Calls of the cart API."""

from collections.abc import Callable
from typing import Any

from tests.billing.tenant import Json, Tenant

Drain = Callable[[], None]


def usd(amount: int) -> Json:
    return {"amount": amount, "currency": "usd"}


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def put(tenant: Tenant, cart: Json, price: Json, **body: Any) -> Any:
    return tenant.api.post(f"/carts/{cart['id']}/items", {"price": price["id"], **body})


def read_cart(tenant: Tenant, cart: Json) -> Json:
    return dict(tenant.api.get(f"/carts/{cart['id']}").json())
