"""Every route below ``/api/v1``: what it needs and how it is called with real rows.

``{word}`` in a path, query or body stands for something of a tenant's (see ``tenant.py``). A route
that is missing here fails the build, and so does an entry that no route answers to.
"""

from dataclasses import dataclass, field
from typing import Any

from projects.keys.scopes import PLATFORM, USER, Scope

THANKS = "https://app.example.com/thanks"


@dataclass(frozen=True)
class Route:
    """One method of one address; ``status`` is what its owner is answered."""

    method: str
    path: str
    scope: str
    status: int = 200
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def get(path: str, scope: str, **query: str) -> Route:
    return Route("GET", path, scope, query=query)


def post(path: str, scope: str, body: dict[str, Any] | None = None, status: int = 201) -> Route:
    return Route("POST", path, scope, status=status, body=body or {})


def patch(path: str, scope: str, body: dict[str, Any], status: int = 200) -> Route:
    return Route("PATCH", path, scope, status=status, body=body)


def buying(price: str) -> dict[str, Any]:
    return {"user_id": "{newcomer}", "price": price, "success_url": THANKS}


PROJECTS = [
    get("/projects", Scope.PROJECT_READ),
    post("/projects", PLATFORM, {"name": "One more"}),
    get("/projects/{project_id}", Scope.PROJECT_READ),
    patch("/projects/{project_id}", Scope.PROJECT_WRITE, {"name": "Renamed"}),
    *(
        post(f"/projects/{{project_id}}/{verb}", PLATFORM, {"reason": "Unpaid."}, status=200)
        for verb in ("suspend", "resume")
    ),
    get("/projects/{project_id}/keys", Scope.KEYS_READ),
    post("/projects/{project_id}/keys", Scope.KEYS_WRITE, {"name": "x", "scopes": ["keys:read"]}),
    get("/projects/{project_id}/keys/{key_id}", Scope.KEYS_READ),
    post("/projects/{project_id}/keys/{key_id}/rotate", Scope.KEYS_WRITE),
    post("/projects/{project_id}/keys/{key_id}/revoke", Scope.KEYS_WRITE, status=200),
    get("/projects/{project_id}/apps", Scope.PROJECT_READ),
    post("/projects/{project_id}/apps", Scope.PROJECT_WRITE, {"name": "Tablet"}),
    get("/projects/{project_id}/apps/{app_id}", Scope.PROJECT_READ),
    patch("/projects/{project_id}/apps/{app_id}", Scope.PROJECT_WRITE, {"name": "Renamed"}),
    get("/projects/{project_id}/apps/{app_id}/keys", Scope.KEYS_READ),
    post(
        "/projects/{project_id}/apps/{app_id}/keys",
        Scope.KEYS_WRITE,
        {"name": "x", "scopes": ["keys:read"]},
    ),
    get("/projects/{project_id}/stripe-account", Scope.PROJECT_READ),
    post(
        "/projects/{project_id}/stripe-account",
        Scope.PROJECT_WRITE,
        {"secret_key": "sk_test_of_another_account"},
        status=409,  # it sells through the shared account already
    ),
    patch(
        "/projects/{project_id}/stripe-account",
        Scope.PROJECT_WRITE,
        {"secret_key": "sk_test_of_another_account"},
        status=404,  # there is none of its own
    ),
]

CUSTOMERS = [
    get("/customers", Scope.CUSTOMERS_READ),
    post("/customers", Scope.CUSTOMERS_WRITE, {"user_id": "{newcomer}"}),
    get("/customers/{user_id}", Scope.CUSTOMERS_READ),
    patch("/customers/{user_id}", Scope.CUSTOMERS_WRITE, {"name": "Renamed"}),
    Route(
        "DELETE",
        "/customers/{user_id}",
        Scope.CUSTOMERS_WRITE,
        query={"cancel_subscriptions": "true"},
    ),
    get("/entitlements", Scope.ENTITLEMENTS_READ, user_id="{user_id}"),
    get("/entitlements/check", Scope.ENTITLEMENTS_READ, user_id="{user_id}", feature="{code}"),
    post(
        "/entitlements/check",
        Scope.ENTITLEMENTS_READ,
        {"checks": [{"user_id": "{user_id}", "feature": "{code}"}]},
        status=200,
    ),
    *(
        post(
            f"/entitlements/{verb}",
            Scope.USAGE_WRITE,
            {"user_id": "{user_id}", "feature": "{metered}"},
            status=200,
        )
        for verb in ("consume", "reserve")
    ),
    post("/entitlements/commit", Scope.USAGE_WRITE, {"reservation": "{reservation}"}, status=200),
    post("/entitlements/release", Scope.USAGE_WRITE, {"reservation": "{spare}"}, status=200),
    get("/entitlements/{user_id}/snapshot", Scope.ENTITLEMENTS_READ),
    get("/credits/{user_id}", Scope.CREDITS_READ),
    patch("/credits/{user_id}", Scope.CREDITS_WRITE, {"low_at": 5}),
    get("/credits/{user_id}/entries", Scope.CREDITS_READ),
    get("/credits/{user_id}/grants", Scope.CREDITS_READ),
    post("/credits/{user_id}/grant", Scope.ADMIN_GRANT, {"amount": 5, "reason": "Goodwill."}),
    post("/credits/{user_id}/spend", Scope.CREDITS_WRITE, {"amount": 1}, status=200),
    post(
        "/credits/{user_id}/grants/{credits}/revoke",
        Scope.ADMIN_GRANT,
        {"reason": "Over."},
        status=200,
    ),
    get("/admin/grants", Scope.ADMIN_READ),
    post(
        "/admin/grant",
        Scope.ADMIN_GRANT,
        {"user_id": "{user_id}", "feature": "{code}", "reason": "Goodwill."},
    ),
    post("/admin/revoke", Scope.ADMIN_GRANT, {"grant_id": "{grant_id}", "reason": "Over."}, 200),
]

