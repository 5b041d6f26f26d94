"""Routes of what is sold and bought: catalog, carts, pages, payments, subscriptions, portal."""

from typing import Any

from projects.keys.scopes import KeyScope
from tests.architecture.route import Route, get, patch, post

THANKS = "https://app.example.com/thanks"


def buying(price: str) -> dict[str, Any]:
    return {"user_id": "{newcomer}", "price": price, "success_url": THANKS}


CATALOG = [
    get("/free-tier", KeyScope.CATALOG_READ),
    Route("PUT", "/free-tier", KeyScope.CATALOG_WRITE, body={"features": []}),
    get("/features", KeyScope.CATALOG_READ),
    post("/features", KeyScope.CATALOG_WRITE, {"code": "new", "name": "New"}),
    get("/features/{code}", KeyScope.CATALOG_READ),
    patch("/features/{code}", KeyScope.CATALOG_WRITE, {"name": "Renamed"}),
    get("/products", KeyScope.CATALOG_READ),
    post(
        "/products",
        KeyScope.CATALOG_WRITE,
        {"name": "More", "features": [{"feature": "{code}", "value": True}]},
    ),
    get("/products/{product}", KeyScope.CATALOG_READ),
    patch("/products/{product}", KeyScope.CATALOG_WRITE, {"name": "Renamed"}),
    post("/products/{product}/preview", KeyScope.CATALOG_READ, {"features": []}, status=200),
    get("/rollouts", KeyScope.CATALOG_READ, product="{product}"),
    get("/rollouts/{rollout}", KeyScope.CATALOG_READ),
    get("/prices", KeyScope.CATALOG_READ, product="{product}"),
    post(
        "/prices",
        KeyScope.CATALOG_WRITE,
        {"product": "{product}", "unit_amount": {"amount": 100, "currency": "usd"}},
    ),
    get("/prices/{price}", KeyScope.CATALOG_READ),
    patch("/prices/{price}", KeyScope.CATALOG_WRITE, {"active": True}),
    get("/plans", KeyScope.CATALOG_READ),
    get("/coupons", KeyScope.CATALOG_READ),
    post("/coupons", KeyScope.CATALOG_WRITE, {"percent_off": "10"}),
    get("/coupons/{coupon}", KeyScope.CATALOG_READ),
    patch("/coupons/{coupon}", KeyScope.CATALOG_WRITE, {"name": "Renamed"}),
    get("/promotion-codes", KeyScope.CATALOG_READ, coupon="{coupon}"),
    post("/promotion-codes", KeyScope.CATALOG_WRITE, {"coupon": "{coupon}"}),
    get("/promotion-codes/{promo}", KeyScope.CATALOG_READ),
    patch("/promotion-codes/{promo}", KeyScope.CATALOG_WRITE, {"active": True}),
    Route("DELETE", "/coupons/{coupon}", KeyScope.CATALOG_WRITE, status=204),
]


CARTS = [
    get("/carts", KeyScope.CHECKOUT_READ, user_id="{user_id}"),
    post(
        "/carts", KeyScope.CHECKOUT_WRITE, {"user_id": "{newcomer}", "lines": [{"price": "{once}"}]}
    ),
    get("/carts/{cart}", KeyScope.CHECKOUT_READ),
    Route("DELETE", "/carts/{cart}", KeyScope.CHECKOUT_WRITE, status=204),
    post("/carts/{cart}/items", KeyScope.CHECKOUT_WRITE, {"price": "{price}"}),
    patch("/carts/{cart}/items/{cart_line}", KeyScope.CHECKOUT_WRITE, {"quantity": 2}),
    Route("DELETE", "/carts/{cart}/items/{cart_line}", KeyScope.CHECKOUT_WRITE),
    post("/checkout/cart", KeyScope.CHECKOUT_WRITE, {"cart": "{cart}", "success_url": THANKS}),
]


