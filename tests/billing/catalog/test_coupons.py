"""``/coupons`` and ``/promotion-codes`` create, change and refuse discounts at Stripe and here."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Coupon, PromotionCode, StripeAccount
from billing.operations import reconciliation
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant, order
from tests.billing_fixtures import Clock
from tests.shop import Shop

Drain = Callable[[], None]
QUARTER: Json = {"name": "Spring", "percent_off": "25", "duration": "forever"}


def coupon(tenant: Tenant, **body: Any) -> Json:
    response = tenant.api.post("/coupons", {**QUARTER, **body})
    assert response.status_code == 201, response.content
    return dict(response.json())


def code(tenant: Tenant, of: Json, **body: Any) -> Json:
    response = tenant.api.post("/promotion-codes", {"coupon": of["id"], **body})
    assert response.status_code == 201, response.content
    return dict(response.json())


def test_a_coupon_is_made_renamed_and_deleted(
    tenant: Tenant, drain: Drain, clock: Clock, account: StripeAccount
) -> None:
    product = tenant.product()
    new_coupon = coupon(
        tenant,
        products=[product["id"]],
        max_redemptions=5,
        redeem_by="2038-01-19T03:14:07Z",
        metadata={"team": "7"},
    )
    assert (new_coupon["percent_off"], new_coupon["amount_off"], new_coupon["valid"]) == (
        "25.00",
        None,
        True,
    )
    assert (new_coupon["products"], new_coupon["metadata"]) == ([product["id"]], {"team": "7"})
    (at_stripe,) = tenant.at_stripe("coupon")
    assert (at_stripe["id"], at_stripe["redeem_by"]) == (new_coupon["stripe_id"], 2**31 - 1)
    assert at_stripe["metadata"]["tollgate_id"] == new_coupon["id"]
    path = f"/coupons/{new_coupon['id']}"
    renamed = tenant.api.patch(path, {"name": "Summer", "metadata": {"year": "26"}}).json()
    assert (renamed["name"], renamed["metadata"]) == ("Summer", {"year": "26"})
    assert tenant.api.get(path).json() == renamed
    assert tenant.api.get("/coupons?valid=true").json()["data"] == [renamed]
    promo = code(tenant, new_coupon, code="SUMMER26")
    assert tenant.api.delete(path).status_code == 204
    drain()
    gone = (
        tenant.api.get(path),
        tenant.api.delete(path),
        tenant.api.post("/promotion-codes", {"coupon": new_coupon["id"]}),
    )
    assert [each.status_code for each in gone] == [404] * 3
    assert tenant.api.get(f"/promotion-codes/{promo['id']}").json()["active"] is False
    assert list(reconciliation.compare(account=account, at=clock.now)) == []


def test_an_amount_in_a_currency_for_some_months(tenant: Tenant) -> None:
    tenant.product()
    body = tenant.api.post(
        "/coupons",
        {
            "amount_off": {"amount": 500, "currency": "eur"},
            "duration": "repeating",
            "duration_in_months": 3,
        },
    ).json()
    assert body["amount_off"] == {"amount": 500, "currency": "eur"}
    assert (body["duration_in_months"], body["percent_off"]) == (3, None)
    assert body["redeem_by"] is None


def test_a_promotion_code_is_made_closed_and_opened(tenant: Tenant, drain: Drain) -> None:
    tenant.product()
    of = coupon(tenant)
    promo = code(
        tenant,
        of,
        code="ADA-ONLY",
        user_id="ada",
        first_time_transaction=True,
        minimum_amount={"amount": 1000, "currency": "usd"},
    )
    assert (promo["code"], promo["user_id"], promo["active"]) == ("ADA-ONLY", "ada", True)
    assert promo["minimum_amount"] == {"amount": 1000, "currency": "usd"}
    path = f"/promotion-codes/{promo['id']}"
    for active in (False, True):
        assert tenant.api.patch(path, {"active": active}).json()["active"] is active
    clash = tenant.api.post("/promotion-codes", {"coupon": of["id"], "code": "ADA-ONLY"})
    assert (clash.status_code, clash.json()["code"]) == (409, "promotion-code-exists")
    unnamed = code(tenant, of)
    assert len(unnamed["code"]) == 8
    body = tenant.api.get(f"/promotion-codes?coupon={of['id']}&code=ADA-ONLY&active=true").json()
    assert [each["id"] for each in body["data"]] == [promo["id"]]


def test_invalid_coupons_are_refused(tenant: Tenant, neighbour: Tenant) -> None:
    product = neighbour.product()
    neighbours_coupon = coupon(neighbour)
    wrong: list[Json] = [
        {},
        {"percent_off": "0"},
        {"percent_off": "100.01"},
        {"percent_off": 12.5},
        {"percent_off": "5", "amount_off": {"amount": 5, "currency": "usd"}},
        {"amount_off": {"amount": 0, "currency": "usd"}},
        {"amount_off": {"amount": 5, "currency": "xxx"}},
        {"percent_off": "5", "duration": "repeating"},
        {"percent_off": "5", "duration_in_months": 3},
        {"percent_off": "5", "redeem_by": "2020-01-01T00:00:00Z"},
        {"percent_off": "5", "products": [product["id"]]},
        {"percent_off": "5", "max_redemptions": 0},
        {"percent_off": "5", "valid": False},
    ]
    for body in wrong:
        refused = tenant.api.post("/coupons", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), body
    assert Coupon.objects.across_projects().count() == 1
    codes: list[tuple[Json, int]] = [
        ({"coupon": neighbours_coupon["id"]}, 404),
        ({"coupon": neighbours_coupon["stripe_id"]}, 422),
        ({"coupon": neighbours_coupon["id"], "code": "not a code"}, 422),
        ({"coupon": neighbours_coupon["id"], "code": "NOT_A_CODE"}, 422),
        ({"coupon": neighbours_coupon["id"], "expires_at": "2020-01-01T00:00:00Z"}, 404),
    ]
    for body, status in codes:
        assert tenant.api.post("/promotion-codes", body).status_code == status, body
    for method in ("get", "delete"):
        answer = getattr(tenant.api, method)(f"/coupons/{neighbours_coupon['id']}")
        assert answer.status_code == 404
    assert not PromotionCode.objects.across_projects().exists()


def test_a_repeated_request_creates_one_coupon(tenant: Tenant) -> None:
    tenant.product()
    key = {"Idempotency-Key": "spring"}
    tenant.stripe.fail("timeout_after", method="POST", path="/v1/coupons", times=3)
    lost = tenant.api.post("/coupons", QUARTER, headers=key)
    assert lost.status_code == 503
    again = tenant.api.post("/coupons", QUARTER, headers=key)
    assert (again.status_code, len(tenant.at_stripe("coupon"))) == (201, 1)
    assert again.json()["stripe_id"] == tenant.at_stripe("coupon")[0]["id"]


def test_a_coupon_from_the_dashboard_of_the_shared_account_is_foreign(
    tenant: Tenant, drain: Drain
) -> None:
    new_coupon = tenant.stripe.v1.coupons.create({"percent_off": 10})
    tenant.stripe.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": new_coupon.id}}
    )
    drain()
    assert tenant.api.get("/coupons").json()["data"] == []
    assert tenant.api.get("/promotion-codes").json()["data"] == []


@pytest.mark.parametrize("by", ["id", "code"])
def test_a_discount_on_a_subscription(
    tenant: Tenant, shop: Shop, clock: Clock, project: Project, drain: Drain, by: str
) -> None:
    ada = Subscriber(tenant, shop, clock, "ada")
    price = tenant.price(amount=4000)
    spring = coupon(tenant)
    promo = code(tenant, spring, code="SPRING")
    ada.subscribe(price)
    drain()
    body: Json = {"discounts": [spring["id"]]} if by == "id" else {"promotion_code": "spring"}
    seen = ada.preview(price, **body)
    changed = ada.change(price, **body)
    assert seen["bill"]["next_invoice"] == changed["bill"]["next_invoice"]
    assert changed["bill"]["next_invoice"]["amount_due"]["amount"] == 3000
    (discount,) = changed["discounts"]
    named = None if by == "id" else promo["id"]
    assert (discount["coupon"], discount["promotion_code"]) == (spring["id"], named)
    drain()
    assert outbox_events.types(project, "subscription.") == [
        "subscription.created",
        "subscription.updated",
    ]
    assert tenant.api.get(f"/coupons/{spring['id']}").json()["times_redeemed"] == 1
    ada.change(price, quantity=1)
    planned = ada.change(price, quantity=2)
    assert planned["discounts"] == changed["discounts"]
    assert ada.change(price, discounts=[])["discounts"] == []
    tenant.api.delete(f"/coupons/{spring['id']}")
    drain()
    assert ada.refused(price, discounts=[spring["id"]]) == (422, "invalid")
    assert ada.refused(price, promotion_code="SPRING") == (422, "invalid")
    assert ada.refused(price, promotion_code=promo["id"]) == (409, "discount-refused")


def test_an_amount_off_is_of_the_subscriptions_currency(
    tenant: Tenant, shop: Shop, clock: Clock
) -> None:
    ada, price = Subscriber(tenant, shop, clock, "ada"), tenant.price(amount=4000)
    before = ada.subscribe(price)
    amount = {"amount": 500, "currency": "eur"}
    euros = tenant.api.post("/coupons", {"amount_off": amount}).json()
    assert ada.refused(price, discounts=[euros["id"]]) == (409, "discount-refused")
    assert ada.refused(price, promotion_code=euros["id"]) == (422, "invalid")
    assert ada.show(price) == before


def test_several_buyers_can_have_codes_with_the_same_text(tenant: Tenant) -> None:
    """Each buyer's code is their own, and goes before one for all that reads the same."""
    once, spring = tenant.price(interval=None), coupon(tenant, duration="once")
    own = {user: code(tenant, spring, code="MINE", user_id=user)["id"] for user in ("ada", "bob")}
    for user in ("ada", "bob"):
        assert tenant.open(once, user, promotion_code="mine")["promotion_code"] == own[user]
    other = tenant.api.post("/checkout", order(once, "carol", promotion_code="MINE"))
    assert (other.status_code, other.json()["code"]) == (409, "discount-refused")


def test_the_query_count_of_lists_is_constant(
    tenant: Tenant, django_assert_num_queries: Any
) -> None:
    product = tenant.product()
    for _ in range(3):
        code(tenant, coupon(tenant, products=[product["id"]]))
    with django_assert_num_queries(4):
        assert len(tenant.api.get("/coupons").json()["data"]) == 3
    with django_assert_num_queries(3):
        assert len(tenant.api.get("/promotion-codes").json()["data"]) == 3
