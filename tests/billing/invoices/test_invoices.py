"""``/invoices`` shows what Stripe billed."""

from collections.abc import Callable

from projects.models import Project
from tests.billing.tenant import Tenant


def test_the_first_invoice_of_a_subscription(
    tenant: Tenant, neighbour: Tenant, project: Project, drain: Callable[[], None]
) -> None:
    price = tenant.price()
    tenant.sell(price, quantity=2)
    drain()
    (at_stripe,) = tenant.at_stripe("invoice")
    (subscription,) = tenant.api.get("/subscriptions").json()["data"]
    (shown,) = tenant.api.get("/invoices").json()["data"]
    assert (shown["status"], shown["billing_reason"]) == ("paid", "subscription_create")
    assert shown["subscription"] == subscription["id"]
    assert shown["total"] == shown["amount_paid"] == {"amount": 5800, "currency": "usd"}
    assert (shown["stripe_id"], shown["number"]) == (at_stripe["id"], at_stripe["number"])
    (line,) = shown["lines"]
    assert (line["price"], line["quantity"]) == (price["id"], 2)
    assert line["amount"] == {"amount": 5800, "currency": "usd"}
    path = f"/invoices/{shown['id']}"
    assert tenant.api.get(path).json() == shown
    for query in ({"user_id": "alice"}, {"subscription": subscription["id"]}, {"status": "paid"}):
        assert tenant.api.get("/invoices", query=query).json()["data"] == [shown]
    assert tenant.api.get("/invoices", query={"status": "void"}).json()["data"] == []
    assert neighbour.api.get(path).status_code == 404
    assert neighbour.api.get("/invoices").json()["data"] == []
