"""Every route below ``/api/v1``: what it needs and how it is called with real rows.

``{word}`` in a path, query or body stands for something of a tenant's (see ``tenant.py``). A route
that is missing here fails the build, and so does an entry that no route answers to.
"""

from projects.keys.scopes import PLATFORM, PUBLIC, USER, KeyScope
from tests.architecture.purchase_routes import BUYING, CARTS, CATALOG, PORTAL, THANKS
from tests.architecture.route import Route, get, patch, post

PROJECTS = [
    get("/projects", KeyScope.PROJECT_READ),
    post("/projects", PLATFORM, {"name": "One more"}),
    get("/projects/{project_id}", KeyScope.PROJECT_READ),
    patch("/projects/{project_id}", KeyScope.PROJECT_WRITE, {"name": "Renamed"}),
    *(
        post(f"/projects/{{project_id}}/{verb}", PLATFORM, {"reason": "Unpaid."}, status=200)
        for verb in ("suspend", "resume")
    ),
    get("/projects/{project_id}/keys", KeyScope.KEYS_READ),
    post(
        "/projects/{project_id}/keys", KeyScope.KEYS_WRITE, {"name": "x", "scopes": ["keys:read"]}
    ),
    get("/projects/{project_id}/keys/{key_id}", KeyScope.KEYS_READ),
    post("/projects/{project_id}/keys/{key_id}/rotate", KeyScope.KEYS_WRITE),
    post("/projects/{project_id}/keys/{key_id}/revoke", KeyScope.KEYS_WRITE, status=200),
    get("/projects/{project_id}/apps", KeyScope.PROJECT_READ),
    post("/projects/{project_id}/apps", KeyScope.PROJECT_WRITE, {"name": "Tablet"}),
    get("/projects/{project_id}/apps/{app_id}", KeyScope.PROJECT_READ),
    patch("/projects/{project_id}/apps/{app_id}", KeyScope.PROJECT_WRITE, {"name": "Renamed"}),
    get("/projects/{project_id}/apps/{app_id}/keys", KeyScope.KEYS_READ),
    post(
        "/projects/{project_id}/apps/{app_id}/keys",
        KeyScope.KEYS_WRITE,
        {"name": "x", "scopes": ["keys:read"]},
    ),
    get("/projects/{project_id}/permission-map", KeyScope.PROJECT_READ),
    Route(
        "PUT",
        "/projects/{project_id}/permission-map",
        KeyScope.PROJECT_WRITE,
        body={"features": []},
    ),
    get("/projects/{project_id}/mail", KeyScope.PROJECT_READ),
    patch("/projects/{project_id}/mail", KeyScope.PROJECT_WRITE, {"channel": "mail"}),
    get("/projects/{project_id}/inbound", KeyScope.PROJECT_READ),
    patch(
        "/projects/{project_id}/inbound", KeyScope.PROJECT_WRITE, {"cancels_subscriptions": False}
    ),
    post("/projects/{project_id}/inbound/rotate-secret", KeyScope.PROJECT_WRITE),
    post(
        "/projects/{project_id}/inbound/secrets/{inbound_secret}/revoke",
        KeyScope.PROJECT_WRITE,
        status=200,
    ),
    get("/projects/{project_id}/stripe-account", KeyScope.PROJECT_READ),
    post(
        "/projects/{project_id}/stripe-account",
        KeyScope.PROJECT_WRITE,
        {"secret_key": "sk_test_of_another_account"},
        status=409,  # it sells through the shared account already
    ),
    patch(
        "/projects/{project_id}/stripe-account",
        KeyScope.PROJECT_WRITE,
        {"secret_key": "sk_test_of_another_account"},
        status=404,  # there is none of its own
    ),
]

