"""The console's sidebar: where everything is, shown to whom may see it."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

GROUPS: list[tuple[str, list[tuple[str, str, str]]]] = [
    (
        "Tenants",
        [
            ("Projects", "domain", "projects.project"),
            ("Apps", "widgets", "projects.app"),
            ("API keys", "key", "projects.apikey"),
            ("Platform keys", "vpn_key", "projects.platformkey"),
            ("Customers", "group", "projects.customer"),
        ],
    ),
    (
        "Catalog",
        [
            ("Products", "inventory_2", "billing.product"),
            ("Prices", "sell", "billing.price"),
            ("Features", "toggle_on", "entitlements.feature"),
            ("Free tier", "redeem", "entitlements.freetierentry"),
            ("Meters", "speed", "usage.meter"),
            ("Changes", "rule", "billing.rollout"),
        ],
    ),
    (
        "Money",
        [
            ("Carts", "shopping_cart", "billing.cart"),
            ("Checkouts", "shopping_cart_checkout", "billing.checkout"),
            ("Payments", "payments", "billing.payment"),
            ("Refunds", "undo", "billing.refund"),
            ("Disputes", "gavel", "billing.dispute"),
            ("Fraud warnings", "report", "billing.earlyfraudwarning"),
            ("Subscriptions", "autorenew", "billing.subscription"),
            ("Invoices", "receipt_long", "billing.invoice"),
        ],
    ),
    (
        "Access",
        [
            ("Grants", "volunteer_activism", "entitlements.grant"),
            ("Credits", "toll", "entitlements.creditgrant"),
            ("Facts", "fact_check", "entitlements.fact"),
            ("Signing keys", "signature", "entitlements.signingkey"),
        ],
    ),
    (
        "Stripe",
        [
            ("Accounts", "account_balance", "billing.stripeaccount"),
            ("Endpoints", "webhook", "billing.stripeendpoint"),
            ("Inbound events", "move_to_inbox", "webhooks.inboundevent"),
            ("Sync objects", "sync", "billing.syncobject"),
            ("Missing objects", "unknown_document", "billing.missingobject"),
            ("Intents", "outbound", "billing.stripeintent"),
            ("Meters", "speed", "billing.stripemeter"),
            ("Failing requests and rows", "running_with_errors", "common.backoff"),
        ],
    ),
    (
        "Record",
        [
            ("Outbox", "outbox", "events.outboxevent"),
            ("Audit trail", "history", "events.auditentry"),
        ],
    ),
    (
        "Staff",
        [
            ("Users", "person", "auth.user"),
            ("Groups", "groups", "auth.group"),
        ],
    ),
]
"""Title of the group, then (title, icon, model) of each entry."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """What this operator may see; a group without entries is left out."""
    groups: list[dict[str, Any]] = [
        {
            "items": [
                {"title": "Overview", "icon": "space_dashboard", "link": reverse("admin:index")}
            ]
        }
    ]
    for title, entries in GROUPS:
        items = [
            {"title": name, "icon": icon, "link": _list(model)}
            for name, icon, model in entries
            if request.user.has_perm(_view_permission(model))
        ]
        if items:
            groups.append({"title": title, "items": items})
    return groups


def _view_permission(model: str) -> str:
    app, _, name = model.partition(".")
    return f"{app}.view_{name}"


def _list(model: str) -> str:
    return reverse(f"admin:{model.replace('.', '_')}_changelist")
