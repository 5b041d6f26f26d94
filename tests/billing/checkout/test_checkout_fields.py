"""``/checkout`` handles discounts, taxes, trials and free pages, and detects the type."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Coupon, PromotionCode, StripeAccount
from projects.models import Project
from tests.billing.tenant import HOME, Json, Tenant, order
from tests.billing_fixtures import Clock

Drain = Callable[[], None]


@pytest.fixture
def coupon(tenant: Tenant, project: Project, account: StripeAccount) -> Callable[..., Coupon]:
    def make(**fields: Any) -> Coupon:
        body: Any = {"percent_off": 25, "duration": "once", **fields}
        new_coupon = tenant.stripe.v1.coupons.create(body)
        return Coupon.objects.for_project(project).create(
            account=account, stripe_id=new_coupon.id, **body
        )

    return make


@pytest.fixture
def code(tenant: Tenant, project: Project) -> Callable[..., PromotionCode]:
    def make(coupon: Coupon, text: str = "SPRING", **fields: Any) -> PromotionCode:
        promotion: Any = {"type": "coupon", "coupon": str(coupon.stripe_id)}
        promotion_code = tenant.stripe.v1.promotion_codes.create(
            {"promotion": promotion, "code": text}
        )
        return PromotionCode.objects.for_project(project).create(
            account=coupon.account, coupon=coupon, stripe_id=promotion_code.id, code=text, **fields
        )

    return make


def session(tenant: Tenant) -> Json:
    """The newest page at Stripe."""
    return tenant.at_stripe("checkout.session")[-1]


def refusal(tenant: Tenant, body: Json) -> tuple[int, str]:
    """Status and code, once it is certain that nothing was opened."""
    before = len(tenant.at_stripe("checkout.session"))
    answer = tenant.api.post("/checkout", body)
    assert len(tenant.at_stripe("checkout.session")) == before
    return answer.status_code, answer.json()["code"]


def test_a_discount_by_code_by_id_or_by_coupon(
    tenant: Tenant, coupon: Callable[..., Coupon], code: Callable[..., PromotionCode]
) -> None:
    price = tenant.price(interval=None, amount=1001)
    new_coupon = coupon()
    promo = code(new_coupon)
    for fields, shown in (
        ({"promotion_code": "spring"}, {"promotion_code": promo.pk, "coupon": None}),
        ({"promotion_code": promo.pk}, {"promotion_code": promo.pk, "coupon": None}),
        ({"coupon": new_coupon.pk}, {"promotion_code": None, "coupon": new_coupon.pk}),
    ):
        checkout = tenant.open(price, **fields)
        assert {name: checkout[name] for name in shown} == shown
        amounts = [checkout[name]["amount"] for name in ("subtotal", "discount", "tax", "total")]
        assert amounts == [1001, 250, 0, 751]
        assert sum(amounts[:1]) - amounts[1] + amounts[2] == amounts[3]
    assert tenant.pay(checkout).status == "complete"
    assert tenant.sync(checkout)["total"] == {"amount": 751, "currency": "usd"}


@pytest.mark.parametrize(
    ("on_coupon", "on_code"),
    [
        ({"valid": False}, {}),
        ({"redeem_by": "2020-01-01T00:00Z"}, {}),
        ({"max_redemptions": 3, "times_redeemed": 3}, {}),
        ({"deleted_at": "2020-01-01T00:00Z"}, {}),
        ({"product_stripe_ids": ["prod_other"]}, {}),
        ({"percent_off": None, "amount_off": 100, "currency": "eur"}, {}),
        ({}, {"active": False}),
        ({}, {"expires_at": "2020-01-01T00:00Z"}),
        ({}, {"max_redemptions": 1, "times_redeemed": 1}),
        ({}, {"minimum_amount": 2901, "minimum_amount_currency": "usd"}),
        ({}, {"minimum_amount": 1, "minimum_amount_currency": "eur"}),
    ],
)
def test_a_discount_that_cannot_be_used(
    tenant: Tenant,
    coupon: Callable[..., Coupon],
    code: Callable[..., PromotionCode],
    on_coupon: Json,
    on_code: Json,
) -> None:
    price, new_coupon = tenant.price(), coupon()
    promo = code(new_coupon)
    Coupon.objects.across_projects().update(**on_coupon or {"name": "x"})
    PromotionCode.objects.across_projects().update(**on_code or {"metadata": {}})
    wrong = (409, "discount-refused")
    assert refusal(tenant, order(price, promotion_code=promo.code)) == wrong
    if on_coupon:
        assert refusal(tenant, order(price, coupon=new_coupon.pk)) == wrong


def test_an_unknown_discount_is_refused(
    tenant: Tenant, neighbour: Tenant, coupon: Callable[..., Coupon],
    code: Callable[..., PromotionCode],
) -> None:  # fmt: skip
    price, new_coupon = tenant.price(), coupon()
    promo = code(new_coupon)
    for fields in (
        {"coupon": f"cpn_{'0' * 26}"},
        {"coupon": new_coupon.stripe_id},
        {"promotion_code": "AUTUMN"},
        {"promotion_code": promo.code, "coupon": new_coupon.pk},
        {"promotion_code": promo.code, "allow_promotion_codes": True},
        {"coupon": new_coupon.pk, "allow_promotion_codes": True},
    ):
        assert refusal(tenant, order(price, **fields)) == (422, "invalid"), fields
    neighbours_price = neighbour.price()
    for fields in (
        {"coupon": new_coupon.pk},
        {"promotion_code": promo.pk},
        {"promotion_code": "SPRING"},
    ):
        assert refusal(neighbour, order(neighbours_price, **fields)) == (422, "invalid")


def test_another_users_promotion_code_is_refused(
    tenant: Tenant, coupon: Callable[..., Coupon], code: Callable[..., PromotionCode]
) -> None:
    price = tenant.price()
    promo = code(coupon())
    tenant.api.post("/customers", {"user_id": "bob"})
    bob = tenant.api.get("/customers/bob").json()["id"]
    PromotionCode.objects.across_projects().update(customer_id=bob)
    assert refusal(tenant, order(price, promotion_code="SPRING")) == (409, "discount-refused")
    assert tenant.open(price, "bob", promotion_code="SPRING")["promotion_code"] == promo.pk


def test_a_request_can_override_the_projects_tax_setting(tenant: Tenant, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(automatic_tax=True)
    price = tenant.price(interval=None)
    checkout = tenant.open(price)
    assert (checkout["automatic_tax"], checkout["tax_id_collection"]) == (True, True)
    sent = session(tenant)
    assert sent["automatic_tax"]["enabled"] is True
    assert sent["tax_id_collection"]["enabled"] is True
    checkout = tenant.open(price, automatic_tax=False, tax_id_collection=False)
    assert (checkout["automatic_tax"], checkout["tax_id_collection"]) == (False, False)


def test_a_trial_without_a_card(tenant: Tenant, project: Project, drain: Drain) -> None:
    tenant.feature(project, "sso")
    price = tenant.price(tenant.product(features=[{"feature": "sso"}]))
    checkout = tenant.open(
        price, trial_period_days=14, trial_without_card=True, trial_end_behavior="pause"
    )
    assert (checkout["trial_without_card"], checkout["trial_end_behavior"]) == (True, "pause")
    assert (checkout["total"]["amount"], checkout["payment_status"]) == (0, "no_payment_required")
    assert session(tenant)["payment_method_collection"] == "if_required"
    assert tenant.pay(checkout, card=None).status == "complete"
    done = tenant.sync(checkout)
    (decision,) = done["entitlements"]
    assert (decision["allowed"], decision["reason"]) == (True, "trial")
    (subscription,) = tenant.at_stripe("subscription")
    ends = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    assert (ends, done["subscription_stripe_id"]) == ("pause", subscription["id"])
    assert done["subscription"] == tenant.api.get("/subscriptions").json()["data"][0]["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"trial_without_card": True},
        {"trial_end_behavior": "pause"},
        {"trial_period_days": 7, "trial_end_behavior": "stop"},
        {"expires_in": 1799},
        {"expires_in": 86401},
        {"automatic_tax": "yes"},
    ],
)
def test_malformed_fields_are_refused(tenant: Tenant, change: Json) -> None:
    assert refusal(tenant, order(tenant.price(), **change)) == (422, "invalid")


def test_a_free_page_asks_for_no_card(
    tenant: Tenant, coupon: Callable[..., Coupon], drain: Drain
) -> None:
    free = tenant.price(tenant.product("Free"), amount=0)
    item = tenant.price(tenant.product("Gift"), amount=0, interval=None)
    new_coupon = coupon(percent_off=100, duration="forever")
    for price, fields in ((free, {}), (item, {}), (tenant.price(), {"coupon": new_coupon.pk})):
        checkout = tenant.open(price, **fields)
        assert (checkout["total"]["amount"], checkout["payment_status"]) == (
            0,
            "no_payment_required",
        )
        assert tenant.pay(checkout, card=None).status == "complete"
        assert tenant.sync(checkout)["status"] == "complete"
    once = tenant.open(tenant.price(tenant.product("B")), coupon=coupon(percent_off=100).pk)
    assert session(tenant)["payment_method_collection"] == "always"  # the renewal costs something
    assert once["total"]["amount"] == 0


def test_a_card_is_kept_when_asked_for(tenant: Tenant) -> None:
    checkout = tenant.open(tenant.price(interval=None), save_payment_method=True)
    assert checkout["save_payment_method"] is True
    tenant.pay(checkout)
    (intent,) = tenant.at_stripe("payment_intent")
    assert intent["setup_future_usage"] == "off_session"


@pytest.mark.parametrize(
    ("expires_in", "kept"), [(None, 86_400), (86_400, 86_400), (7200, 7200), (1800, 1920)]
)
def test_how_long_a_page_stays_open(
    tenant: Tenant, clock: Clock, expires_in: int | None, kept: int
) -> None:
    fields: Json = {"expires_in": expires_in} if expires_in else {}
    tenant.open(tenant.price(), **fields)
    assert session(tenant)["expires_at"] - int(clock.now.timestamp()) == kept


def test_the_type_is_detected_and_explained(tenant: Tenant, project: Project) -> None:
    product = tenant.product()
    monthly, once = tenant.price(product), tenant.price(product, interval=None)
    both = {"lines": [{"price": monthly["id"]}, {"price": once["id"]}], "price": None}

    def detected_type(path: str, sells: list[str], sold: Json, **body: Any) -> Any:
        Project.objects.filter(pk=project.pk).update(sells=sells)
        request_body = {
            name: value for name, value in {**order(sold), **body}.items() if value is not None
        }
        answer = tenant.api.post(path, request_body)
        checkout_type = answer.json().get("detected")
        return (
            (checkout_type["type"], checkout_type["because"])
            if checkout_type
            else answer.json()["code"]
        )

    every, only = ["subscription", "item", "cart"], " The project sells that in carts only."
    recurring, one_time = "Every price is recurring.", "No price is recurring."
    together = "Recurring and one-time prices are sold together."
    for path in ("/checkout", "/checkout/session"):
        assert detected_type(path, every, monthly) == ("subscription", recurring)
        assert detected_type(path, every, once) == ("item", one_time)
        assert detected_type(path, every, monthly, **both) == ("cart", together)
        assert detected_type(path, ["cart"], monthly) == ("cart", recurring + only)
        assert detected_type(path, ["cart"], once) == ("cart", one_time + only)
        assert detected_type(path, ["item"], monthly) == "type-not-sold"
        assert detected_type(path, ["subscription", "item"], monthly, **both) == "ambiguous-order"
    cart = tenant.cart(once)
    Project.objects.filter(pk=project.pk).update(sells=every)
    for named in ({}, {"cart": cart["id"], "price": once["id"]}):
        body = {"user_id": "alice", "success_url": HOME, **named}
        answer = tenant.api.post("/checkout", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "ambiguous-order")
    response_body = tenant.api.post("/checkout", {"cart": cart["id"], "success_url": HOME}).json()
    assert response_body["detected"] == {"type": "cart", "because": "The request names a cart."}
    assert tenant.api.post("/checkout/item", order(once)).json()["detected"] is None
