"""Events that name no object of ours are kept, and quarantined with the reason."""

import pytest

from billing import endpoint_cache
from billing.models import StripeAccount, SyncObject
from tests.webhooks.stripe_post import StripePost, event
from webhooks.models import InboundEvent

REPORT = {
    "id": "evt_thin",
    "object": "v2.core.event",
    "type": "v1.billing.meter.error_report_triggered",
    "livemode": False,
}


@pytest.mark.parametrize(
    "type_", ["", "topup.created", "payout.paid", "treasury.new_thing", "invoiceitem.created"]
)
def test_other_types_are_kept_and_ignored(post: StripePost, type_: str) -> None:
    answer = post(event(type=type_ or "x", id="evt_9"))
    assert answer.status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert (inbound_event.status, inbound_event.sync) == ("ignored", None)
    assert SyncObject.objects.count() == 0


def test_reports_of_refused_usage_are_kept(post: StripePost) -> None:
    """A thin event: it names an object without showing it."""
    type_ = "v1.billing.meter.error_report_triggered"
    related = {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"}
    why = {"reason": {"error_count": 1, "error_types": [{"code": "no_meter", "error_count": 1}]}}
    thin = {"id": "evt_thin", "object": "v2.core.event", "type": type_, "livemode": False}
    assert post({**thin, "related_object": related, "data": why}).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert (inbound_event.type, inbound_event.status, inbound_event.sync) == (
        type_,
        "quarantined",
        None,
    )
    assert (
        inbound_event.quarantined
        == "Stripe lost usage: 1 error(s), none is named: read it at Stripe."
    )
    assert b"no_meter" in bytes(inbound_event.body)


def test_other_thin_events_are_quarantined(post: StripePost) -> None:
    """They name an object that is mirrored, and would be ignored without a trace otherwise."""
    thin = {"id": "evt_thin", "object": "v2.core.event", "type": "v1.invoice.paid"}
    related = {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"}
    assert post({**thin, "livemode": False, "related_object": related}).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert (inbound_event.status, inbound_event.quarantined.startswith("A thin event.")) == (
        "quarantined",
        True,
    )


@pytest.mark.parametrize("name", ["account", "context"])
def test_events_of_connected_accounts_are_quarantined(
    post: StripePost, account: StripeAccount, name: str
) -> None:
    """Also while we do not know the id of the platform's own account."""
    StripeAccount.objects.update(stripe_id="")
    endpoint_cache.forget()
    assert post(event(**{name: "acct_1Connected00000"})).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert (inbound_event.status, inbound_event.sync) == ("quarantined", None)
    assert inbound_event.quarantined == "The event is about another Stripe account."
    assert SyncObject.objects.count() == 0


@pytest.mark.parametrize(
    "data",
    [
        {"reason": {"error_count": "x", "error_types": {}}},
        {"reason": {"error_types": [1, {"sample_errors": [2, {"request": {"identifier": 3}}]}]}},
    ],
)
def test_a_report_of_odd_shape_is_kept(post: StripePost, data: object) -> None:
    assert post({**REPORT, "related_object": None, "data": data}).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert (inbound_event.status, inbound_event.report_due_at) == ("quarantined", None)


@pytest.mark.parametrize("data", [None, [], {}, {"reason": []}])
def test_a_report_without_its_content_is_to_be_fetched(post: StripePost, data: object) -> None:
    assert post({**REPORT, "related_object": None, "data": data}).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert (inbound_event.status, inbound_event.report_due_at) == (
        "quarantined",
        inbound_event.received_at,
    )


def test_an_upcoming_invoice_names_nothing(post: StripePost) -> None:
    body = event(type="invoice.upcoming")
    body["data"]["object"].pop("id")
    post(body)
    assert InboundEvent.objects.get().status == "ignored"


def test_livemode_on_a_test_endpoint_is_quarantined(post: StripePost) -> None:
    assert post(event(livemode=True)).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert inbound_event.status == "quarantined"
    assert "livemode" in inbound_event.quarantined
    assert SyncObject.objects.count() == 0


def test_an_event_of_a_connected_account_is_quarantined(
    post: StripePost, account: StripeAccount
) -> None:
    StripeAccount.objects.filter(pk=account.pk).update(stripe_id="acct_ours")
    post(event(account="acct_theirs"))
    post(event(account="acct_ours", id="evt_2"))
    reason_by_event_id = dict(InboundEvent.objects.values_list("event_id", "quarantined"))
    assert reason_by_event_id == {
        "evt_1": "The event is about another Stripe account.",
        "evt_2": "",
    }