CUSTOMERS = [
    get("/customers", KeyScope.CUSTOMERS_READ),
    post("/customers", KeyScope.CUSTOMERS_WRITE, {"user_id": "{newcomer}"}),
    get("/customers/{user_id}", KeyScope.CUSTOMERS_READ),
    patch("/customers/{user_id}", KeyScope.CUSTOMERS_WRITE, {"name": "Renamed"}),
    Route(
        "DELETE",
        "/customers/{user_id}",
        KeyScope.CUSTOMERS_WRITE,
        query={"cancel_subscriptions": "true"},
    ),
    get("/entitlements", KeyScope.ENTITLEMENTS_READ, user_id="{user_id}"),
    get("/entitlements/check", KeyScope.ENTITLEMENTS_READ, user_id="{user_id}", feature="{code}"),
    post(
        "/entitlements/check",
        KeyScope.ENTITLEMENTS_READ,
        {"checks": [{"user_id": "{user_id}", "feature": "{code}"}]},
        status=200,
    ),
    *(
        post(
            f"/entitlements/{verb}",
            KeyScope.USAGE_WRITE,
            {"user_id": "{user_id}", "feature": "{metered}"},
            status=200,
        )
        for verb in ("consume", "reserve")
    ),
    post(
        "/entitlements/commit", KeyScope.USAGE_WRITE, {"reservation": "{reservation}"}, status=200
    ),
    post("/entitlements/release", KeyScope.USAGE_WRITE, {"reservation": "{spare}"}, status=200),
    get("/entitlements/{user_id}/snapshot", KeyScope.ENTITLEMENTS_READ),
    get("/credits/{user_id}", KeyScope.CREDITS_READ),
    patch("/credits/{user_id}", KeyScope.CREDITS_WRITE, {"low_at": 5}),
    get("/credits/{user_id}/entries", KeyScope.CREDITS_READ),
    get("/credits/{user_id}/grants", KeyScope.CREDITS_READ),
    post("/credits/{user_id}/grant", KeyScope.ADMIN_GRANT, {"amount": 5, "reason": "Goodwill."}),
    post("/credits/{user_id}/spend", KeyScope.CREDITS_WRITE, {"amount": 1}, status=200),
    post(
        "/credits/{user_id}/grants/{credits}/revoke",
        KeyScope.ADMIN_GRANT,
        {"reason": "Over."},
        status=200,
    ),
    get("/admin/grants", KeyScope.ADMIN_READ),
    post(
        "/admin/grant",
        KeyScope.ADMIN_GRANT,
        {"user_id": "{user_id}", "feature": "{code}", "reason": "Goodwill."},
    ),
    post("/admin/revoke", KeyScope.ADMIN_GRANT, {"grant_id": "{grant_id}", "reason": "Over."}, 200),
    get("/admin/reconcile", KeyScope.ADMIN_RECONCILE),
    post(
        "/admin/reconcile",
        KeyScope.ADMIN_RECONCILE,
        {"project": "{project_id}", "reason": "A restore."},
        status=409,  # one is running already
    ),
    get("/admin/reconcile/{reconciliation}", KeyScope.ADMIN_RECONCILE),
    post(
        "/admin/reconcile/{reconciliation}/stop",
        KeyScope.ADMIN_RECONCILE,
        {"reason": "Too busy."},
        status=200,
    ),
    get("/admin/drift", KeyScope.ADMIN_RECONCILE),
]


USAGE = [
    get("/meters", KeyScope.CATALOG_READ),
    post("/meters", KeyScope.CATALOG_WRITE, {"code": "new", "name": "New", "aggregation": "count"}),
    get("/meters/{meter}", KeyScope.CATALOG_READ),
    patch("/meters/{meter}", KeyScope.CATALOG_WRITE, {"name": "Renamed"}),
    get("/usage", KeyScope.USAGE_READ, user_id="{user_id}", meter="{meter}"),
    post("/usage", KeyScope.USAGE_WRITE, {"user_id": "{newcomer}", "meter": "{meter}", "value": 1}),
    get("/usage/records", KeyScope.USAGE_READ, user_id="{user_id}", meter="{meter}"),
    post("/usage/{record}/correct", KeyScope.USAGE_WRITE, {"value": 2}),
    post("/usage/{record}/void", KeyScope.USAGE_WRITE, status=200),
]

