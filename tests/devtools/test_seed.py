"""The demo project sells four plans, one free and one by agreement."""

from collections.abc import Callable

from django.utils import timezone

from billing.models import Price, Product
from devtools import seed
from events.models import AuditEntry
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of

THANKS = "http://localhost:3000/thanks"


def test_the_demo_sells_four_plans(stripe: SandboxStripe, drain: Callable[[], None]) -> None:
    for _ in range(2):  # the second time there is nothing to do
        project = seed.demo_project(at=timezone.now())
        seed.define_features(project=project, at=timezone.now())
        list(seed.offer(project=project, at=timezone.now()))
    assert Product.objects.for_project(project).count() == 5
    assert Price.objects.for_project(project).count() == 4
    tenant = Tenant(ApiClient(key_of(project)), stripe)

    plans = tenant.api.get("/plans").json()["data"]
    shown = {
        plan["name"]: (
            plan["custom_price"],
            [price["unit_amount"]["amount"] for price in plan["prices"]],
            [
                next(each["value"] for each in plan["features"] if each["feature"] == code)
                for code in ("agents", "messages", "users")
            ],
        )
        for plan in plans
    }
    assert shown == {
        "Free": (False, [0], [1, 1_000, 1]),
        "Starter": (False, [2900], [5, 10_000, 3]),
        "Professional": (False, [9900], [25, 100_000, 10]),
        "Enterprise": (True, [], [None, None, None]),
    }

    (free,) = next(plan["prices"] for plan in plans if plan["name"] == "Free")
    checkout = tenant.open(free, success_url=THANKS)
    [session] = tenant.at_stripe("checkout.session")
    assert session["payment_method_collection"] == "if_required"
    assert tenant.pay(checkout, card=None).status == "complete"
    done = tenant.sync(checkout)
    drain()
    limits = {each["feature"]: each["limit"] for each in done["entitlements"]}
    assert (limits["agents"], limits["messages"], limits["users"]) == (1, 1_000, 1)
    assert tenant.at_stripe("payment_method") == []


def test_a_price_by_agreement_is_not_listed(api: ApiClient, stripe: SandboxStripe) -> None:
    tenant = Tenant(api, stripe)
    product = tenant.product("Enterprise", custom_price=True)
    price = tenant.price(product, 123_456)
    [plan] = tenant.api.get("/plans").json()["data"]
    assert (plan["custom_price"], plan["prices"]) == (True, [])
    assert tenant.sell(price)["status"] == "complete", "the tenant's own back end may sell it"
    path = f"/products/{product['id']}"
    assert tenant.api.patch(path, {"custom_price": False}).json()["custom_price"] is False
    [plan] = tenant.api.get("/plans").json()["data"]
    assert [each["id"] for each in plan["prices"]] == [price["id"]]
    assert tenant.api.patch(path, {"custom_price": 1}).status_code == 422
    entry = AuditEntry.objects.get(action="product.change")
    assert (entry.before, entry.after) == ({"custom_price": True}, {"custom_price": False})
