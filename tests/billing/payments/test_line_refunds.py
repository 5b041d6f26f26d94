"""A refund that names lines ends the access of those lines only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from billing.models import Checkout, Payment, Refund
from billing.operations import law_checks
from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Json, Tenant
from tests.factories.projects import key_of

Drain = Callable[[], None]


@pytest.fixture
def prices(tenant: Tenant, project: Project) -> dict[str, Json]:
    """Two features, each sold once: 60 and 40 dollars."""
    found = {}
    for code, amount in (("export", 6000), ("import", 4000)):
        tenant.feature(project, code)
        product = tenant.product(code.title(), features=[{"feature": code}])
        found[code] = tenant.price(product, amount=amount, interval=None)
    return found


@pytest.fixture
def paid_cart(tenant: Tenant, prices: dict[str, Json]) -> Json:
    """A cart of both, paid with one payment."""
    return sell(tenant, prices.values())


def sell(tenant: Tenant, prices: Any, quantity: int = 1, **body: Any) -> Json:
    lines = [{"price": price["id"], "quantity": quantity} for price in prices]
    made = tenant.api.post("/carts", {"user_id": "alice", "lines": lines})
    assert made.status_code == 201, made.content
    page = tenant.open_cart(made.json(), **body)
    assert tenant.pay(page).status == "complete"
    return tenant.sync(page)


def line_of(paid_cart: Json, price: Json) -> str:
    (line,) = [each for each in paid_cart["lines"] if each["price"] == price["id"]]
    return str(line["id"])


def refund(tenant: Tenant, paid_cart: Json, *lines: Json, key: str = "", **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    if lines:
        body["lines"] = list(lines)
    return tenant.api.post(f"/payments/{paid_cart['payment']}/refunds", body, headers=headers)


def allowed(tenant: Tenant) -> set[str]:
    found = tenant.api.get("/entitlements", query={"user_id": "alice"}).json()
    return {each["feature"] for each in found["entitlements"] if each["allowed"]}


def show(tenant: Tenant, paid_cart: Json) -> dict[str, tuple[int, int]]:
    """What each line cost and how much of that went back."""
    lines = tenant.api.get(f"/checkout/{paid_cart['id']}").json()["lines"]
    return {each["id"]: (each["total"]["amount"], each["refunded"]["amount"]) for each in lines}


def test_refunding_a_line_ends_its_access_only(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json, drain: Drain
) -> None:
    drain()
    assert allowed(tenant) == {"export", "import"}
    line, other = line_of(paid_cart, prices["import"]), line_of(paid_cart, prices["export"])
    made = refund(tenant, paid_cart, {"line": line})
    assert made.status_code == 201, made.content
    assert made.json()["amount"]["amount"] == 4000
    assert made.json()["lines"] == [
        {"line": line, "quantity": 1, "amount": {"amount": 4000, "currency": "usd"}}
    ]
    assert allowed(tenant) == {"export"}
    assert show(tenant, paid_cart) == {other: (6000, 0), line: (4000, 4000)}
    shown = tenant.api.get(f"/payments/{paid_cart['payment']}").json()
    assert shown["status"] == "partially_refunded"
    assert shown["refunded_lines"] == [
        {"line": line, "amount": {"amount": 4000, "currency": "usd"}}
    ]
    assert shown["refunds"] == [made.json()]
    drain()
    assert allowed(tenant) == {"export"}, "the webhooks say the same"
    rest = refund(tenant, paid_cart)
    assert rest.json()["amount"]["amount"] == 6000
    assert allowed(tenant) == set()


def test_a_refund_without_lines_counts_for_the_whole_payment(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    """The price of one line, given back without naming it, ends nothing; nor in the dashboard."""
    assert refund(tenant, paid_cart, amount=4000).json()["lines"] == []
    assert allowed(tenant) == {"export", "import"}
    stripe_id = tenant.api.get(f"/payments/{paid_cart['payment']}").json()["stripe_id"]
    tenant.stripe.v1.refunds.create({"payment_intent": stripe_id, "amount": 5000})
    tenant.api.post(f"/payments/{paid_cart['payment']}/sync")
    assert allowed(tenant) == {"export", "import"}
    last = refund(tenant, paid_cart, {"line": line_of(paid_cart, prices["import"]), "amount": 1000})
    assert last.status_code == 201, last.content
    assert allowed(tenant) == set(), "all the money is back"


def test_a_partial_refund_of_a_line_ends_nothing(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    line = line_of(paid_cart, prices["export"])
    assert refund(tenant, paid_cart, {"line": line, "amount": 1000}).status_code == 201
    assert allowed(tenant) == {"export", "import"}
    rest = refund(tenant, paid_cart, {"line": line})
    assert rest.json()["amount"]["amount"] == 5000, "the line in whole is what is left of it"
    assert allowed(tenant) == {"import"}


def test_units_of_a_line(tenant: Tenant, prices: dict[str, Json]) -> None:
    """Units share the price of their line: the last one takes what rounding has left."""
    tenant.api.post("/coupons", {"name": "Odd", "amount_off": {"amount": 100, "currency": "usd"}})
    paid_cart = sell(tenant, [prices["export"]], quantity=3)
    line = line_of(paid_cart, prices["export"])
    amounts = []
    for _ in range(3):
        made = refund(tenant, paid_cart, {"line": line, "quantity": 1})
        amounts.append(made.json()["amount"]["amount"])
    assert amounts == [6000, 6000, 6000]
    assert allowed(tenant) == set()
    refused = refund(tenant, paid_cart, {"line": line, "quantity": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")


def test_a_discount_is_divided_as_stripe_divided_it(
    tenant: Tenant, prices: dict[str, Json]
) -> None:
    coupon = tenant.api.post("/coupons", {"name": "Third", "percent_off": "33.33"}).json()
    paid_cart = sell(tenant, prices.values(), coupon=coupon["id"])
    shown = show(tenant, paid_cart)
    assert sum(total for total, _ in shown.values()) == paid_cart["total"]["amount"] < 10000
    line = line_of(paid_cart, prices["export"])
    made = refund(tenant, paid_cart, {"line": line})
    assert made.json()["amount"]["amount"] == shown[line][0]
    assert allowed(tenant) == {"import"}
    refund(tenant, paid_cart, {"line": line_of(paid_cart, prices["import"])})
    paid = tenant.api.get(f"/payments/{paid_cart['payment']}").json()
    assert (paid["status"], paid["amount_refunded"]) == ("refunded", paid["amount_received"])


def test_a_line_beside_a_subscription(
    tenant: Tenant, project: Project, prices: dict[str, Json], drain: Drain
) -> None:
    """Each of them can be given back without the other."""
    tenant.feature(project, "sso")
    product = tenant.product("Pro", features=[{"feature": "sso"}], refund_policy="proportional")
    monthly = tenant.price(product, amount=2000)
    paid_cart = sell(tenant, [monthly, prices["export"], prices["import"]])
    drain()
    assert allowed(tenant) == {"sso", "export", "import"}
    paid_cart = tenant.api.get(f"/checkout/{paid_cart['id']}").json()
    assert (
        refund(tenant, paid_cart, {"line": line_of(paid_cart, prices["export"])}).status_code == 201
    )
    assert allowed(tenant) == {"sso", "import"}
    assert refund(tenant, paid_cart, {"line": line_of(paid_cart, monthly)}).status_code == 201
    assert allowed(tenant) == {"import"}
    drain()
    assert allowed(tenant) == {"import"}


def test_credits_follow_their_line(tenant: Tenant, prices: dict[str, Json]) -> None:
    credits = tenant.product("Credits", credits={"amount": 50})
    pack = tenant.price(credits, amount=1000, interval=None)
    paid_cart = sell(tenant, [pack, prices["export"]])
    balance = lambda: tenant.api.get("/credits/alice").json()["balance"]  # noqa: E731
    assert balance() == 50
    refund(tenant, paid_cart, {"line": line_of(paid_cart, prices["export"])})
    assert balance() == 50
    refund(tenant, paid_cart, {"line": line_of(paid_cart, pack)})
    assert balance() == 0


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
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json, body: dict[str, Any]
) -> None:
    for each in body["lines"] if isinstance(body["lines"], list) else ():
        if each.get("line") == "ours":
            each["line"] = line_of(paid_cart, prices["export"])
    refused = tenant.api.post(f"/payments/{paid_cart['payment']}/refunds", body)
    assert refused.status_code == 422, refused.content
    assert tenant.at_stripe("refund") == []
    assert Refund.objects.across_projects().count() == 0


def test_lines_of_other_payments_are_refused(
    tenant: Tenant, neighbour: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    """Of another payment, of another project, of nobody: all answered alike."""
    product = neighbour.product("Theirs")
    foreign = neighbour.sell(neighbour.price(product, amount=6000, interval=None), "alice")
    other = sell(tenant, [prices["export"]])
    nobody = paid_cart["lines"][0]["id"][:-4] + "zzzz"
    ids = [foreign["lines"][0]["id"], other["lines"][0]["id"], nobody]
    answers = [refund(tenant, paid_cart, {"line": line}) for line in ids]
    assert [each.status_code for each in answers] == [422, 422, 422]
    bodies = {str({**each.json(), "request_id": "", "instance": ""}) for each in answers}
    assert len(bodies) == 1
    assert tenant.at_stripe("refund") == []


def test_refunds_never_exceed_the_price_of_a_line(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    line = line_of(paid_cart, prices["import"])
    refused = refund(tenant, paid_cart, {"line": line, "amount": 4001})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")
    assert (refused.json()["line"], refused.json()["refundable"]["amount"]) == (line, 4000)
    assert refund(tenant, paid_cart, {"line": line, "quantity": 2}).status_code == 409
    assert refund(tenant, paid_cart, {"line": line}).status_code == 201
    again = refund(tenant, paid_cart, {"line": line})
    assert (again.status_code, again.json()["refundable"]["amount"]) == (409, 0)
    assert sum(each["amount"] for each in tenant.at_stripe("refund")) == 4000


def test_the_same_key_makes_one_refund(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    line = line_of(paid_cart, prices["import"])
    first, second = (refund(tenant, paid_cart, {"line": line}, key="r-1") for _ in range(2))
    assert (first.status_code, first.json()) == (201, second.json())
    assert len(tenant.at_stripe("refund")) == 1


@pytest.mark.parametrize("fault", ["error_after", "timeout_after", "reset_after"])
def test_a_refund_with_a_lost_answer_keeps_its_lines(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json, fault: str
) -> None:
    tenant.stripe.fail(fault, method="POST", path="/v1/refunds", times=3)
    made = refund(tenant, paid_cart, {"line": line_of(paid_cart, prices["import"])})
    assert made.status_code == 201, made.content
    assert len(tenant.at_stripe("refund")) == 1
    assert allowed(tenant) == {"export"}


def test_the_lines_of_a_lost_refund_row_are_read_from_stripe(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    """As after a restore of the database: the refund's metadata names them."""
    line = line_of(paid_cart, prices["import"])
    made = refund(tenant, paid_cart, {"line": line, "quantity": 1}, metadata={"ticket": "7"}).json()
    Refund.objects.across_projects().all().delete()
    Payment.objects.across_projects().update(refunded_lines={}, amount_refunded=0, status="paid")
    shown = tenant.api.post(f"/payments/{paid_cart['payment']}/sync").json()
    (found,) = shown["refunds"]
    assert (found["lines"], found["metadata"]) == (made["lines"], {"ticket": "7"})
    assert allowed(tenant) == {"export"}


