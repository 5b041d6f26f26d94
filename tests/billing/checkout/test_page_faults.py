"""A page is opened once, whatever happens to the requests to Stripe that open it."""

import pytest

from billing.models import Checkout, StripeCustomer
from tests.billing.tenant import Json, Tenant, order
from tests.billing.test_stripe_faults import AFTER_ALL_TRIES, FAULTS, create_until_done
from tests.prepared_world import PreparedWorld
from tests.sandbox_stripe import Clock


@pytest.fixture(scope="module")
def prepared_price(prepared_world: PreparedWorld) -> Json:
    return prepared_world.tenant.price()


@pytest.fixture
def price(prepared_price: Json) -> Json:
    return dict(prepared_price)


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/checkout/sessions"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_checkout_is_opened_once(
    tenant: Tenant, clock: Clock, price: Json, fault: str, path: str
) -> None:
    tenant.stripe.fail(fault, path=path, times=AFTER_ALL_TRIES)
    body = create_until_done(lambda: tenant.api.post("/checkout", order(price)), clock).json()
    (session,) = tenant.at_stripe("checkout.session")
    (customer,) = tenant.at_stripe("customer")
    assert (body["stripe_id"], body["url"]) == (session["id"], session["url"])
    assert session["customer"] == customer["id"]
    assert Checkout.objects.across_projects().count() == 1
    assert StripeCustomer.objects.across_projects().get().stripe_id == customer["id"]


def test_a_refused_request_leaves_nothing_behind(tenant: Tenant, price: Json) -> None:
    tenant.stripe.v1.products.update(tenant.at_stripe("product")[0]["id"], {"active": False})
    refused = tenant.api.post("/checkout", order(price))
    assert (refused.status_code, refused.json()["code"]) == (409, "stripe-refused")
    assert not Checkout.objects.across_projects().exists()


def test_a_forgotten_key_is_not_sent_again(tenant: Tenant, clock: Clock, price: Json) -> None:
    """A customer that was made while the answer got lost is found again after days."""
    tenant.stripe.fail("timeout_after", path="/v1/customers", times=AFTER_ALL_TRIES)
    tenant.api.post("/checkout", order(price))
    (customer,) = tenant.at_stripe("customer")
    clock.advance(days=3)
    tenant.open(price)
    assert [each["id"] for each in tenant.at_stripe("customer")] == [customer["id"]]


@pytest.mark.parametrize("trouble", ["rate_limit", "unavailable", "page"])
def test_a_single_failure_within_a_request_is_retried(
    tenant: Tenant, price: Json, trouble: str
) -> None:
    for path in ("/v1/customers", "/v1/checkout/sessions"):
        if trouble == "rate_limit":
            tenant.stripe.fail(trouble, path=path)
        else:
            body = (
                '{"error": {"type": "api_error"}}' if trouble == "unavailable" else "<h1>503</h1>"
            )
            tenant.stripe.fail("malformed_before", path=path, status=503, body=body)
    assert tenant.api.post("/checkout", order(price)).status_code == 201
    assert not tenant.stripe.world.faults.describe()


@pytest.mark.parametrize("member", ["id", "object", "url", "expires_at", "status"])
def test_a_page_whose_answer_is_malformed_is_opened_once(
    tenant: Tenant, price: Json, member: str
) -> None:
    tenant.stripe.fail(
        "malformed_after", path="/v1/checkout/sessions", without=[member], times=AFTER_ALL_TRIES
    )
    headers = {"Idempotency-Key": "order-1"}
    refused = tenant.api.post("/checkout", order(price), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "stripe-unavailable")
    assert refused.headers["Retry-After"]
    assert not Checkout.objects.across_projects().get().stripe_id
    tenant.stripe.world.faults.clear()
    response = tenant.api.post("/checkout", order(price), headers=headers)
    assert response.status_code == 201
    (session,) = tenant.at_stripe("checkout.session")
    assert (response.json()["stripe_id"], response.json()["url"]) == (session["id"], session["url"])