EVENTS = [
    get("/events", KeyScope.EVENTS_READ),
    get("/events/{event}", KeyScope.EVENTS_READ),
    get("/events/{event}/deliveries", KeyScope.WEBHOOKS_READ),
]

METRICS = [
    get("/metrics/project/{project_id}/subscriptions", KeyScope.METRICS_READ),
    get("/metrics/project/{project_id}/revenue", KeyScope.METRICS_READ),
    get("/metrics/subscriptions", PLATFORM),
    get("/metrics/revenue", PLATFORM),
    get("/metrics/projects", PLATFORM),
]

HOOK = "/webhook-endpoints/{hook}"
WEBHOOKS = [
    get("/webhook-endpoints", KeyScope.WEBHOOKS_READ),
    post("/webhook-endpoints", KeyScope.WEBHOOKS_WRITE, {"url": "https://new.example.com/"}),
    get(HOOK, KeyScope.WEBHOOKS_READ),
    patch(HOOK, KeyScope.WEBHOOKS_WRITE, {"description": "Changed"}),
    post(f"{HOOK}/rotate-secret", KeyScope.WEBHOOKS_WRITE),
    post(f"{HOOK}/test", KeyScope.WEBHOOKS_WRITE),
    get(f"{HOOK}/deliveries", KeyScope.WEBHOOKS_READ),
    get(f"{HOOK}/deliveries/{{delivery}}", KeyScope.WEBHOOKS_READ),
    post(f"{HOOK}/deliveries/{{delivery}}/send-again", KeyScope.WEBHOOKS_WRITE),
    get(f"{HOOK}/replays", KeyScope.WEBHOOKS_READ),
    post(f"{HOOK}/replays", KeyScope.WEBHOOKS_WRITE, {"after": 0}, status=409),  # one is running
    get(f"{HOOK}/replays/{{replay}}", KeyScope.WEBHOOKS_READ),
    post(f"{HOOK}/replays/{{replay}}/cancel", KeyScope.WEBHOOKS_WRITE, status=200),
    get(f"{HOOK}/checks", KeyScope.WEBHOOKS_READ),
    post(f"{HOOK}/checks", KeyScope.WEBHOOKS_WRITE, status=409),  # one is planned
    get(f"{HOOK}/checks/{{check}}", KeyScope.WEBHOOKS_READ),
    Route("DELETE", HOOK, KeyScope.WEBHOOKS_WRITE, status=204),
    get("/messages", KeyScope.CUSTOMERS_READ),
    get("/messages/{message}", KeyScope.CUSTOMERS_READ),
    post("/webhook-portal", KeyScope.WEBHOOKS_READ),
    post("/webhook-portal/revoke", KeyScope.WEBHOOKS_WRITE, status=200),
]

ROUTES = [
    *EVENTS,
    *METRICS,
    *WEBHOOKS,
    *PORTAL,
    *PROJECTS,
    *CUSTOMERS,
    *CATALOG,
    *CARTS,
    *BUYING,
    *USAGE,
]

SIGNED_IN = [
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

PUBLIC_ROUTES = [
    get("/billing/plans", PUBLIC),
    get("/billing/projects/{project_id}/plans", PUBLIC),
]
"""Routes that show everybody what a named project shows to everybody."""

WITHOUT_A_KEY = {
    "/events/inbound": "the signature of the project's auth service decides",
    "/events/inbound/{project_id}": "the signature of the project's auth service decides",
    "/webhooks/stripe": "Stripe's signature decides",
    "/webhooks/stripe/{token}": "Stripe's signature decides",
}
"""Routes that no key opens, and what guards them instead."""