@pytest.mark.parametrize(
    "written", ["{}:4000,{}:1", "{}:4000:x", "chkl_1:4000", "{}:-4000", "{}:3999", ",", "{}"]
)
def test_foreign_metadata_names_no_line(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json, written: str
) -> None:
    name = line_of(paid_cart, prices["import"]).removeprefix("chkl_")
    stripe_id = tenant.api.get(f"/payments/{paid_cart['payment']}").json()["stripe_id"]
    tenant.stripe.v1.refunds.create(
        {
            "payment_intent": stripe_id,
            "amount": 4000,
            "metadata": {"tollgate_lines": written.format(name, name)},
        }
    )
    shown = tenant.api.post(f"/payments/{paid_cart['payment']}/sync").json()
    assert [each["lines"] for each in shown["refunds"]] == [[]]
    assert allowed(tenant) == {"export", "import"}


def test_a_refund_that_fails_later_restores_its_line(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json, drain: Drain
) -> None:
    line = line_of(paid_cart, prices["import"])
    made = refund(tenant, paid_cart, {"line": line}).json()
    assert allowed(tenant) == {"export"}
    tenant.stripe.bounce(made["stripe_id"])
    drain()
    assert allowed(tenant) == {"export", "import"}
    assert show(tenant, paid_cart)[line] == (4000, 0)
    assert refund(tenant, paid_cart, {"line": line}).status_code == 201
    assert allowed(tenant) == {"export"}


