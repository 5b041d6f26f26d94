"""Register the tenants over the API: projects, catalogs, and endpoints for webhooks."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.load.kinds import KINDS, TenantKind
from devtools.demo.people import Tenant
from devtools.demo.web import Api

AT_ONCE = 6
"""Tenants that are registered at the same time."""
RETURN_ORIGIN = "http://localhost:3000"
CALLS_LIMIT = 10**9
CALLERS = 5
"""Users of a metered tenant, who consume and whose usage is recorded."""
CHECKED = 20
"""Users whom a tenant asks about, besides its buyers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTenant:
    """A registered tenant. ``prices`` are what it sells, ``product_stripe_id`` is what events of
    Stripe are sent about."""

    number: int
    kind: TenantKind
    project: str
    key: str
    prices: tuple[str, ...]
    product_stripe_id: str

    @property
    def feature(self) -> str:
        return "calls" if self.kind == TenantKind.METERED else "pro"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "LoadTenant":
        kind, prices = TenantKind(values["kind"]), tuple(values["prices"])
        return cls(**{**values, "kind": kind, "prices": prices})


def register_tenants(web_url: str, platform_key: str, *, count: int) -> Iterator[LoadTenant]:
    """Register tenants of all kinds in turns; yields each when it is complete."""
    platform = Tenant(Api(web_url, platform_key))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda number: _register(web_url, platform, number), range(count))


def listen(web_url: str, tenant: LoadTenant, url: str) -> str:
    """Create the tenant's endpoint for webhooks. Returns its secret."""
    body = {"url": f"{url}/{tenant.number}", "rate": 100}
    endpoint = Tenant(Api(web_url, tenant.key)).post("/webhook-endpoints", body)
    secret: str = endpoint["secret"]
    return secret


def _register(web_url: str, platform: Tenant, number: int) -> LoadTenant:
    kind = KINDS[number % len(KINDS)]
    project = platform.post(
        "/projects", {"name": f"Load {number} {kind}", "return_origins": [RETURN_ORIGIN]}
    )
    key = project["key"]["secret"]
    tenant = Tenant(Api(web_url, key))
    product, prices = _CATALOGS[kind](tenant)
    return LoadTenant(
        number=number,
        kind=kind,
        project=project["id"],
        key=key,
        prices=tuple(prices),
        product_stripe_id=product["stripe_id"],
    )


def _sell_subscriptions(tenant: Tenant) -> tuple[Any, list[str]]:
    tenant.post("/features", {"code": "pro", "name": "Pro"})
    product = _product(tenant, "Pro", [{"feature": "pro", "value": True}])
    return product, [_price(tenant, product, 2_900, interval="month")]


def _sell_items(tenant: Tenant) -> tuple[Any, list[str]]:
    tenant.post("/features", {"code": "pro", "name": "Pro"})
    product = _product(tenant, "Report", [{"feature": "pro", "value": True}])
    return product, [_price(tenant, product, 4_900)]


def _sell_carts(tenant: Tenant) -> tuple[Any, list[str]]:
    product, prices = _sell_items(tenant)
    extra = _product(tenant, "Extra", [])
    return product, [*prices, _price(tenant, extra, 900)]


def _sell_calls(tenant: Tenant) -> tuple[Any, list[str]]:
    """Metered calls, which every user has; what `POST /usage` records goes to another meter."""
    for code in ("calls", "events"):
        tenant.post("/meters", {"code": code, "name": code, "aggregation": "sum"})
    metered = {"kind": "metered", "meter": "calls", "period": "month"}
    tenant.post("/features", {"code": "calls", "name": "Calls", **metered})
    tenant.put("/free-tier", {"features": [{"feature": "calls", "value": CALLS_LIMIT}]})
    product = _product(tenant, "Calls", [{"feature": "calls", "value": CALLS_LIMIT}])
    return product, [_price(tenant, product, 900, interval="month")]


_CATALOGS: dict[TenantKind, Callable[[Tenant], tuple[Any, list[str]]]] = {
    TenantKind.SUBSCRIPTIONS: _sell_subscriptions,
    TenantKind.ITEMS: _sell_items,
    TenantKind.CARTS: _sell_carts,
    TenantKind.METERED: _sell_calls,
}


def _product(tenant: Tenant, name: str, features: list[dict[str, Any]]) -> Any:
    return tenant.post("/products", {"name": name, "features": features})


def _price(tenant: Tenant, product: Any, amount: int, *, interval: str = "") -> str:
    data: dict[str, Any] = {"unit_amount": {"amount": amount, "currency": "usd"}}
    if interval:
        data["interval"] = interval
    price: str = tenant.post("/prices", {"product": product["id"], **data})["id"]
    return price