CATALOG = [
    get("/free-tier", Scope.CATALOG_READ),
    Route("PUT", "/free-tier", Scope.CATALOG_WRITE, body={"features": []}),
    get("/features", Scope.CATALOG_READ),
    post("/features", Scope.CATALOG_WRITE, {"code": "new", "name": "New"}),
    get("/features/{code}", Scope.CATALOG_READ),
    patch("/features/{code}", Scope.CATALOG_WRITE, {"name": "Renamed"}),
    get("/products", Scope.CATALOG_READ),
    post(
        "/products",
        Scope.CATALOG_WRITE,
        {"name": "More", "features": [{"feature": "{code}", "value": True}]},
    ),
    get("/products/{product}", Scope.CATALOG_READ),
    patch("/products/{product}", Scope.CATALOG_WRITE, {"name": "Renamed"}),
    post("/products/{product}/preview", Scope.CATALOG_READ, {"features": []}, status=200),
    get("/rollouts", Scope.CATALOG_READ, product="{product}"),
    get("/rollouts/{rollout}", Scope.CATALOG_READ),
    get("/prices", Scope.CATALOG_READ, product="{product}"),
    post(
        "/prices",
        Scope.CATALOG_WRITE,
        {"product": "{product}", "unit_amount": {"amount": 100, "currency": "usd"}},
    ),
    get("/prices/{price}", Scope.CATALOG_READ),
    patch("/prices/{price}", Scope.CATALOG_WRITE, {"active": True}),
    get("/plans", Scope.CATALOG_READ),
    get("/coupons", Scope.CATALOG_READ),
    post("/coupons", Scope.CATALOG_WRITE, {"percent_off": "10"}),
    get("/coupons/{coupon}", Scope.CATALOG_READ),
    patch("/coupons/{coupon}", Scope.CATALOG_WRITE, {"name": "Renamed"}),
    get("/promotion-codes", Scope.CATALOG_READ, coupon="{coupon}"),
    post("/promotion-codes", Scope.CATALOG_WRITE, {"coupon": "{coupon}"}),
    get("/promotion-codes/{promo}", Scope.CATALOG_READ),
    patch("/promotion-codes/{promo}", Scope.CATALOG_WRITE, {"active": True}),
    Route("DELETE", "/coupons/{coupon}", Scope.CATALOG_WRITE, status=204),
]

CARTS = [
    get("/carts", Scope.CHECKOUT_READ, user_id="{user_id}"),
    post("/carts", Scope.CHECKOUT_WRITE, {"user_id": "{newcomer}", "lines": [{"price": "{once}"}]}),
    get("/carts/{cart}", Scope.CHECKOUT_READ),
    Route("DELETE", "/carts/{cart}", Scope.CHECKOUT_WRITE, status=204),
    post("/carts/{cart}/items", Scope.CHECKOUT_WRITE, {"price": "{price}"}),
    patch("/carts/{cart}/items/{cart_line}", Scope.CHECKOUT_WRITE, {"quantity": 2}),
    Route("DELETE", "/carts/{cart}/items/{cart_line}", Scope.CHECKOUT_WRITE),
    post("/checkout/cart", Scope.CHECKOUT_WRITE, {"cart": "{cart}", "success_url": THANKS}),
]