def test_a_checkout_without_stored_lines_is_read_again(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    """Until then nobody has written down what its lines came to."""
    Checkout.objects.across_projects().update(line_totals=[])
    shown = tenant.api.get(f"/checkout/{paid_cart['id']}").json()
    assert [each["total"] for each in shown["lines"]] == [None, None]
    assert (
        refund(tenant, paid_cart, {"line": line_of(paid_cart, prices["import"])}).status_code == 201
    )
    assert allowed(tenant) == {"export"}


def test_the_law_checks_hold_after_line_refunds(
    tenant: Tenant, prices: dict[str, Json], paid_cart: Json
) -> None:
    """Reconciliation finds that facts follow from mirrors."""
    refund(tenant, paid_cart, {"line": line_of(paid_cart, prices["import"])})
    for law in ("purchase facts", "subscription facts", "credit ledger"):
        page = law_checks.check_page(law, after="", at=timezone.now(), repair=False)
        assert page.violations == [], law


@pytest.mark.django_db(transaction=True)
def test_two_parallel_refunds_refund_a_line_once(
    tenant: Tenant, project: Project, prices: dict[str, Json], paid_cart: Json
) -> None:
    line, secret = line_of(paid_cart, prices["import"]), key_of(project)

    def ask(number: int) -> int:
        other = Tenant(ApiClient(secret), tenant.stripe)
        try:
            return int(refund(other, paid_cart, {"line": line}, key=f"r-{number}").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert sorted(answers) == [201, 409, 409, 409, 409, 409]
    assert [each["amount"] for each in tenant.at_stripe("refund")] == [4000]
    assert show(tenant, paid_cart)[line] == (4000, 4000)
    assert allowed(tenant) == {"export"}
