"""Requests that share a reference while its page opens make one payment."""

from typing import Any

from billing.models import Payment
from projects.models import Project
from tests.billing.checkout.page_calls import AFTER_ALL_TRIES, SESSIONS, once_at
from tests.billing.tenant import HOME, Json, Tenant, order


def take(tenant: Tenant, price: Json, **body: Any) -> Any:
    return tenant.api.post("/payments", order(price, reference="order-1", **body))


def page_amounts(tenant: Tenant) -> list[int]:
    """What the pages at Stripe ask for."""
    return [each["amount_total"] for each in tenant.at_stripe("checkout.session")]


def test_a_reference_with_other_lines_is_refused(tenant: Tenant) -> None:
    cheap, dear = tenant.price(interval=None), tenant.price(amount=500000, interval=None)
    same = tenant.price(interval=None)
    tenant.stripe.fail("timeout_before", method="POST", path=SESSIONS, times=AFTER_ALL_TRIES)
    assert take(tenant, cheap).status_code == 503
    for other in (dear, same):
        answer = take(tenant, other)
        assert (answer.status_code, answer.json()["code"]) == (409, "reference-reused")
        assert answer.json()["differs"] == ["lines"]
    payment = take(tenant, cheap, metadata={"try": "2"})
    assert (payment.status_code, payment.json()["amount"]["amount"]) == (200, 2900)
    assert page_amounts(tenant) == [2900]


def test_a_reference_with_a_changed_cart_is_refused(tenant: Tenant) -> None:
    """The payment comes to what its page asks for."""
    price = tenant.price(interval=None)
    cart = tenant.cart(price)
    body = {"cart": cart["id"], "success_url": HOME, "reference": "order-1"}
    tenant.stripe.fail("timeout_before", method="POST", path="/v1/customers", times=AFTER_ALL_TRIES)
    assert tenant.api.post("/payments", body).status_code == 503
    tenant.api.post(f"/carts/{cart['id']}/items", {"price": price["id"], "quantity": 2})
    response = tenant.api.post("/payments", body)
    assert (response.status_code, response.json()["amount"]["amount"]) == (200, 8700)
    assert page_amounts(tenant) == [8700]


def test_a_parallel_request_does_not_take_over_the_payment(
    tenant: Tenant, project: Project
) -> None:
    """Neither another order nor a refused one takes the payment from who began it."""
    cheap, dear = tenant.price(interval=None), tenant.price(amount=500000, interval=None)

    def others() -> list[str]:
        wrong = take(tenant, cheap, success_url="https://evil.example/")
        return [take(tenant, dear).json()["code"], wrong.json()["code"]]

    with once_at(tenant, SESSIONS, others) as codes:
        payment = take(tenant, cheap)
    assert codes == [["reference-reused", "redirect-not-allowed"]]
    assert (payment.status_code, page_amounts(tenant)) == (201, [2900])
    assert Payment.objects.for_project(project).get().checkout_id == payment.json()["checkout"]


def test_a_payment_row_deleted_by_its_first_request_answers_503(
    tenant: Tenant, project: Project
) -> None:
    """The request that has made the row is refused while a second one goes on with it."""
    price = tenant.price(interval=None)

    def take_it_back() -> None:
        Payment.objects.for_project(project).delete()

    with once_at(tenant, SESSIONS, take_it_back):
        late = take(tenant, price)
    assert (late.status_code, late.json()["code"]) == (503, "checkout-not-ready")
    assert take(tenant, price).status_code == 201