BUYING = [
    post("/checkout", Scope.CHECKOUT_WRITE, buying("{price}")),
    post("/checkout/session", Scope.CHECKOUT_WRITE, buying("{price}")),
    post("/checkout/subscription", Scope.CHECKOUT_WRITE, buying("{price}")),
    post("/checkout/item", Scope.CHECKOUT_WRITE, buying("{once}")),
    get("/checkout/{checkout}", Scope.CHECKOUT_READ),
    post("/checkout/{checkout}/sync", Scope.CHECKOUT_WRITE, status=200),
    post("/checkout/{checkout}/expire", Scope.CHECKOUT_WRITE, status=200),
    get("/payments", Scope.PAYMENTS_READ, user_id="{user_id}"),
    post("/payments", Scope.PAYMENTS_WRITE, buying("{once}")),
    get("/payments/{payment}", Scope.PAYMENTS_READ),
    get("/payments/{payment}/status", Scope.PAYMENTS_READ),
    post("/payments/{payment}/sync", Scope.PAYMENTS_WRITE, status=200),
    post("/payments/{unpaid}/cancel", Scope.PAYMENTS_WRITE, status=200),
    get("/customers/{user_id}/payment-methods", Scope.PAYMENTS_READ),
    post("/customers/{user_id}/payment-methods/{method}/default", Scope.PAYMENTS_WRITE, status=200),
    Route(
        "DELETE",
        "/customers/{user_id}/payment-methods/{method}",
        Scope.PAYMENTS_WRITE,
        status=204,
    ),
    post("/payments/{payment}/refunds", Scope.PAYMENTS_WRITE, {"amount": 100}),
    get("/refunds", Scope.PAYMENTS_READ, user_id="{user_id}"),
    get("/refunds/{refund}", Scope.PAYMENTS_READ),
    post("/refunds/{refund}/cancel", Scope.PAYMENTS_WRITE, status=409),  # it has succeeded
    get("/disputes", Scope.PAYMENTS_READ, payment="{payment}"),
    get("/disputes/{dispute}", Scope.PAYMENTS_READ),
    get("/invoices", Scope.INVOICES_READ),
    get("/invoices/{invoice}", Scope.INVOICES_READ),
    Route("GET", "/invoices/{invoice}/pdf", Scope.INVOICES_READ, status=302),
    get("/subscriptions", Scope.SUBSCRIPTIONS_READ, product="{product}"),
    get("/subscriptions/{user_id}", Scope.SUBSCRIPTIONS_READ),
    get("/subscriptions/{user_id}/{product}", Scope.SUBSCRIPTIONS_READ),
    patch(
        "/subscriptions/{user_id}/{product}",
        Scope.SUBSCRIPTIONS_WRITE,
        {"cancel_at_period_end": True},
    ),
    post(
        "/subscriptions/{user_id}/{product}/preview",
        Scope.SUBSCRIPTIONS_READ,
        {"quantity": 2},
        status=200,
    ),
    post("/subscriptions/{user_id}/{product}/pause", Scope.SUBSCRIPTIONS_WRITE, status=200),
    post(
        "/subscriptions/{user_id}/{product}/resume",
        Scope.SUBSCRIPTIONS_WRITE,
        status=409,  # it is not paused
    ),
    post(
        "/subscriptions/{user_id}/{product}/addons",
        Scope.SUBSCRIPTIONS_WRITE,
        {"price": "{addon}", "proration": "none"},  # the card is gone by then
    ),
    patch(
        "/subscriptions/{user_id}/{product}/addons/{product}",
        Scope.SUBSCRIPTIONS_WRITE,
        {"quantity": 2, "proration": "none"},
    ),
    Route(
        "DELETE",
        "/subscriptions/{user_id}/{product}/addons/{product}",
        Scope.SUBSCRIPTIONS_WRITE,
        status=422,  # one product stays
    ),
    Route("DELETE", "/subscriptions/{user_id}/{product}", Scope.SUBSCRIPTIONS_WRITE),
]

PORTAL = [
    post("/portal", Scope.PORTAL_WRITE, {"user_id": "{user_id}"}),
    post("/portal/session", Scope.PORTAL_WRITE, {"user_id": "{user_id}"}),
    get("/portal/eligibility", Scope.PORTAL_READ, user_id="{user_id}"),
    get("/portal/configuration", Scope.PORTAL_READ),
    patch("/portal/configuration", Scope.PORTAL_WRITE, {"products": ["{product}"]}),
]

USAGE = [
    get("/meters", Scope.CATALOG_READ),
    post("/meters", Scope.CATALOG_WRITE, {"code": "new", "name": "New", "aggregation": "count"}),
    get("/meters/{meter}", Scope.CATALOG_READ),
    patch("/meters/{meter}", Scope.CATALOG_WRITE, {"name": "Renamed"}),
    get("/usage", Scope.USAGE_READ, user_id="{user_id}", meter="{meter}"),
    post("/usage", Scope.USAGE_WRITE, {"user_id": "{newcomer}", "meter": "{meter}", "value": 1}),
    get("/usage/records", Scope.USAGE_READ, user_id="{user_id}", meter="{meter}"),
    post("/usage/{record}/correct", Scope.USAGE_WRITE, {"value": 2}),
    post("/usage/{record}/void", Scope.USAGE_WRITE, status=200),
]

ROUTES = [*PORTAL, *PROJECTS, *CUSTOMERS, *CATALOG, *CARTS, *BUYING, *USAGE]

SIGNED_IN = [
    get("/billing/plans", USER),
    get("/billing/subscription", USER),
    post(
        "/billing/subscription",
        USER,
        {"price": "{price}", "success_url": THANKS},
        status=409,  # they have it already
    ),
    patch("/billing/subscription", USER, {"cancel_at_period_end": True}),
    Route("DELETE", "/billing/subscription", USER),
    get("/billing/invoices", USER),
    get("/billing/usage", USER),
    post("/billing/portal", USER),
]
"""Routes that no key opens, but the signed-in user's own token."""

WITHOUT_A_KEY = {
    "/webhooks/stripe": "Stripe's signature decides",
    "/webhooks/stripe/{token}": "Stripe's signature decides",
}
"""Routes that no key opens, and what guards them instead."""
