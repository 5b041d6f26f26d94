"""Discounts in a Stripe account shared by several projects apply in their own project only."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.catalog import coupon_coverage
from billing.models import Coupon, PromotionCode, StripeAccount
from billing.operations import reconciliation
from projects.models import Project
from sandbox import accounts, buyer
from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant, order
from tests.billing_fixtures import Clock
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

Drain = Callable[[], None]
OWN = "sk_test_own_account"
FREE: Json = {"percent_off": "100", "duration": "forever"}


def coupon(tenant: Tenant, **body: Any) -> Json:
    response = tenant.api.post("/coupons", {**FREE, **body})
    assert response.status_code == 201, response.content
    return dict(response.json())


def code(tenant: Tenant, of: Json, text: str, **body: Any) -> Json:
    response = tenant.api.post("/promotion-codes", {"coupon": of["id"], "code": text, **body})
    assert response.status_code == 201, response.content
    return dict(response.json())


def stripe_products(tenant: Tenant) -> list[str]:
    return [str(each["stripe_id"]) for each in tenant.api.get("/products").json()["data"]]


def products_at_stripe(tenant: Tenant, stripe_id: str) -> set[str]:
    expanded = tenant.stripe.v1.coupons.retrieve(stripe_id, {"expand": ["applies_to"]})
    assert expanded.applies_to is not None
    return set(expanded.applies_to.products)


def test_a_neighbours_code_cannot_be_typed(tenant: Tenant, neighbour: Tenant) -> None:
    neighbour.product("Theirs")
    code(neighbour, coupon(neighbour), "FREE")
    price = tenant.price()
    refused = tenant.api.post("/checkout", order(price, allow_promotion_codes=True))
    assert (refused.status_code, refused.json()["code"]) == (409, "typed-codes-not-offered")
    assert tenant.at_stripe("checkout.session") == []
    page = tenant.open(price)
    with pytest.raises(Exception, match="does not take promotion codes"):
        buyer.pay(tenant.stripe.world, page["url"], promotion_code="FREE")
    refused = tenant.api.post("/checkout", order(price, "bob", promotion_code="FREE"))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


def test_the_shared_accounts_portal_takes_no_promotion_codes(tenant: Tenant) -> None:
    tenant.sell(tenant.price())
    assert tenant.api.post("/portal", {"user_id": "alice"}).status_code == 201
    [configuration] = tenant.at_stripe("billing_portal.configuration")
    update = configuration["features"]["subscription_update"]
    assert update["default_allowed_updates"] == ["price", "quantity"]


def test_a_coupon_is_for_the_projects_own_products(tenant: Tenant, neighbour: Tenant) -> None:
    """Also one for all of them: at Stripe it names them, and the neighbour's are left alone."""
    neighbours_price = neighbour.price()
    tenant.product("Basic"), tenant.product("Pro")
    new_coupon = coupon(tenant)
    assert new_coupon["products"] == []
    assert products_at_stripe(tenant, new_coupon["stripe_id"]) == set(stripe_products(tenant))
    page = neighbour.stripe.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": neighbours_price["stripe_id"], "quantity": 1}],
            "discounts": [{"coupon": new_coupon["stripe_id"]}],
            "success_url": "https://app.example.com",
        }
    )
    assert (page.amount_subtotal, page.amount_total) == (2900, 2900)


def test_a_coupon_without_any_product_is_not_made(tenant: Tenant) -> None:
    refused = tenant.api.post("/coupons", FREE)
    assert (refused.status_code, refused.json()["code"]) == (409, "product-required")
    assert tenant.at_stripe("coupon") == []
    assert tenant.api.get("/coupons").json()["data"] == []


def test_the_same_text_is_free_for_every_project(tenant: Tenant, neighbour: Tenant) -> None:
    """Nobody learns of a neighbour's code, nobody keeps a text from others."""
    for each in (tenant, neighbour):
        each.product()
        promotion_code = code(each, coupon(each), "SPRING")
        assert promotion_code["code"] == "SPRING"
        assert each.api.get("/promotion-codes?code=SPRING").json()["data"] == [promotion_code]
        again = {"coupon": promotion_code["coupon"], "code": "spring"}
        clash = each.api.post("/promotion-codes", again)
        assert (clash.status_code, clash.json()["code"]) == (409, "promotion-code-exists")
    texts = {each["code"] for each in tenant.at_stripe("promotion_code")}
    assert len(texts) == 2
    assert all("-SPRING-" in text for text in texts)


