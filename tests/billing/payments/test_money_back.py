"""Refunds and disputes reduce access by the policies of the product."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.utils import timezone

from billing.access.line_shares import RefundedMoney
from billing.models import Payment
from billing.models.product import RefundPolicy
from billing.payments import refund_effects
from entitlements.decisions.selectors import decisions
from entitlements.resolution.decision import Decision
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]
Answers = tuple[str, int | None]


class Desk:
    """Sells ten seats and the right to export, and asks what is left of them."""

    def __init__(self, tenant: Tenant, project: Project, drain: Drain) -> None:
        self.tenant, self.project, self.drain = tenant, project, drain
        tenant.feature(project, "export")
        tenant.feature(project, "seats", kind="limit")

    def price(self, amount: int = 1000, **body: Any) -> Json:
        """A one-time price unless told otherwise, of a product with these policies."""
        policies = {name: body.pop(name) for name in list(body) if name.endswith("_policy")}
        features = [{"feature": "export"}, {"feature": "seats", "value": 10}]
        sold = self.tenant.product("Pro", features=body.pop("features", features), **policies)
        return self.tenant.price(sold, amount=amount, **{"interval": None, **body})

    def sell(self, price: Json, user_id: str = "alice") -> Json:
        """The payment."""
        self.tenant.sell(price, user_id)
        self.drain()
        rows = self.tenant.api.get("/payments", query={"user_id": user_id}).json()["data"]
        return dict(rows[0])

    def refund(self, payment: Json, **body: Any) -> Json:
        made = self.tenant.api.post(f"/payments/{payment['id']}/refunds", body)
        assert made.status_code == 201, made.content
        self.drain()
        return dict(made.json())

    def payment(self, payment: Json) -> Json:
        return dict(self.tenant.api.get(f"/payments/{payment['id']}").json())

    def decision(self, feature: str, user_id: str = "alice") -> Decision:
        project, at = self.project, timezone.now()
        return decisions.check(project=project, user_id=user_id, feature=feature, at=at)

    def has(self, user_id: str = "alice") -> Answers:
        """Why the right to export is as it is, and how many seats there are."""
        return (
            self.decision("export", user_id).reason.value,
            self.decision("seats", user_id).limit,
        )

    def told(self) -> list[str]:
        """Events since this was asked last."""
        types = outbox_events.types(self.project)
        known, self._known = getattr(self, "_known", 0), len(types)
        return types[known:]


@pytest.fixture
def desk(tenant: Tenant, project: Project, drain: Drain) -> Desk:
    return Desk(tenant, project, drain)


ALL, NONE = ("entitled", 10), ("not_entitled", 0)
REFUNDED, CHANGED = "payment.refunded", "entitlements.changed"


@pytest.mark.parametrize(
    ("policy", "after_a_third", "after_all"),
    [
        ("revoke", (ALL, False), (NONE, True)),
        ("proportional", (("entitled", 6), True), (NONE, True)),
        ("period_end", (ALL, False), (NONE, True)),
        ("keep", (ALL, False), (ALL, False)),
    ],
)
def test_refunds_of_a_purchase(
    desk: Desk, policy: str, after_a_third: tuple[Answers, bool], after_all: tuple[Answers, bool]
) -> None:
    """Exactly what the policy says, told exactly when an answer changed; a refund that fails
    brings everything back."""
    payment = desk.sell(desk.price(refund_policy=policy))
    assert desk.has() == ALL
    desk.told()
    for amount, (answers, changes) in ((333, after_a_third), (667, after_all)):
        made = desk.refund(payment, amount=amount)
        assert desk.has() == answers
        assert desk.told() == [REFUNDED, *([CHANGED] if changes else [])]
    desk.tenant.stripe.bounce(made["stripe_id"])
    desk.drain()
    assert desk.has() == after_a_third[0]
    assert desk.told() == ["payment.refund_failed", *([CHANGED] if after_all[1] else [])]
    shown = desk.payment(payment)
    assert (shown["status"], shown["amount_refunded"]["amount"]) == ("partially_refunded", 333)
    failed = desk.tenant.api.get(f"/refunds/{made['id']}").json()
    assert (failed["status"], failed["failure_reason"]) == ("failed", "unknown")
    assert desk.refund(payment)["amount"]["amount"] == 667
    assert desk.has() == after_all[0]


def test_a_change_of_policy_counts_for_money_that_went_back_before(desk: Desk) -> None:
    price = desk.price()
    desk.refund(desk.sell(price))
    path = f"/products/{price['product']}"
    assert desk.has() == NONE
    for policy, answers in (("keep", ALL), ("proportional", NONE), ("keep", ALL)):
        changed = desk.tenant.api.patch(path, {"refund_policy": policy})
        assert (changed.status_code, changed.json()["refund_policy"]) == (200, policy)
        desk.drain()
        assert desk.has() == answers
    for body in ({"refund_policy": "never"}, {"dispute_policy": None}, {"refund_policy": ""}):
        assert desk.tenant.api.patch(path, body).status_code == 422
    shown = desk.tenant.api.get(path).json()
    assert (shown["refund_policy"], shown["dispute_policy"]) == ("keep", "hold")


@pytest.mark.parametrize("policy", ["hold", "keep"])
@pytest.mark.parametrize(("outcome", "left"), [("won", ALL), ("lost", NONE)])
def test_a_dispute_suspends_access_until_it_is_decided(
    desk: Desk, policy: str, outcome: str, left: Answers
) -> None:
    payment = desk.sell(desk.price(dispute_policy=policy))
    desk.told()
    contested = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    held = policy == "hold"
    assert desk.has() == (("held", 0) if held else ALL)
    assert desk.told() == ["payment.disputed", *([CHANGED] if held else [])]
    shown = desk.payment(payment)
    assert (shown["status"], shown["amount_disputed"]["amount"]) == ("disputed", 1000)
    (dispute,) = shown["disputes"]
    assert (dispute["outcome"], dispute["is_inquiry"], dispute["amount"]["amount"]) == (
        None,
        False,
        1000,
    )
    refused = desk.tenant.api.post(f"/payments/{payment['id']}/refunds", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-refund")
    desk.tenant.stripe.decide(contested, outcome)
    desk.drain()
    assert desk.has() == left
    changes = held if outcome == "won" else True
    assert desk.told() == ["payment.dispute_closed", *([CHANGED] if changes else [])]
    shown = desk.payment(payment)
    gone = 1000 if outcome == "lost" else 0
    assert shown["disputes"][0]["outcome"] == outcome
    assert shown["amount_disputed"]["amount"] == gone
    assert shown["status"] == ("disputed" if gone else "paid")


def test_a_lost_dispute_after_a_partial_refund(desk: Desk) -> None:
    """Together they are all of the money; what is left to refund is never more than nothing."""
    payment = desk.sell(desk.price(refund_policy="proportional"))
    desk.refund(payment, amount=400)
    contested = desk.tenant.stripe.dispute(payment["stripe_id"], amount=500)
    desk.drain()
    assert desk.has() == ("held", 0)
    desk.tenant.stripe.decide(contested, "lost")
    desk.drain()
    assert desk.has() == ("entitled", 1)
    shown = desk.payment(payment)
    amounts = [shown[name]["amount"] for name in ("amount_refunded", "amount_disputed")]
    assert (shown["status"], amounts) == ("disputed", [400, 500])


def test_an_inquiry_holds_nothing_until_it_becomes_more(desk: Desk) -> None:
    payment = desk.sell(desk.price())
    desk.told()
    asked = desk.tenant.stripe.dispute(payment["stripe_id"], inquiry=True)
    desk.drain()
    assert (desk.has(), desk.told()) == (ALL, ["payment.disputed"])
    shown = desk.payment(payment)
    assert (shown["status"], shown["amount_disputed"]["amount"]) == ("paid", 0)
    assert shown["disputes"][0]["is_inquiry"] is True
    desk.tenant.stripe.v1.disputes.update(
        asked, {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}, "submit": True}
    )
    desk.drain()
    assert (desk.has(), desk.told()) == (("held", 0), ["payment.disputed", CHANGED])
    desk.tenant.stripe.decide(asked, "won")
    desk.drain()
    assert (desk.has(), desk.told()) == (ALL, ["payment.dispute_closed", CHANGED])

    other = desk.sell(desk.price(), "bob")
    asked = desk.tenant.stripe.dispute(other["stripe_id"], inquiry=True)
    desk.refund(other)
    desk.drain()
    assert desk.has("bob") == NONE
    (closed,) = desk.payment(other)["disputes"]
    assert (closed["status"], closed["outcome"]) == ("warning_closed", "won")


def test_the_refund_preview_equals_the_effect(desk: Desk, clock: Clock) -> None:
    """For every policy, in part and in full, of a purchase and of a subscription."""
    for number, (policy, interval, amount) in enumerate(
        product(RefundPolicy.values, [None, "month"], [333, 1000])
    ):
        user_id = f"user-{number}"
        bought = desk.sell(desk.price(interval=interval, refund_policy=policy), user_id)
        row = Payment.objects.for_project(desk.project).get(pk=bought["id"])
        effects = refund_effects.of_refund(
            payment=row, refund=RefundedMoney(amount, {}), at=timezone.now()
        )
        assert {effect.before.feature for effect in effects} == {"export", "seats"}
        for effect in effects:
            version = effect.before.version
            assert replace(desk.decision(effect.before.feature, user_id), version=version) == (
                effect.before
            )
        desk.refund(bought, amount=amount)
        for effect in effects:
            version = effect.after.version
            found = replace(desk.decision(effect.after.feature, user_id), version=version)
            assert found == effect.after, (policy, interval, amount)


def test_disputes_are_listed(desk: Desk, neighbour: Tenant) -> None:
    payment = desk.sell(desk.price())
    stripe_id = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    api = desk.tenant.api
    (shown,) = api.get("/disputes").json()["data"]
    assert (shown["stripe_id"], shown["payment"]) == (stripe_id, payment["id"])
    assert shown["evidence_due_by"] > shown["opened_at"]
    assert api.get(f"/disputes/{shown['id']}").json() == shown
    for query, found in (
        ({"payment": payment["id"]}, [shown]),
        ({"user_id": "alice"}, [shown]),
        ({"user_id": "bob"}, []),
        ({"status": "needs_response"}, [shown]),
        ({"status": "won"}, []),
    ):
        assert api.get("/disputes", query=query).json()["data"] == found
    assert api.get("/disputes", query={"payment": "pi_1"}).status_code == 422
    assert neighbour.api.get("/disputes").json()["data"] == []
    assert neighbour.api.get(f"/disputes/{shown['id']}").status_code == 404


@pytest.mark.parametrize("policy", ["revoke", "proportional", "period_end", "keep"])
def test_refunds_of_a_subscription_follow_the_running_period(
    desk: Desk, clock: Clock, policy: str
) -> None:
    payment = desk.sell(desk.price(interval="month", refund_policy=policy))
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    ends = datetime.fromisoformat(subscription["items"][0]["period_end"])
    desk.refund(payment, amount=500)
    assert desk.has() == (("entitled", 5) if policy == "proportional" else ALL)
    desk.refund(payment)
    assert desk.has() == (NONE if policy in ("revoke", "proportional") else ALL)
    if policy == "period_end":
        assert desk.decision("export").valid_until == ends
    clock.advance(seconds=(ends - clock.now).total_seconds() + 60)
    desk.drain()
    assert desk.has() == (ALL if policy == "keep" else NONE), "the renewal is not paid yet"
    clock.advance(hours=2)
    desk.drain()
    assert desk.has() == ALL, "a paid renewal restores"


def test_after_an_upgrade_all_that_paid_the_period_counts(desk: Desk, clock: Clock) -> None:
    """A refund of the difference alone ends nothing."""
    price = desk.price(interval="month")
    first = desk.sell(price)
    dearer = desk.tenant.price({"id": price["product"]}, amount=5000)
    clock.advance(days=10)
    path = f"/subscriptions/alice/{price['product']}"
    changed = desk.tenant.api.patch(path, {"price": dearer["id"], "when": "now"})
    assert changed.status_code == 200, changed.content
    desk.drain()
    second = desk.tenant.api.get("/payments").json()["data"][0]
    assert second["id"] != first["id"]
    desk.refund(second)
    assert desk.has() == ALL
    desk.refund(first)
    assert desk.has() == NONE


def test_what_a_cart_sold_once_beside_a_subscription_follows_its_first_invoice(
    desk: Desk,
) -> None:
    once = desk.price(features=[{"feature": "export"}])
    monthly = desk.price(interval="month", features=[{"feature": "seats", "value": 10}])
    opened = desk.tenant.open_cart(desk.tenant.cart(monthly, once))
    assert all(line["fulfilled_at"] is None for line in opened["lines"])
    desk.tenant.pay(opened)
    desk.tenant.sync(opened)
    desk.drain()
    assert desk.has() == ALL
    lines = desk.tenant.api.get(f"/checkout/{opened['id']}").json()["lines"]
    assert [bool(line["fulfilled_at"]) for line in lines] == [True, True]
    assert outbox_events.last(desk.project, "checkout.completed").data["lines"] == lines
    (payment,) = desk.tenant.api.get("/payments").json()["data"]
    (invoice,) = desk.tenant.api.get("/invoices").json()["data"]
    assert payment["invoice"] == invoice["id"]
    assert [each["payment"] for each in invoice["payments"]] == [payment["id"]]
    made = desk.refund(payment)
    assert desk.has() == NONE
    lines = desk.tenant.api.get(f"/checkout/{opened['id']}").json()["lines"]
    assert {line["price"] for line in lines if line["revoked_at"]} == {once["id"]}
    desk.tenant.stripe.bounce(made["stripe_id"])
    desk.drain()
    assert desk.has() == ALL
    lines = desk.tenant.api.get(f"/checkout/{opened['id']}").json()["lines"]
    assert not any(line["revoked_at"] for line in lines)


def test_a_first_debit_that_fails_later_takes_a_subscription_away(desk: Desk, clock: Clock) -> None:
    """Stripe goes on calling it active; nobody has paid for it."""
    opened = desk.tenant.open(desk.price(interval="month"))
    desk.tenant.pay(opened, card="pm_usBankAccount_insufficientFunds")
    desk.tenant.sync(opened)
    desk.drain()
    assert desk.has() == ALL
    (begun,) = desk.tenant.api.get("/invoices").json()["data"]
    assert (begun["status"], [each["status"] for each in begun["payments"]]) == (
        "open",
        ["processing"],
    )
    assert outbox_events.types(desk.project, "invoice.") == []
    clock.advance(days=8)
    desk.drain()
    assert outbox_events.types(desk.project, "invoice.") == ["invoice.payment_failed"]
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    (invoice,) = desk.tenant.api.get("/invoices").json()["data"]
    assert (subscription["status"], invoice["status"]) == ("active", "void")
    assert desk.has() == NONE
    assert outbox_events.types(desk.project, "entitlements") == [CHANGED, CHANGED]


def test_a_contested_renewal_holds_a_subscription_until_the_next_is_paid(
    desk: Desk, clock: Clock
) -> None:
    payment = desk.sell(desk.price(interval="month"))
    contested = desk.tenant.stripe.dispute(payment["stripe_id"])
    desk.drain()
    assert desk.has() == ("held", 0)
    desk.tenant.stripe.decide(contested, "lost")
    desk.drain()
    assert desk.has() == NONE
    clock.advance(days=32)
    desk.drain()
    assert desk.has() == ALL


@pytest.mark.parametrize("days", [None, 0, 10])
def test_the_project_says_how_long_a_failed_renewal_leaves_access(
    desk: Desk, clock: Clock, days: int | None
) -> None:
    desk.project.grace_days = days
    desk.project.save()
    desk.sell(desk.price(interval="month"))
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    ends = datetime.fromisoformat(subscription["items"][0]["period_end"])
    (customer,) = desk.tenant.at_stripe("customer")
    desk.tenant.stripe.decline_payments(customer["id"])
    clock.advance(seconds=(ends - clock.now).total_seconds() + 7200)
    desk.drain()
    (subscription,) = desk.tenant.api.get("/subscriptions").json()["data"]
    assert subscription["status"] == "past_due"
    if days == 0:
        assert desk.has() == NONE
        return
    assert desk.has() == ("grace", 10)
    final_at = ends + timedelta(hours=1)  # for so long Stripe keeps the renewal's invoice a draft
    until = final_at + timedelta(days=3 if days is None else days)
    assert desk.decision("export").valid_until == until
