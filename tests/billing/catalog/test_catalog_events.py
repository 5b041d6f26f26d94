"""Products, prices, coupons and promotion codes: one event per change, whoever made it."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from billing.catalog import product_features
from billing.models import Product, StripeAccount
from billing.sync import service as sync
from projects.models import Customer, Project
from sandbox.world import DEFAULT_SECRET_KEY
from tests.billing import outbox_events
from tests.billing.tenant import Tenant

Drain = Callable[[], None]
Json = dict[str, Any]
NOUNS = ("product.", "price.", "coupon.", "promotion_code.")


def types(project: Project) -> list[str]:
    return outbox_events.types(project, *NOUNS)


def read_again(project: Project, kind: str, stripe_id: str) -> None:
    """Apply Stripe's object once more, as a replayed event does."""
    account = StripeAccount.objects.get()
    sync.now(account=account, kind=kind, stripe_id=stripe_id, at=timezone.now())


def coupon(tenant: Tenant, **body: Any) -> Json:
    answer = tenant.api.post("/coupons", {"percent_off": "12.5", **body})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def code(tenant: Tenant, of: Json, **body: Any) -> Json:
    answer = tenant.api.post("/promotion-codes", {"coupon": of["id"], **body})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def test_a_created_product_has_one_event_with_the_answer_as_data(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    tenant.feature(project, "sso")
    body = {"name": "Pro", "features": [{"feature": "sso"}], "credits": {"amount": 5}}
    answer = tenant.api.post("/products", body, headers={"Idempotency-Key": "once"})
    product = answer.json()
    assert tenant.api.post("/products", body, headers={"Idempotency-Key": "once"}).json() == product
    drain()
    read_again(project, "product", product["stripe_id"])
    (event,) = outbox_events.events(project, *NOUNS)
    assert (event.type, event.subject) == ("product.created", product["id"])
    assert (event.customer_id, event.version, event.previous) == ("", 0, {})
    assert event.data == product


def test_each_change_of_a_product_names_the_old_values(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    tenant.feature(project, "sso")
    product = tenant.product("Pro")
    path = f"/products/{product['id']}"
    for change in (
        {"name": "Pro 2"},
        {"features": [{"feature": "sso"}]},
        {"custom_price": True},
        {"credits": {"amount": 7}},
        {"refund_policy": "keep"},
        {"active": False},
        {"active": True},
    ):
        for _ in range(2):
            answer = tenant.api.patch(path, change)
            assert answer.status_code == 200, answer.content
        drain()
        event = outbox_events.events(project, *NOUNS)[-1]
        assert event.data == answer.json()
        assert event.previous == {name: product[name] for name in change}
        product = answer.json()
    assert types(project) == [
        "product.created",
        *["product.updated"] * 5,
        "product.archived",
        "product.updated",
    ]


def test_changes_in_stripes_dashboard_have_the_same_events(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    price = tenant.price(tenant.product("Pro"))
    product = tenant.api.get(f"/products/{price['product']}").json()
    v1 = tenant.stripe.client(DEFAULT_SECRET_KEY).v1
    v1.products.update(product["stripe_id"], {"name": "Pro 2"})
    v1.prices.update(price["stripe_id"], {"active": False})
    drain()
    drain()
    read_again(project, "price", price["stripe_id"])
    read_again(project, "product", product["stripe_id"])
    created, recorded = types(project)[:2], outbox_events.events(project, *NOUNS)[2:]
    assert created == ["product.created", "price.created"]
    by_type = {event.type: event for event in recorded}
    assert sorted(by_type) == ["price.archived", "product.updated"]
    assert len(recorded) == 2
    assert by_type["product.updated"].previous == {"name": "Pro"}
    assert by_type["price.archived"].previous == {"active": True}
    assert by_type["price.archived"].data == {**price, "active": False}


def test_a_product_deleted_at_stripe_is_archived(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    product = tenant.product("Pro")
    tenant.stripe.client(DEFAULT_SECRET_KEY).v1.products.delete(product["stripe_id"])
    drain()
    read_again(project, "product", product["stripe_id"])
    assert types(project) == ["product.created", "product.archived"]


def test_a_change_that_is_rolled_back_has_no_event(tenant: Tenant, project: Project) -> None:
    feature = tenant.feature(project, "sso")
    row = Product.objects.for_project(project).get(pk=tenant.product("Pro")["id"])
    with transaction.atomic():
        product_features.replace(
            product=row, features=[(feature, True)], actor="test", at=timezone.now()
        )
        transaction.set_rollback(True)
    assert types(project) == ["product.created"]


def test_a_refused_product_has_no_event(tenant: Tenant, project: Project) -> None:
    tenant.stripe.fail("no_permission", method="POST", path="/v1/products", times=1)
    assert tenant.api.post("/products", {"name": "Pro"}).status_code != 201
    assert types(project) == []


def test_a_coupon_and_its_codes(tenant: Tenant, project: Project, drain: Drain) -> None:
    tenant.product("Pro")
    off = coupon(tenant, redeem_by="2100-01-01T00:00:00.5Z")
    everyones = code(tenant, off, code="ALL", expires_at="2099-01-01T00:00:00.5Z")
    hers = code(tenant, off, code="HERS", user_id="alice")
    drain()
    customer = Customer.objects.for_project(project).get(user_id="alice")
    recorded = outbox_events.events(project, "coupon.", "promotion_code.")
    assert [(each.type, each.data) for each in recorded] == [
        ("coupon.created", off),
        ("promotion_code.created", everyones),
        ("promotion_code.created", hers),
    ]
    assert [(each.customer_id, each.version) for each in recorded] == [
        ("", 0),
        ("", 0),
        (customer.pk, customer.version),
    ]


def test_changes_of_a_coupon(tenant: Tenant, project: Project, drain: Drain) -> None:
    tenant.product("Pro")
    off = coupon(tenant)
    everyones, hers = code(tenant, off, code="ALL"), code(tenant, off, code="HERS", user_id="alice")
    before = len(types(project))
    for _ in range(2):
        assert tenant.api.patch(f"/coupons/{off['id']}", {"name": "Ten"}).status_code == 200
        path = f"/promotion-codes/{everyones['id']}"
        assert tenant.api.patch(path, {"active": False}).status_code == 200
    assert tenant.api.delete(f"/coupons/{off['id']}").status_code == 204
    drain()
    recorded = outbox_events.events(project, *NOUNS)[before:]
    assert [(each.type, each.subject, each.previous) for each in recorded] == [
        ("coupon.updated", off["id"], {"name": ""}),
        ("promotion_code.updated", everyones["id"], {"active": True}),
        ("coupon.deleted", off["id"], {"valid": True}),
        ("promotion_code.updated", hers["id"], {"active": True}),
    ]
    assert recorded[2].data == {**off, "name": "Ten", "valid": False}
    assert recorded[3].data == {**hers, "active": False}
    assert recorded[3].customer_id == Customer.objects.for_project(project).get().pk