def test_a_coupon_for_all_products_is_recreated_when_a_product_is_added(
    tenant: Tenant, drain: Drain, clock: Clock, account: StripeAccount
) -> None:
    """Stripe cannot change what a coupon applies to: another one takes its place, under our id."""
    old = tenant.price(tenant.product("Old"), interval=None)
    new_coupon = coupon(tenant, percent_off="50", duration="once")
    promo = code(tenant, new_coupon, "HALF")
    assert tenant.sell(old, "ada", promotion_code="half")["total"]["amount"] == 1450
    new = tenant.price(tenant.product("New"), 1000, interval=None)
    assert tenant.sell(new, "bob", promotion_code="half")["total"]["amount"] == 500
    assert tenant.sell(new, "eve", coupon=new_coupon["id"])["total"]["amount"] == 500
    drain()
    body = tenant.api.get(f"/coupons/{new_coupon['id']}").json()
    assert body["stripe_id"] != new_coupon["stripe_id"]
    assert {**body, "stripe_id": new_coupon["stripe_id"]} == {**new_coupon, "times_redeemed": 3}
    assert products_at_stripe(tenant, body["stripe_id"]) == set(stripe_products(tenant))
    listed = tenant.api.get("/promotion-codes").json()["data"]
    assert [(each["id"], each["code"], each["times_redeemed"]) for each in listed] == [
        (promo["id"], "HALF", 2)
    ]
    assert [each["id"] for each in tenant.api.get("/coupons").json()["data"]] == [new_coupon["id"]]
    assert len(tenant.at_stripe("coupon")) == 2
    assert list(reconciliation.compare(account=account, at=clock.now)) == []
    tenant.api.delete(f"/coupons/{new_coupon['id']}")
    drain()
    assert [each for each in tenant.at_stripe("coupon") if not each.get("deleted")] == []
    assert tenant.api.get(f"/promotion-codes/{promo['id']}").json()["active"] is False
    assert list(reconciliation.compare(account=account, at=clock.now)) == []


@pytest.mark.parametrize("limited", ["coupon", "code"])
def test_a_redemption_limit_counts_old_and_new_codes_together(
    tenant: Tenant, drain: Drain, limited: str
) -> None:
    """What was used of the earlier one is taken off the new one, and the earlier one closes."""
    old = tenant.price(tenant.product("Old"), interval=None)
    two = {"max_redemptions": 2}
    new_coupon = coupon(tenant, duration="once", **(two if limited == "coupon" else {}))
    promo = code(tenant, new_coupon, "TWICE", **(two if limited == "code" else {}))
    tenant.sell(old, "ada", promotion_code="TWICE")
    new = tenant.price(tenant.product("New"), interval=None)
    page = tenant.open(new, "bob", promotion_code="TWICE")
    [earlier] = PromotionCode.objects.across_projects().filter(original=promo["id"])
    assert tenant.stripe.v1.promotion_codes.retrieve(str(earlier.stripe_id)).active is False
    assert tenant.pay(page, card=None).status == "complete"
    tenant.sync(page)
    drain()
    again = tenant.api.post("/checkout", order(old, "eve", promotion_code="TWICE"))
    assert (again.status_code, again.json()["code"]) == (409, "discount-refused")
    path = "coupons" if limited == "coupon" else "promotion-codes"
    id = new_coupon["id"] if limited == "coupon" else promo["id"]
    body = tenant.api.get(f"/{path}/{id}").json()
    assert (body["max_redemptions"], body["times_redeemed"]) == (2, 2)


@pytest.mark.parametrize("path", ["/v1/coupons", "/v1/promotion_codes"])
@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_a_coupon_is_recreated_once_although_stripe_fails(
    tenant: Tenant, path: str, fault: str
) -> None:
    tenant.product("Old")
    code(tenant, coupon(tenant), "HALF")
    body = order(tenant.price(tenant.product("New")), promotion_code="HALF")
    tenant.stripe.fail(fault, method="POST", path=path, times=3)
    assert tenant.api.post("/checkout", body).status_code == 503
    assert tenant.api.post("/checkout", body).status_code == 201
    assert len(tenant.at_stripe("coupon")) == len(tenant.at_stripe("promotion_code")) == 2
    [page] = tenant.at_stripe("checkout.session")
    assert page["amount_total"] == 0


