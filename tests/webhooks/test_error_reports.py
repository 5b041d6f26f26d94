"""A worker fetches the content of thin reports about refused usage."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import StripeAccount
from common.models import BackOff
from events.models import AuditEntry
from sandbox import meter_usage, thin_events
from tests.back_offs import end_pauses
from tests.sandbox_stripe import SandboxStripe
from tests.webhooks.stripe_post import StripePost
from webhooks.models import InboundEvent
from webhooks.services import error_reports
from webhooks.services.replay import replay

METER = {"id": "mtr_1", "object": "billing.meter"}


@pytest.fixture(autouse=True)
def account(account: StripeAccount) -> StripeAccount:
    return account


def error_report(stripe: SandboxStripe, **changes: Any) -> dict[str, Any]:
    """What Stripe delivers of a report that names one event that it does not count."""
    sample = {"error_message": "No such customer.", "request": {"identifier": "mev_1"}}
    kind = {"code": meter_usage.UNKNOWN_CUSTOMER, "error_count": 1, "sample_errors": [sample]}
    data = {"reason": {"error_count": 1, "error_types": [kind]}}
    with stripe.world.transaction() as tx:
        event = thin_events.build_thin_event(tx, meter_usage.REPORT, METER, data)
        event |= changes
    return {**thin_events.delivered_fields(event), "created": "2027-01-15T08:00:00.000Z"}


def fetch_reports(**later: float) -> int:
    return error_reports.fetch_due(at=timezone.now() + timedelta(**later))


def only_event() -> InboundEvent:
    return InboundEvent.objects.get()


def test_the_content_of_a_report_is_fetched_once(stripe: SandboxStripe, post: StripePost) -> None:
    thin = error_report(stripe)
    assert "data" not in thin
    for _ in range(2):
        assert post(thin).status_code == 200
    assert (only_event().status, only_event().quarantined) == (
        "quarantined",
        "Stripe lost usage: its report is fetched.",
    )
    assert fetch_reports() == 1
    assert only_event().quarantined == "Stripe lost usage: 1 error(s), 1 named."
    assert (fetch_reports(), only_event().report_due_at) == (0, None)


@pytest.mark.parametrize("fault", ["timeout_before", "error_before", "rate_limit"])
def test_a_report_waits_while_stripe_is_away(
    stripe: SandboxStripe, post: StripePost, fault: str
) -> None:
    post(error_report(stripe))
    stripe.fail(fault, path="/v2/core/events/*", times=100)
    assert fetch_reports() == 1
    assert "thin_event.read" in BackOff.objects.values_list("subject", flat=True)
    assert fetch_reports() == 0
    stripe.world.faults.clear()
    end_pauses()
    assert fetch_reports(minutes=1) == 1
    assert only_event().quarantined == "Stripe lost usage: 1 error(s), 1 named."


def test_a_report_unknown_to_stripe_is_marked_and_can_be_replayed(
    stripe: SandboxStripe, post: StripePost
) -> None:
    thin = error_report(stripe)
    with stripe.world.transaction() as tx:
        tx.remove(tx.get(thin_events.KIND, thin["id"]) or {})
    post(thin)
    assert fetch_reports() == 1
    assert only_event().quarantined == "Stripe lost usage and no longer has the report."
    assert fetch_reports(days=1) == 0
    replay(event=only_event(), actor="operator:ada", reason="Look again.", at=timezone.now())
    assert AuditEntry.objects.get(action="inbound_event.replay").reason == "Look again."
    assert fetch_reports() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"context": "acct_1Connected00000"},
        {"livemode": True},
        {"type": "v1.billing.meter.no_meter_found"},
        {"data": None},
        {"data": {"reason": []}},
    ],
)
def test_a_report_of_another_account_is_given_up(
    stripe: SandboxStripe, post: StripePost, changes: dict[str, Any]
) -> None:
    post(
        error_report(stripe, **changes)
        | {"context": None, "livemode": False, "type": meter_usage.REPORT}
    )
    for tries in range(error_reports.MAX_TRIES):
        assert fetch_reports(minutes=10 * tries) == 1
    assert only_event().report_due_at is None
    assert only_event().quarantined.startswith("Stripe lost usage: its report could not be read")
    assert fetch_reports(days=1) == 0


def test_a_malformed_report_is_requested_again(stripe: SandboxStripe, post: StripePost) -> None:
    post(error_report(stripe))
    stripe.fail("malformed_after", path="/v2/core/events/*", changes={"id": "evt_other"})
    assert fetch_reports() == 1
    assert only_event().report_attempts == 1
    assert fetch_reports(minutes=10) == 1
    assert only_event().quarantined == "Stripe lost usage: 1 error(s), 1 named."


def test_a_leased_report_is_fetched_by_one_worker(stripe: SandboxStripe, post: StripePost) -> None:
    post(error_report(stripe))
    InboundEvent.objects.update(report_due_at=timezone.now() + error_reports.LEASE)
    assert fetch_reports() == 0
    assert fetch_reports(minutes=3) == 1
