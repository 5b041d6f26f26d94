"""Create a tenant over HTTP with one row for everything that a route can name."""

import re
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from common.ids import new_id
from delivery.inbound import signing_secrets
from delivery.models import Notification
from entitlements.models import Grant
from events.log import sequencer
from projects.models import ApiKey, Customer, Project
from tests.api_client import ApiClient
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import AppFactory, key_of

Words = dict[str, str]
"""What the ``{words}`` of the routes stand for."""

PREFIXES = {
    "project_id": "prj",
    "key_id": "key",
    "app_id": "app",
    "grant_id": "grant",
    "credits": "cgr",
    "product": "prod",
    "rollout": "rol",
    "price": "price",
    "once": "price",
    "addon": "price",
    "coupon": "cpn",
    "promo": "promo",
    "cart": "cart",
    "cart_line": "crtl",
    "checkout": "chk",
    "payment": "pay",
    "unpaid": "pay",
    "invoice": "inv",
    "refund": "ref",
    "dispute": "dsp",
    "reservation": "res",
    "spare": "res",
    "record": "use",
    "event": "evt",
    "hook": "whe",
    "delivery": "whd",
    "replay": "whr",
    "check": "wck",
    "message": "ntf",
    "reconciliation": "rec",
    "inbound_secret": "ins",
}
"""Words that are ids of ours; the others are the tenant's own."""


def words_of(project: Project, stripe: SandboxStripe, drain: Callable[[], None]) -> Words:
    """One of everything, all of this project."""
    tenant = Tenant(ApiClient(key_of(project)), stripe)
    feature = tenant.feature(project, code=f"sso-{project.slug}")
    user_id = f"ada-of-{project.slug}"
    product = tenant.product("Pro", features=[{"feature": feature.code, "value": True}])
    monthly = tenant.price(product)
    once = tenant.price(product, amount=9900, interval=None)
    coupon = tenant.api.post("/coupons", {"percent_off": "25"}).json()
    checkout = tenant.sell(monthly, user_id)
    tenant.sell(once, f"{user_id}-too")
    contested = tenant.api.get(f"/payments/{tenant.sell(once, f'{user_id}-three')['payment']}")
    given_back = tenant.api.post(f"/payments/{contested.json()['id']}/refunds", {"amount": 100})
    stripe.dispute(contested.json()["stripe_id"])
    tenant.api.post(
        "/admin/grant",
        {"user_id": user_id, "feature": feature.code, "reason": f"Goodwill of {project.slug}."},
    )
    credits = tenant.api.post(
        f"/credits/{user_id}/grant", {"amount": 100, "reason": f"Goodwill of {project.slug}."}
    )
    drain()
    app = AppFactory.create(project=project)
    key_of(project, scopes=["keys:read"])
    key = ApiKey.objects.for_project(project).latest("id")
    cart = tenant.cart(once, user_id=user_id)
    methods = tenant.api.get(f"/customers/{user_id}/payment-methods")
    meter = tenant.meter(f"bytes-{project.slug}")
    used = {"user_id": user_id, "meter": meter["code"], "value": 5}
    amount = {"user_id": user_id, "amount": {"amount": 500, "currency": "usd"}}
    assert checkout["status"] == "complete"
    sequencer.run()
    allowance, held = f"calls-{project.slug}", _reserve_twice(tenant, project, user_id)
    secret, _ = signing_secrets.rotate(project=project, actor="command", at=timezone.now())
    return {
        "project_id": project.pk,
        "inbound_secret": secret.pk,
        "key_id": key.pk,
        "app_id": app.pk,
        "user_id": user_id,
        "newcomer": f"new-to-{project.slug}",
        "code": feature.code,
        "credits": credits.json()["grant"]["id"],
        "grant_id": Grant.objects.for_project(project).latest("id").pk,
        "product": product["id"],
        "rollout": _start_rollout(tenant, product),
        "price": monthly["id"],
        "once": once["id"],
        "addon": tenant.price(tenant.product("Seats"))["id"],
        "coupon": coupon["id"],
        "promo": tenant.api.post("/promotion-codes", {"coupon": coupon["id"]}).json()["id"],
        "cart": cart["id"],
        "cart_line": cart["lines"][0]["id"],
        "checkout": tenant.open(monthly, f"{user_id}-again")["id"],
        "payment": tenant.api.get("/payments", query={"status": "paid"}).json()["data"][0]["id"],
        "refund": given_back.json()["id"],
        "meter": meter["code"],
        "record": tenant.api.post("/usage", used).json()["id"],
        "dispute": tenant.api.get("/disputes").json()["data"][0]["id"],
        "unpaid": tenant.api.post("/payments", amount).json()["id"],
        "method": methods.json()["data"][0]["id"],
        "metered": allowance,
        "reservation": held[0],
        "spare": held[1],
        "invoice": tenant.api.get("/invoices").json()["data"][0]["id"],
        "event": tenant.api.get("/events").json()["data"][0]["id"],
        "reconciliation": tenant.api.post("/admin/reconcile", {"reason": "A test."}).json()["id"],
        "message": _plan_message(project, user_id),
        **_open_endpoint(tenant, project),
    }


