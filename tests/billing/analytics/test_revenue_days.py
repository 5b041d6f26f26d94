"""Money counts on the day on which it moved, and counted days follow what becomes of it."""

from datetime import date, timedelta

import pytest

from billing.analytics import money_rows, revenue_days
from billing.analytics import service as analytics
from billing.analytics.utc_days import end_of, start_of
from billing.models import Dispute, Payment, Refund, RevenueDay
from billing.models.dispute import is_withheld
from projects.models import Project
from tests.billing.analytics.conftest import START
from tests.billing.analytics.ledger import Ledger

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TODAY = START.date()


def count(at_day: date) -> None:
    analytics.count_due(at=end_of(at_day) + timedelta(minutes=11))


def stored(project: Project) -> list[tuple[date, str, int, int, int]]:
    rows = RevenueDay.objects.for_project(project).order_by("day", "currency")
    return list(rows.values_list("day", "currency", "gross", "refunded", "disputed"))


def test_days_are_half_open_and_currencies_apart(ledger: Ledger) -> None:
    midnight = end_of(TODAY)
    ledger.pay(100, at=start_of(TODAY))
    ledger.pay(200, at=midnight - timedelta(microseconds=1))
    ledger.pay(400, at=midnight)
    ledger.pay(800, "jpy", at=START)
    ledger.pay(1600, at=None)
    count(TODAY)
    assert stored(ledger.project) == [(TODAY, "jpy", 800, 0, 0), (TODAY, "usd", 300, 0, 0)]
    count(TODAY + DAY)
    assert stored(ledger.project)[2:] == [(TODAY + DAY, "usd", 400, 0, 0)]


def test_a_refund_counts_on_its_own_day_if_it_succeeds(ledger: Ledger) -> None:
    payment = ledger.pay(1000, at=START)
    refund = ledger.refund(payment, 300, at=START + DAY)
    ledger.refund(payment, 500, at=START + DAY, status="pending")
    count(TODAY + DAY)
    assert stored(ledger.project) == [
        (TODAY, "usd", 1000, 0, 0),
        (TODAY + DAY, "usd", 0, 300, 0),
    ]
    Refund.objects.for_project(ledger.project).filter(pk=refund.pk).update(status="failed")
    count(TODAY + 2 * DAY)
    assert stored(ledger.project) == [(TODAY, "usd", 1000, 0, 0)]


def test_a_dispute_counts_while_the_bank_holds_the_money(ledger: Ledger) -> None:
    payment = ledger.pay(1000, at=START)
    dispute = ledger.dispute(payment, 1000, at=START + DAY, status="needs_response")
    count(TODAY + DAY)
    assert stored(ledger.project)[1] == (TODAY + DAY, "usd", 0, 0, 1000)
    rows = Dispute.objects.for_project(ledger.project).filter(pk=dispute.pk)
    rows.update(status="lost")
    count(TODAY + 2 * DAY)
    assert stored(ledger.project)[1] == (TODAY + DAY, "usd", 0, 0, 1000)
    rows.update(status="won")
    count(TODAY + 3 * DAY)
    assert stored(ledger.project) == [(TODAY, "usd", 1000, 0, 0)]


@pytest.mark.parametrize(
    "status",
    [
        *("needs_response", "under_review", "lost", "won", "prevented", "new_word"),
        *("warning_needs_response", "warning_under_review", "warning_closed"),
    ],
)
@pytest.mark.parametrize("case_type", ["", "block", "resolution"])
def test_the_database_knows_the_withheld_disputes(
    ledger: Ledger, status: str, case_type: str
) -> None:
    row = ledger.dispute(ledger.pay(10, at=START), 10, at=START, status=status)
    row.case_type = case_type
    row.save()
    rows = money_rows.withheld_disputes(start=START, end=START + DAY)
    assert rows.exists() == is_withheld(status, case_type)


def test_a_late_payment_is_on_its_day_within_an_hour(ledger: Ledger) -> None:
    at = end_of(TODAY) + timedelta(minutes=11)
    analytics.count_due(at=at)
    ledger.pay(1000, at=START)
    analytics.count_due(at=at + timedelta(minutes=59))
    assert stored(ledger.project) == []
    analytics.count_due(at=at + timedelta(minutes=60))
    assert stored(ledger.project) == [(TODAY, "usd", 1000, 0, 0)]


def test_the_first_count_reaches_back_400_days(ledger: Ledger) -> None:
    for days in (401, 400, 35, 1):
        ledger.pay(days, at=START - days * DAY)
    analytics.count_due(at=START)
    assert [gross for _, _, gross, _, _ in stored(ledger.project)] == [400, 35, 1]


def test_a_recount_names_what_differs(ledger: Ledger) -> None:
    ledger.pay(1000, at=START)
    count(TODAY)
    Payment.objects.for_project(ledger.project).update(amount_received=900)
    differences = revenue_days.recount(
        project_id=ledger.project.pk,
        start=start_of(TODAY),
        end=end_of(TODAY),
        at=START,
    )
    assert differences == [(TODAY, "usd", {"gross": (1000, 900)})]
    assert stored(ledger.project) == [(TODAY, "usd", 900, 0, 0)]
