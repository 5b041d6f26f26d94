"""The demo project sells four plans, one free and one by agreement."""

from collections.abc import Callable

from django.utils import timezone

from billing.models import Checkout, Price, Product, Refund, Subscription
from devtools import seed, seed_world
from entitlements.models import CreditGrant
from events.models import AuditEntry
from projects.models import App, Customer
from sandbox import buyer
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


def test_a_filled_project_has_something_on_every_page(
    stripe: SandboxStripe, drain: Callable[[], None]
) -> None:
    """A second run finds everything in place."""

    def pay(page: Checkout, card: str) -> None:
        buyer.pay(stripe.world, page.stripe_id or "", card=card)

    for _ in range(2):
        now = timezone.now()
        projects = [seed.demo_project(number=number, at=now) for number in (1, 2)]
        for project in projects:
            seed.define_features(project=project, at=now)
            list(seed.offer(project=project, at=now))
            seed_world.add_apps(project=project, at=now)
            users = list(seed_world.fill(project=project, pay=pay, at=now))
            drain()
            assert users == list(seed_world.USERS)
    assert [(one.slug, one.name) for one in projects] == [("demo", "Demo"), ("demo-2", "Atlas")]
    for project in projects:
        assert App.objects.for_project(project).count() == 3
        assert Customer.objects.for_project(project).count() == len(seed_world.USERS)
        ends = {
            each.customer.user_id: each.cancel_at is not None
            for each in Subscription.objects.for_project(project).filter(status="active")
        }
        assert ends == {
            "ada": False, "alan": False, "donald": False, "edsger": True, "grace": False,
        }  # fmt: skip
        assert Checkout.objects.for_project(project).filter(status="open").count() == 1
        assert Refund.objects.for_project(project).get().amount == 4_900
        api = ApiClient(key_of(project))
        check = "/entitlements/check"
        assert api.get(f"{check}?user_id=alan&feature=messages").json()["remaining"] == 0
        assert api.get(f"{check}?user_id=grace&feature=messages").json()["used"] == 99_500
        assert api.get(f"{check}?user_id=dennis&feature=priority_support").json()["allowed"]
        assert not api.get(f"{check}?user_id=barbara&feature=export").json()["allowed"]
        assert not api.get(f"{check}?user_id=margaret&feature=agents").json()["allowed"]
        assert CreditGrant.objects.for_project(project).get().amount == seed_world.CREDITS


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