BUYING = [
    post("/checkout", KeyScope.CHECKOUT_WRITE, buying("{price}")),
    post("/checkout/session", KeyScope.CHECKOUT_WRITE, buying("{price}")),
    post("/checkout/subscription", KeyScope.CHECKOUT_WRITE, buying("{price}")),
    post("/checkout/item", KeyScope.CHECKOUT_WRITE, buying("{once}")),
    get("/checkout/{checkout}", KeyScope.CHECKOUT_READ),
    post("/checkout/{checkout}/sync", KeyScope.CHECKOUT_WRITE, status=200),
    post("/checkout/{checkout}/expire", KeyScope.CHECKOUT_WRITE, status=200),
    get("/payments", KeyScope.PAYMENTS_READ, user_id="{user_id}"),
    post("/payments", KeyScope.PAYMENTS_WRITE, buying("{once}")),
    get("/payments/{payment}", KeyScope.PAYMENTS_READ),
    get("/payments/{payment}/status", KeyScope.PAYMENTS_READ),
    post("/payments/{payment}/sync", KeyScope.PAYMENTS_WRITE, status=200),
    post("/payments/{unpaid}/cancel", KeyScope.PAYMENTS_WRITE, status=200),
    get("/customers/{user_id}/payment-methods", KeyScope.PAYMENTS_READ),
    post(
        "/customers/{user_id}/payment-methods/{method}/default", KeyScope.PAYMENTS_WRITE, status=200
    ),
    Route(
        "DELETE",
        "/customers/{user_id}/payment-methods/{method}",
        KeyScope.PAYMENTS_WRITE,
        status=204,
    ),
    post("/payments/{payment}/refunds", KeyScope.PAYMENTS_WRITE, {"amount": 100}),
    get("/refunds", KeyScope.PAYMENTS_READ, user_id="{user_id}"),
    get("/refunds/{refund}", KeyScope.PAYMENTS_READ),
    post("/refunds/{refund}/cancel", KeyScope.PAYMENTS_WRITE, status=409),  # it has succeeded
    get("/disputes", KeyScope.PAYMENTS_READ, payment="{payment}"),
    get("/disputes/{dispute}", KeyScope.PAYMENTS_READ),
    get("/invoices", KeyScope.INVOICES_READ),
    get("/invoices/{invoice}", KeyScope.INVOICES_READ),
    Route("GET", "/invoices/{invoice}/pdf", KeyScope.INVOICES_READ, status=302),
    get("/subscriptions", KeyScope.SUBSCRIPTIONS_READ, product="{product}"),
    get("/subscriptions/{user_id}", KeyScope.SUBSCRIPTIONS_READ),
    get("/subscriptions/{user_id}/{product}", KeyScope.SUBSCRIPTIONS_READ),
    patch(
        "/subscriptions/{user_id}/{product}",
        KeyScope.SUBSCRIPTIONS_WRITE,
        {"cancel_at_period_end": True},
    ),
    post(
        "/subscriptions/{user_id}/{product}/preview",
        KeyScope.SUBSCRIPTIONS_READ,
        {"quantity": 2},
        status=200,
    ),
    post("/subscriptions/{user_id}/{product}/pause", KeyScope.SUBSCRIPTIONS_WRITE, status=200),
    post(
        "/subscriptions/{user_id}/{product}/resume",
        KeyScope.SUBSCRIPTIONS_WRITE,
        status=409,  # it is not paused
    ),
    post(
        "/subscriptions/{user_id}/{product}/addons",
        KeyScope.SUBSCRIPTIONS_WRITE,
        {"price": "{addon}", "proration": "none"},  # the card is gone by then
    ),
    patch(
        "/subscriptions/{user_id}/{product}/addons/{product}",
        KeyScope.SUBSCRIPTIONS_WRITE,
        {"quantity": 2, "proration": "none"},
    ),
    Route(
        "DELETE",
        "/subscriptions/{user_id}/{product}/addons/{product}",
        KeyScope.SUBSCRIPTIONS_WRITE,
        status=422,  # one product stays
    ),
    Route("DELETE", "/subscriptions/{user_id}/{product}", KeyScope.SUBSCRIPTIONS_WRITE),
]


PORTAL = [
    post("/portal", KeyScope.PORTAL_WRITE, {"user_id": "{user_id}"}),
    post("/portal/session", KeyScope.PORTAL_WRITE, {"user_id": "{user_id}"}),
    get("/portal/eligibility", KeyScope.PORTAL_READ, user_id="{user_id}"),
    get("/portal/configuration", KeyScope.PORTAL_READ),
    patch("/portal/configuration", KeyScope.PORTAL_WRITE, {"products": ["{product}"]}),
]
