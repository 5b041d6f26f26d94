"""Subscription changes are previewed to the cent and take effect now or at renewal."""

from events.models import AuditEntry
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.subscriptions.change_bills import Drain, bill_of, item_quantities
from tests.billing.subscriptions.subscribers import Subscriber
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import Clock
from tests.shop import Shop

CREATED, UPDATED = "subscription.created", "subscription.updated"


def amounts_due(shown: Json) -> tuple[int, int, int | None]:
    """Due now, given back, due with the next invoice."""
    bill, following = shown["bill"], shown["bill"]["next_invoice"]
    later = following and following["amount_due"]["amount"]
    return bill["amount_due"]["amount"], bill["credit"]["amount"], later


def test_an_upgrade_takes_effect_immediately(
    ada: Subscriber, pro: Json, plus: Json, project: Project, clock: Clock, drain: Drain
) -> None:
    before = ada.subscribe(pro)
    drain()
    clock.advance(days=10)
    drain()
    seen = ada.preview(pro, price=plus["id"])
    assert ada.show(pro) == before
    changed = ada.change(pro, price=plus["id"], proration_date=seen["bill"]["proration_date"])
    assert bill_of(changed) == bill_of(seen)
    now, credit, later = amounts_due(changed)
    assert (now == 2 * credit, later, changed["bill"]["invoice"][:4]) == (True, 9000, "inv_")
    assert seen["items"] == changed["items"]
    assert item_quantities(changed) == [(plus["id"], 1)]
    drain()
    assert outbox_events.types(project, "subscription.") == [CREATED, UPDATED]
    (old,) = outbox_events.changed(project, UPDATED)["items"]
    assert old["price"] == pro["id"]
    assert ada.tenant.api.get(ada.path(pro)).status_code == 404
    assert AuditEntry.objects.get(action="subscription.change").after == {
        "when": "now",
        "price": plus["id"],
    }


def test_a_downgrade_waits_for_the_renewal_and_can_be_taken_back(
    ada: Subscriber, pro: Json, plus: Json, project: Project, clock: Clock, drain: Drain
) -> None:
    before = ada.subscribe(plus, quantity=2)
    ends = before["items"][0]["period_end"]
    planned = {
        "at": ends,
        "items": [{"price": pro["id"], "product": pro["product"], "quantity": 2}],
    }
    seen = ada.preview(plus, price=pro["id"])
    changed = ada.change(plus, price=pro["id"])
    assert (seen["scheduled_change"], changed["scheduled_change"]) == (planned, planned)
    assert (amounts_due(seen), amounts_due(changed)) == ((0, 0, 6000), (0, 0, 6000))
    assert item_quantities(changed) == [(plus["id"], 2)]
    drain()
    undone = {"undo_scheduled_change": True}
    seen = ada.preview(plus, **undone)
    kept = ada.change(plus, **undone)
    assert (bill_of(kept), kept["scheduled_change"]) == (bill_of(seen), None)
    assert amounts_due(kept) == (0, 0, 18000)
    assert ada.refused(plus, **undone) == (409, "nothing-scheduled")
    drain()
    ada.change(plus, price=pro["id"], quantity=5)
    again = ada.change(plus, quantity=1)
    assert again["scheduled_change"]["items"][0]["quantity"] == 1
    drain()
    assert outbox_events.types(project, "subscription.") == [CREATED, *[UPDATED] * 4]
    clock.advance(days=32)
    drain()
    renewed = ada.show(plus)
    assert (item_quantities(renewed), renewed["scheduled_change"]) == ([(plus["id"], 1)], None)
    assert outbox_events.types(project, "subscription.")[-1] == "subscription.renewed"
    assert ada.change(plus, quantity=3)["scheduled_change"] is None
    clock.advance(days=32)
    drain()
    assert item_quantities(ada.show(plus)) == [(plus["id"], 3)]


def test_an_immediate_change_replaces_the_scheduled_one_unless_declined(
    ada: Subscriber, pro: Json, plus: Json, project: Project, shop: Shop, drain: Drain
) -> None:
    ada.subscribe(pro, quantity=3)
    planned = ada.change(pro, quantity=1)["scheduled_change"]
    assert planned["items"][0]["quantity"] == 1
    shop.stripe.decline_payments(str(ada.row.stripe_id))
    before = ada.show(pro)
    assert ada.refused(pro, price=plus["id"])[0] == 402
    drain()
    assert ada.show(pro) == before
    assert [each["status"] for each in ada.tenant.at_stripe("invoice")] == ["paid"]
    shop.stripe.accept_payments(str(ada.row.stripe_id))
    seen = ada.preview(pro, price=plus["id"])
    changed = ada.change(pro, price=plus["id"], proration_date=seen["bill"]["proration_date"])
    assert (item_quantities(changed), changed["scheduled_change"]) == ([(plus["id"], 3)], None)
    assert bill_of(seen) == bill_of(changed)
    drain()
    ends = ada.change(plus, quantity=1) and ada.change(plus, cancel_at_period_end=True)
    assert (ends["scheduled_change"], ends["cancel_at"]) == (None, ends["items"][0]["period_end"])
    assert ada.refused(plus, quantity=1) == (409, "subscription-ending")