def _plan_message(project: Project, user_id: str) -> str:
    """A message to the user that waits to be sent."""
    at = timezone.now()
    customer = Customer.objects.for_project(project).get(user_id=user_id)
    row = Notification.objects.for_project(project).create(
        source=new_id("evt"),
        kind="credits_low",
        recipient=customer.pk,
        subject=customer.pk,
        channel="mail",
        due_at=at,
        useless_at=at,
        created_at=at,
    )
    return str(row.pk)


def _open_endpoint(tenant: Tenant, project: Project) -> Words:
    """An endpoint with a delivery, a replay that is running, and a check that is planned."""
    hook = tenant.api.post("/webhook-endpoints", {"url": "https://hook.example.com/"}).json()["id"]
    path = f"/webhook-endpoints/{hook}"
    return {
        "hook": hook,
        "delivery": tenant.api.post(f"{path}/test").json()["id"],
        "replay": tenant.api.post(f"{path}/replays", {"after": 0}).json()["id"],
        "check": tenant.api.post(f"{path}/checks").json()["id"],
    }


def _start_rollout(tenant: Tenant, product: Json) -> str:
    """Change the product's dispute policy; return the rollout to its holders."""
    tenant.api.patch(f"/products/{product['id']}", {"dispute_policy": "keep"})
    return str(tenant.api.get("/rollouts").json()["data"][0]["id"])


def _reserve_twice(tenant: Tenant, project: Project, user_id: str) -> list[str]:
    """Two reservations of a metered feature, which the user has by hand."""
    code = f"calls-{project.slug}"
    meter = {"code": code, "name": "Calls", "aggregation": "sum"}
    feature = {"code": code, "name": "Calls", "kind": "metered", "meter": code, "period": "month"}
    grant = {"user_id": user_id, "feature": code, "value": 10, "reason": "A trial."}
    request = {"user_id": user_id, "feature": code, "expires_in": 86_400}
    for path, body in (("/meters", meter), ("/features", feature), ("/admin/grant", grant)):
        assert tenant.api.post(path, body).status_code == 201
    answers = [tenant.api.post("/entitlements/reserve", request).json() for _ in range(2)]
    return [answer["reservation"]["id"] for answer in answers]


def unknown_words() -> Words:
    """Words of the same shape that stand for nothing."""
    unknown_ids = {word: new_id(prefix) for word, prefix in PREFIXES.items()}
    unknown_names = {"user_id": "nobody", "newcomer": "nobody-yet", "code": "sso-of-nobody"}
    unknown_names["metered"] = "calls-of-nobody"
    unknown_names["meter"] = "bytes-of-nobody"
    return {**unknown_ids, **unknown_names, "method": "pm_of_nobody"}


def fill(template: Any, words: Words) -> Any:
    """The template with its words put in."""
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], template)
    if isinstance(template, dict):
        return {key: fill(value, words) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, words) for value in template]
    return template
