"""A refund that names lines ends the access of those lines only."""

from projects.models import Project
from tests.billing.payments.line_refunds import Drain, allowed, line_of, refund, sell, show
from tests.billing.tenant import Json, Tenant


def test_refunding_a_line_ends_its_access_only(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json, drain: Drain
) -> None:
    drain()
    assert allowed(tenant) == {"export", "import"}
    line, other = (
        line_of(paid_cart, line_prices["import"]),
        line_of(paid_cart, line_prices["export"]),
    )
    response = refund(tenant, paid_cart, {"line": line})
    assert response.status_code == 201, response.content
    assert response.json()["amount"]["amount"] == 4000
    assert response.json()["lines"] == [
        {"line": line, "quantity": 1, "amount": {"amount": 4000, "currency": "usd"}}
    ]
    assert allowed(tenant) == {"export"}
    assert show(tenant, paid_cart) == {other: (6000, 0), line: (4000, 4000)}
    body = tenant.api.get(f"/payments/{paid_cart['payment']}").json()
    assert body["status"] == "partially_refunded"
    assert body["refunded_lines"] == [{"line": line, "amount": {"amount": 4000, "currency": "usd"}}]
    assert body["refunds"] == [response.json()]
    drain()
    assert allowed(tenant) == {"export"}, "the webhooks say the same"
    rest = refund(tenant, paid_cart)
    assert rest.json()["amount"]["amount"] == 6000
    assert allowed(tenant) == set()


def test_a_refund_without_lines_counts_for_the_whole_payment(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    """The price of one line, given back without naming it, ends nothing; nor in the dashboard."""
    assert refund(tenant, paid_cart, amount=4000).json()["lines"] == []
    assert allowed(tenant) == {"export", "import"}
    stripe_id = tenant.api.get(f"/payments/{paid_cart['payment']}").json()["stripe_id"]
    tenant.stripe.v1.refunds.create({"payment_intent": stripe_id, "amount": 5000})
    tenant.api.post(f"/payments/{paid_cart['payment']}/sync")
    assert allowed(tenant) == {"export", "import"}
    last = refund(
        tenant, paid_cart, {"line": line_of(paid_cart, line_prices["import"]), "amount": 1000}
    )
    assert last.status_code == 201, last.content
    assert allowed(tenant) == set(), "all the money is back"


def test_a_partial_refund_of_a_line_ends_nothing(
    tenant: Tenant, line_prices: dict[str, Json], paid_cart: Json
) -> None:
    line = line_of(paid_cart, line_prices["export"])
    assert refund(tenant, paid_cart, {"line": line, "amount": 1000}).status_code == 201
    assert allowed(tenant) == {"export", "import"}
    rest = refund(tenant, paid_cart, {"line": line})
    assert rest.json()["amount"]["amount"] == 5000, "the line in whole is what is left of it"
    assert allowed(tenant) == {"import"}


def test_units_of_a_line(tenant: Tenant, line_prices: dict[str, Json]) -> None:
    """Units share the price of their line: the last one takes what rounding has left."""
    tenant.api.post("/coupons", {"name": "Odd", "amount_off": {"amount": 100, "currency": "usd"}})
    paid_cart = sell(tenant, [line_prices["export"]], quantity=3)
    line = line_of(paid_cart, line_prices["export"])
    amounts = []
    for _ in range(3):
        response = refund(tenant, paid_cart, {"line": line, "quantity": 1})
        amounts.append(response.json()["amount"]["amount"])
    assert amounts == [6000, 6000, 6000]
    assert allowed(tenant) == set()
    refused = refund(tenant, paid_cart, {"line": line, "quantity": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")


def test_a_discount_is_divided_as_stripe_divided_it(
    tenant: Tenant, line_prices: dict[str, Json]
) -> None:
    coupon = tenant.api.post("/coupons", {"name": "Third", "percent_off": "33.33"}).json()
    paid_cart = sell(tenant, line_prices.values(), coupon=coupon["id"])
    shown_row = show(tenant, paid_cart)
    assert sum(total for total, _ in shown_row.values()) == paid_cart["total"]["amount"] < 10000
    line = line_of(paid_cart, line_prices["export"])
    response = refund(tenant, paid_cart, {"line": line})
    assert response.json()["amount"]["amount"] == shown_row[line][0]
    assert allowed(tenant) == {"import"}
    refund(tenant, paid_cart, {"line": line_of(paid_cart, line_prices["import"])})
    paid = tenant.api.get(f"/payments/{paid_cart['payment']}").json()
    assert (paid["status"], paid["amount_refunded"]) == ("refunded", paid["amount_received"])


def test_a_line_beside_a_subscription(
    tenant: Tenant, project: Project, line_prices: dict[str, Json], drain: Drain
) -> None:
    """Each of them can be given back without the other."""
    tenant.feature(project, "sso")
    product = tenant.product("Pro", features=[{"feature": "sso"}], refund_policy="proportional")
    monthly = tenant.price(product, amount=2000)
    paid_cart = sell(tenant, [monthly, line_prices["export"], line_prices["import"]])
    drain()
    assert allowed(tenant) == {"sso", "export", "import"}
    paid_cart = tenant.api.get(f"/checkout/{paid_cart['id']}").json()
    assert (
        refund(tenant, paid_cart, {"line": line_of(paid_cart, line_prices["export"])}).status_code
        == 201
    )
    assert allowed(tenant) == {"sso", "import"}
    assert refund(tenant, paid_cart, {"line": line_of(paid_cart, monthly)}).status_code == 201
    assert allowed(tenant) == {"import"}
    drain()
    assert allowed(tenant) == {"import"}


def test_credits_follow_their_line(tenant: Tenant, line_prices: dict[str, Json]) -> None:
    credits = tenant.product("Credits", credits={"amount": 50})
    pack = tenant.price(credits, amount=1000, interval=None)
    paid_cart = sell(tenant, [pack, line_prices["export"]])
    balance = lambda: tenant.api.get("/credits/alice").json()["balance"]  # noqa: E731
    assert balance() == 50
    refund(tenant, paid_cart, {"line": line_of(paid_cart, line_prices["export"])})
    assert balance() == 50
    refund(tenant, paid_cart, {"line": line_of(paid_cart, pack)})
    assert balance() == 0
