"""Whether a finished page is paid shows days later when a bank account pays: events and carts."""

import pytest

from billing.models import StripeAccount
from billing.sync import service as sync
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.checkout.cart_calls import Drain, read_cart
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import Clock

RESULTS = ("checkout.", "checkout_line.")


@pytest.fixture
def euro_cart(tenant: Tenant) -> Json:
    return tenant.cart(*[tenant.price(currency="eur", interval=None) for _ in range(2)])


def versions(project: Project) -> list[tuple[str, int]]:
    return [(row.type, row.version) for row in outbox_events.events(project, *RESULTS)]


def test_a_debit_that_succeeds_pays_the_page_days_later(
    tenant: Tenant, project: Project, euro_cart: Json, clock: Clock, drain: Drain
) -> None:
    page = tenant.open_cart(euro_cart)
    tenant.pay(page, card="pm_sepaDebit_success")
    drain()
    assert outbox_events.types(project, *RESULTS) == ["checkout.completed"]
    clock.advance(days=7)
    drain()
    assert outbox_events.types(project, *RESULTS) == [
        "checkout.completed",
        "checkout.paid",
        *["checkout_line.fulfilled"] * 2,
    ]
    assert outbox_events.changed(project, "checkout.paid").keys() == {"payment_status", "lines"}
    paid = outbox_events.last(project, "checkout.paid")
    assert (paid.data["payment_status"], paid.data["payment_failed_at"]) == ("paid", None)
    lines = outbox_events.events(project, "checkout_line.")
    assert [row.data["id"] for row in lines] == [each["id"] for each in paid.data["lines"]]
    assert all(row.previous == {"fulfilled_at": None} for row in lines)
    assert {version for _, version in versions(project)[1:]} == {paid.version}


def test_a_debit_that_fails_is_an_event_and_frees_the_cart(
    tenant: Tenant, project: Project, euro_cart: Json, clock: Clock, drain: Drain
) -> None:
    page = tenant.open_cart(euro_cart)
    tenant.pay(page, card="pm_sepaDebit_failed")
    drain()
    clock.advance(days=7)
    drain()
    assert outbox_events.types(project, *RESULTS) == [
        "checkout.completed",
        "checkout.payment_failed",
    ]
    failed = outbox_events.last(project, "checkout.payment_failed")
    assert failed.previous == {"payment_failed_at": None}
    body = tenant.api.get(f"/checkout/{page['id']}").json()
    assert body["payment_failed_at"] == failed.data["payment_failed_at"] is not None
    assert read_cart(tenant, euro_cart)["status"] == "open"
    tenant.stripe.v1.checkout.sessions.update(page["stripe_id"], {"metadata": {"a": "b"}})
    clock.advance(hours=1)
    tenant.sync(page)
    assert len(outbox_events.types(project, *RESULTS)) == 2


def test_a_declined_card_before_a_debit_is_no_failed_page(
    tenant: Tenant,
    project: Project,
    account: StripeAccount,
    euro_cart: Json,
    clock: Clock,
    drain: Drain,
) -> None:
    """Our row of the payment still shows the declined card when the finished page is read."""
    page = tenant.open_cart(euro_cart)
    assert tenant.pay(page, card="pm_card_visa_chargeDeclined").status == "declined"
    drain()
    tenant.pay(page, card="pm_sepaDebit_success")
    sync.now(account=account, kind="checkout_session", stripe_id=page["stripe_id"], at=clock.now)
    assert outbox_events.types(project, *RESULTS) == ["checkout.completed"]
    assert read_cart(tenant, euro_cart)["status"] == "frozen"
    drain()
    clock.advance(days=7)
    drain()
    assert "checkout.payment_failed" not in outbox_events.types(project)
    assert read_cart(tenant, euro_cart)["status"] == "completed"


def test_a_page_paid_by_card_is_finished_and_paid_at_once(
    tenant: Tenant, project: Project, cart_setup: Json, drain: Drain
) -> None:
    page = tenant.sell(cart_setup)
    drain()
    assert outbox_events.types(project, *RESULTS) == [
        "checkout.completed",
        "checkout.paid",
        "checkout_line.fulfilled",
    ]
    (line,) = page["lines"]
    event = outbox_events.last(project, "checkout_line.fulfilled")
    assert event.subject == line["id"]
    assert event.data == {
        "id": line["id"],
        "checkout": page["id"],
        "price": cart_setup["id"],
        "product": cart_setup["product"],
        "quantity": 1,
        "fulfilled_at": line["fulfilled_at"],
        "revoked_at": None,
    }
    assert len({version for _, version in versions(project)}) == 1
    tenant.stripe.v1.checkout.sessions.update(page["stripe_id"], {"metadata": {"a": "b"}})
    assert tenant.sync(page)["metadata"] == {"a": "b"}
    assert len(outbox_events.types(project, *RESULTS)) == 3


def test_a_refund_of_one_line_revokes_that_line_alone(
    tenant: Tenant, project: Project, cart_setup: Json, drain: Drain
) -> None:
    other = tenant.price(tenant.product("Report"), 700, interval=None)
    page = tenant.open_cart(tenant.cart(cart_setup, other))
    tenant.pay(page)
    bought = tenant.sync(page)
    line = next(each for each in bought["lines"] if each["price"] == other["id"])
    before = outbox_events.last(project, "checkout_line.fulfilled").version
    refund = {"lines": [{"line": line["id"]}]}
    answer = tenant.api.post(f"/payments/{bought['payment']}/refunds", refund)
    assert answer.status_code == 201, answer.json()
    drain()
    (revoked,) = outbox_events.events(project, "checkout_line.revoked")
    assert (revoked.subject, revoked.previous) == (line["id"], {"revoked_at": None})
    assert revoked.data["revoked_at"] is not None
    assert revoked.version > before
