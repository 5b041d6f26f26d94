"""A report of lost use that is delivered without its content: fetched from Stripe by a worker."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import StripeAccount
from common.models import BackOff
from events.models import AuditEntry
from sandbox import meter_usage, thin_events
from tests.back_off import end_pauses
from tests.sandbox_stripe import SandboxStripe
from tests.webhooks.stripe_post import StripePost
from webhooks.models import InboundEvent
from webhooks.services import error_reports
from webhooks.services.replay import replay

METER = {"id": "mtr_1", "object": "billing.meter"}


@pytest.fixture(autouse=True)
def account(account: StripeAccount) -> StripeAccount:
    return account


def lost(stripe: SandboxStripe, **changes: Any) -> dict[str, Any]:
    """What Stripe delivers of a report that names one event that it does not count."""
    sample = {"error_message": "No such customer.", "request": {"identifier": "mev_1"}}
    kind = {"code": meter_usage.UNKNOWN_CUSTOMER, "error_count": 1, "sample_errors": [sample]}
    data = {"reason": {"error_count": 1, "error_types": [kind]}}
    with stripe.world.transaction() as tx:
        event = thin_events.build_thin_event(tx, meter_usage.REPORT, METER, data)
        event |= changes
    return {**thin_events.delivered_fields(event), "created": "2027-01-15T08:00:00.000Z"}


def fetch(**later: float) -> int:
    return error_reports.fetch_due(at=timezone.now() + timedelta(**later))


def kept() -> InboundEvent:
    return InboundEvent.objects.get()


def test_its_content_is_fetched_once(stripe: SandboxStripe, post: StripePost) -> None:
    thin = lost(stripe)
    assert "data" not in thin
    for _ in range(2):
        assert post(thin).status_code == 200
    assert (kept().status, kept().quarantined) == (
        "quarantined",
        "Stripe lost usage: its report is fetched.",
    )
    assert fetch() == 1
    assert kept().quarantined == "Stripe lost usage: 1 error(s), 1 named."
    assert (fetch(), kept().report_due_at) == (0, None)


@pytest.mark.parametrize("fault", ["timeout_before", "error_before", "rate_limit"])
def test_it_waits_for_a_stripe_that_is_away(
    stripe: SandboxStripe, post: StripePost, fault: str
) -> None:
    post(lost(stripe))
    stripe.fail(fault, path="/v2/core/events/*", times=100)
    assert fetch() == 1
    assert "thin_event.read" in BackOff.objects.values_list("subject", flat=True)
    assert fetch() == 0
    stripe.world.faults.clear()
    end_pauses()
    assert fetch(minutes=1) == 1
    assert kept().quarantined == "Stripe lost usage: 1 error(s), 1 named."


def test_one_that_stripe_has_forgotten_is_said_to_be_so_and_can_be_replayed(
    stripe: SandboxStripe, post: StripePost
) -> None:
    thin = lost(stripe)
    with stripe.world.transaction() as tx:
        tx.remove(tx.get(thin_events.KIND, thin["id"]) or {})
    post(thin)
    assert fetch() == 1
    assert kept().quarantined == "Stripe lost usage and no longer has the report."
    assert fetch(days=1) == 0
    replay(event=kept(), actor="operator:ada", reason="Look again.", at=timezone.now())
    assert AuditEntry.objects.get(action="inbound_event.replay").reason == "Look again."
    assert fetch() == 1


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
def test_what_is_no_report_of_this_account_is_given_up(
    stripe: SandboxStripe, post: StripePost, changes: dict[str, Any]
) -> None:
    post(lost(stripe, **changes) | {"context": None, "livemode": False, "type": meter_usage.REPORT})
    for tries in range(error_reports.MAX_TRIES):
        assert fetch(minutes=10 * tries) == 1
    assert kept().report_due_at is None
    assert kept().quarantined.startswith("Stripe lost usage: its report could not be read")
    assert fetch(days=1) == 0


def test_an_answer_that_cannot_be_read_is_asked_for_again(
    stripe: SandboxStripe, post: StripePost
) -> None:
    post(lost(stripe))
    stripe.fail("malformed_after", path="/v2/core/events/*", changes={"id": "evt_other"})
    assert fetch() == 1
    assert kept().report_attempts == 1
    assert fetch(minutes=10) == 1
    assert kept().quarantined == "Stripe lost usage: 1 error(s), 1 named."


def test_another_worker_does_not_fetch_it_as_well(stripe: SandboxStripe, post: StripePost) -> None:
    post(lost(stripe))
    InboundEvent.objects.update(report_due_at=timezone.now() + error_reports.LEASE)
    assert fetch() == 0
    assert fetch(minutes=3) == 1