def test_a_discount_replaces_the_scheduled_change_as_previewed(ada: Subscriber, pro: Json) -> None:
    ada.subscribe(pro, quantity=3)
    assert amounts_due(ada.change(pro, quantity=1))[2] == 3000
    quarter = ada.tenant.api.post("/coupons", {"percent_off": 25, "duration": "forever"}).json()
    seen = ada.preview(pro, discounts=[quarter["id"]])
    changed = ada.change(pro, discounts=[quarter["id"]])
    assert changed["scheduled_change"] is None
    assert bill_of(seen) == bill_of(changed)
    assert amounts_due(changed) == (0, 0, 6750)


def test_a_repeated_change_is_carried_out_once(
    ada: Subscriber, pro: Json, plus: Json, shop: Shop, drain: Drain
) -> None:
    """Also when the first try's answer got lost, and the path names the old product."""
    ada.subscribe(pro)
    shop.stripe.fail("timeout_after", method="POST", path="/v1/subscriptions/*", times=3)
    body, key = {"price": plus["id"]}, {"Idempotency-Key": "upgrade-1"}
    lost = ada.tenant.api.patch(ada.path(pro), body, headers=key)
    assert (lost.status_code, lost.json()["code"]) == (503, "stripe-unavailable")
    drain()
    again = ada.tenant.api.patch(ada.path(pro), body, headers=key)
    assert (again.status_code, item_quantities(again.json())) == (200, [(plus["id"], 1)])
    assert len(ada.tenant.at_stripe("invoice")) == 2


def test_add_ons_are_added_and_removed(
    ada: Subscriber, tenant: Tenant, pro: Json, project: Project, drain: Drain
) -> None:
    seats = tenant.price(tenant.product("Seats"), amount=500)
    more = tenant.price(tenant.product("More"), amount=100)
    ada.subscribe(pro)
    seen = ada.preview(pro, addons=[{"price": seats["id"], "quantity": 2}])
    response = tenant.api.post(ada.path(pro, "addons"), {"price": seats["id"], "quantity": 2})
    assert response.status_code == 201
    assert bill_of(response.json()) == bill_of(seen)
    assert amounts_due(seen) == (1000, 0, 4000)
    assert item_quantities(response.json()) == [(pro["id"], 1), (seats["id"], 2)]
    assert ada.show(seats)["id"] == ada.show(pro)["id"]
    again = tenant.api.post(ada.path(pro, "addons"), {"price": seats["id"]})
    assert (again.status_code, again.json()["code"]) == (409, "already-subscribed")
    addon = ada.path(pro, "addons", seats["product"])
    assert item_quantities(tenant.api.patch(addon, {"quantity": 4}).json())[1] == (seats["id"], 4)
    ada.change(pro, addons=[{"price": more["id"]}, {"price": seats["id"], "quantity": 5}])
    assert item_quantities(ada.show(more)) == [(pro["id"], 1), (seats["id"], 5), (more["id"], 1)]
    later = tenant.api.delete(addon).json()
    assert [item["price"] for item in later["scheduled_change"]["items"]] == [pro["id"], more["id"]]
    gone = tenant.api.delete(addon, query={"when": "now"}).json()
    assert (item_quantities(gone), gone["scheduled_change"]) == (
        [(pro["id"], 1), (more["id"], 1)],
        None,
    )
    assert amounts_due(gone)[1] == 2500
    missing = tenant.api.delete(addon)
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    tenant.api.delete(ada.path(pro, "addons", more["product"]), query={"when": "now"})
    last = tenant.api.delete(ada.path(pro, "addons", pro["product"]), query={"when": "now"})
    assert (last.status_code, last.json()["code"]) == (422, "invalid")
    assert item_quantities(ada.show(pro)) == [(pro["id"], 1)]


def test_several_subscriptions_to_different_products(
    ada: Subscriber, pro: Json, plus: Json, drain: Drain
) -> None:
    first, second = ada.subscribe(pro), ada.subscribe(plus)
    assert first["id"] != second["id"]
    ada.change(pro, quantity=2)
    ada.tenant.api.delete(ada.path(plus), query={"when": "now"})
    drain()
    assert item_quantities(ada.show(pro)) == [(pro["id"], 2)]
    assert ada.show(plus)["status"] == "canceled"
