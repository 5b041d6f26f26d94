"""Refunds of lines are refused, repeated and recovered without ending a line twice."""

from copy import deepcopy
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Checkout, Payment, Refund
from billing.operations import law_checks
from tests.billing.payments.line_refunds import Drain, allowed, line_of, refund, sell, show
from tests.billing.tenant import Json, Tenant
from tests.prepared_world import PreparedWorld


@pytest.fixture(scope="module")
def prepared_cart(prepared_world: PreparedWorld, prepared_line_prices: dict[str, Json]) -> Json:
    return sell(prepared_world.tenant, prepared_line_prices.values())


@pytest.fixture
def paid_cart(prepared_cart: Json) -> Json:
    """A cart of both prices, paid with one payment."""
    return deepcopy(prepared_cart)


@pytest.mark.parametrize(
    "body",
    [
        {"lines": []},
        {"lines": [{}]},
        {"lines": [{"line": "chkl_1"}]},
        {"lines": [{"line": "ours", "quantity": 0}]},
        {"lines": [{"line": "ours", "amount": -1}]},
        {"lines": [{"line": "ours", "amount": 2**62}]},
        {"lines": [{"line": "ours", "quantity": 1, "amount": 100}]},
        {"lines": [{"line": "ours"}, {"line": "ours"}]},
        {"lines": [{"line": "ours", "price": "price_1"}]},
        {"lines": [{"line": "ours"}], "amount": 5999},
        {"lines": [{"line": "ours"}], "metadata": {f"key{n}": "1" for n in range(49)}},
        {"lines": "ours"},
    ],
)
def test_malformed_lines_are_refused(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json, body: dict[str, Any]
) -> None:
    for each in body["lines"] if isinstance(body["lines"], list) else ():
        if each.get("line") == "ours":
            each["line"] = line_of(paid_cart, line_prices["export"])
    refused = tenant.api.post(f"/payments/{paid_cart['payment']}/refunds", body)
    assert refused.status_code == 422, refused.content
    assert tenant.at_stripe("refund") == []
    assert Refund.objects.across_projects().count() == 0


def test_lines_of_other_payments_are_refused(
    tenant: Tenant, neighbour: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    """Of another payment, of another project, of nobody: all answered alike."""
    product = neighbour.product("Theirs")
    foreign = neighbour.sell(neighbour.price(product, amount=6000, interval=None), "alice")
    other = sell(tenant, [line_prices["export"]])
    nobody = paid_cart["lines"][0]["id"][:-4] + "zzzz"
    ids = [foreign["lines"][0]["id"], other["lines"][0]["id"], nobody]
    answers = [refund(tenant, paid_cart, {"line": line}) for line in ids]
    assert [each.status_code for each in answers] == [422, 422, 422]
    bodies = {str({**each.json(), "request_id": "", "instance": ""}) for each in answers}
    assert len(bodies) == 1
    assert tenant.at_stripe("refund") == []


def test_refunds_never_exceed_the_price_of_a_line(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    line = line_of(paid_cart, line_prices["import"])
    refused = refund(tenant, paid_cart, {"line": line, "amount": 4001})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")
    assert (refused.json()["line"], refused.json()["refundable"]["amount"]) == (line, 4000)
    assert refund(tenant, paid_cart, {"line": line, "quantity": 2}).status_code == 409
    assert refund(tenant, paid_cart, {"line": line}).status_code == 201
    again = refund(tenant, paid_cart, {"line": line})
    assert (again.status_code, again.json()["refundable"]["amount"]) == (409, 0)
    assert sum(each["amount"] for each in tenant.at_stripe("refund")) == 4000


def test_the_same_key_makes_one_refund(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    line = line_of(paid_cart, line_prices["import"])
    first, second = (refund(tenant, paid_cart, {"line": line}, key="r-1") for _ in range(2))
    assert (first.status_code, first.json()) == (201, second.json())
    assert len(tenant.at_stripe("refund")) == 1


@pytest.mark.parametrize("fault", ["error_after", "timeout_after", "reset_after"])
def test_a_refund_with_a_lost_answer_keeps_its_lines(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json, fault: str
) -> None:
    tenant.stripe.fail(fault, method="POST", path="/v1/refunds", times=3)
    response = refund(tenant, paid_cart, {"line": line_of(paid_cart, line_prices["import"])})
    assert response.status_code == 201, response.content
    assert len(tenant.at_stripe("refund")) == 1
    assert allowed(tenant) == {"export"}


def test_the_lines_of_a_lost_refund_row_are_read_from_stripe(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    """As after a restore of the database: the refund's metadata names them."""
    line = line_of(paid_cart, line_prices["import"])
    body = refund(tenant, paid_cart, {"line": line, "quantity": 1}, metadata={"ticket": "7"}).json()
    Refund.objects.across_projects().all().delete()
    Payment.objects.across_projects().update(refunded_lines={}, amount_refunded=0, status="paid")
    response_body = tenant.api.post(f"/payments/{paid_cart['payment']}/sync").json()
    (shown_refund,) = response_body["refunds"]
    assert (shown_refund["lines"], shown_refund["metadata"]) == (body["lines"], {"ticket": "7"})
    assert allowed(tenant) == {"export"}


@pytest.mark.parametrize(
    "written", ["{}:4000,{}:1", "{}:4000:x", "chkl_1:4000", "{}:-4000", "{}:3999", ",", "{}"]
)
def test_foreign_metadata_names_no_line(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json, written: str
) -> None:
    name = line_of(paid_cart, line_prices["import"]).removeprefix("chkl_")
    stripe_id = tenant.api.get(f"/payments/{paid_cart['payment']}").json()["stripe_id"]
    tenant.stripe.v1.refunds.create(
        {
            "payment_intent": stripe_id,
            "amount": 4000,
            "metadata": {"tollgate_lines": written.format(name, name)},
        }
    )
    body = tenant.api.post(f"/payments/{paid_cart['payment']}/sync").json()
    assert [each["lines"] for each in body["refunds"]] == [[]]
    assert allowed(tenant) == {"export", "import"}


def test_a_refund_that_fails_later_restores_its_line(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json, drain: Drain
) -> None:
    line = line_of(paid_cart, line_prices["import"])
    body = refund(tenant, paid_cart, {"line": line}).json()
    assert allowed(tenant) == {"export"}
    tenant.stripe.bounce(body["stripe_id"])
    drain()
    assert allowed(tenant) == {"export", "import"}
    assert show(tenant, paid_cart)[line] == (4000, 0)
    assert refund(tenant, paid_cart, {"line": line}).status_code == 201
    assert allowed(tenant) == {"export"}


def test_a_checkout_without_stored_lines_is_read_again(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    """Until then nobody has written down what its lines came to."""
    Checkout.objects.across_projects().update(line_totals=[])
    body = tenant.api.get(f"/checkout/{paid_cart['id']}").json()
    assert [each["total"] for each in body["lines"]] == [None, None]
    assert (
        refund(tenant, paid_cart, {"line": line_of(paid_cart, line_prices["import"])}).status_code
        == 201
    )
    assert allowed(tenant) == {"export"}


def test_the_law_checks_hold_after_line_refunds(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    """Reconciliation finds that facts follow from mirrors."""
    refund(tenant, paid_cart, {"line": line_of(paid_cart, line_prices["import"])})
    for law in ("purchase facts", "subscription facts", "credit ledger"):
        page = law_checks.check_page(law, after="", at=timezone.now(), repair=False)
        assert page.violations == [], law