def test_a_forever_discount_applies_to_a_later_product(
    tenant: Tenant, shop: Shop, clock: Clock, drain: Drain
) -> None:
    ada = Subscriber(tenant, shop, clock, "ada")
    price = tenant.price(tenant.product("Old"), 4000)
    new_coupon = coupon(tenant, percent_off="25")
    ada.subscribe(price)
    ada.change(price, discounts=[new_coupon["id"]])
    better = tenant.price(tenant.product("New"), 8000)
    seen = ada.preview(price, price=better["id"])
    changed = ada.change(price, price=better["id"])
    assert seen["bill"]["next_invoice"] == changed["bill"]["next_invoice"]
    assert changed["bill"]["next_invoice"]["amount_due"]["amount"] == 6000
    assert [each["coupon"] for each in changed["discounts"]] == [new_coupon["id"]]
    cheaper = tenant.price(tenant.product("Small"), 400)
    seen = ada.preview(better, price=cheaper["id"])
    ada.change(better, price=cheaper["id"])
    assert seen["bill"]["next_invoice"]["amount_due"]["amount"] == 300
    clock.advance(days=31)
    drain()
    assert tenant.at_stripe("invoice")[-1]["total"] == 300


def test_a_coupon_for_the_whole_account_is_replaced_by_a_limited_one(
    tenant: Tenant, project: Project, account: StripeAccount, clock: Clock, drain: Drain
) -> None:
    """One that holds in every shop of the account makes way for one of the project's products."""
    price = tenant.price(interval=None)
    wide = tenant.stripe.v1.coupons.create({"percent_off": 50})
    typed = tenant.stripe.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": wide.id}, "code": "HALF"}
    )
    rows = Coupon.objects.for_project(project)
    row = rows.create(account=account, stripe_id=wide.id, percent_off=50, duration="once")
    promo = PromotionCode.objects.for_project(project).create(
        account=account, coupon=row, stripe_id=typed.id, code="HALF"
    )
    assert coupon_coverage.confine_due(at=clock.now) == 1
    drain()
    body = tenant.api.get(f"/coupons/{row.pk}").json()
    assert (body["products"], body["valid"]) == ([], True)
    assert products_at_stripe(tenant, body["stripe_id"]) == set(stripe_products(tenant))
    left = [each["id"] for each in tenant.at_stripe("coupon") if not each.get("deleted")]
    assert left == [body["stripe_id"]]
    assert tenant.api.get(f"/promotion-codes/{promo.pk}").json()["active"] is True
    assert tenant.sell(price, promotion_code="half")["total"]["amount"] == 1450
    drain()
    assert coupon_coverage.confine_due(at=clock.now) == 0
    assert list(reconciliation.compare(account=account, at=clock.now)) == []


def test_a_project_with_its_own_account_lets_buyers_type_codes(
    tenant: Tenant, project: Project, stripe: SandboxStripe
) -> None:
    accounts.open_account(stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key=OWN)
    path = f"/projects/{project.pk}/stripe-account"
    assert tenant.api.post(path, {"secret_key": OWN}).status_code == 201
    new_coupon = coupon(tenant)
    code(tenant, new_coupon, "FREE")
    own = SandboxStripe(stripe.world, OWN)
    [promo] = own.v1.promotion_codes.list().data
    assert promo.code == "FREE"
    assert getattr(own.v1.coupons.retrieve(new_coupon["stripe_id"]), "applies_to", None) is None
    page = tenant.open(tenant.price(interval=None), allow_promotion_codes=True)
    assert tenant.pay(page, promotion_code="FREE", card=None).status == "complete"
    assert tenant.sync(page)["total"]["amount"] == 0
    tenant.sell(tenant.price(), "bob")
    assert tenant.api.post("/portal", {"user_id": "bob"}).status_code == 201
    [portal] = own.v1.billing_portal.configurations.list().data
    assert "promotion_code" in portal.features.subscription_update.default_allowed_updates
