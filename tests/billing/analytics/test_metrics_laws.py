"""The nightly check counts days again and repairs what differs."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.analytics import service as analytics
from billing.analytics.utc_days import end_of
from billing.models import (
    Coupon,
    Payment,
    RevenueDay,
    Subscription,
    SubscriptionDay,
    SubscriptionItem,
    SubscriptionSpan,
)
from billing.operations import law_checks
from tests.billing.analytics.conftest import START
from tests.billing.analytics.ledger import Ledger

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TODAY = START.date()
MORNING = end_of(TODAY) + timedelta(hours=3)
LAWS = ("subscription spans", "subscription metrics", "revenue metrics")


def check(law: str, *, repair: bool = True) -> list[str]:
    violations, after = list[str](), ""
    while True:
        page = law_checks.check_page(law, after=after, at=MORNING, repair=repair)
        violations += [str(violation) for violation in page.violations]
        after = page.after
        if not after:
            return violations


@pytest.fixture
def subscription(ledger: Ledger) -> Subscription:
    """Alice pays 10.00 a month, and the day is counted."""
    row = ledger.subscribe(ledger.price(1000), at=START)
    ledger.pay(1000, at=START)
    analytics.count_due(at=end_of(TODAY) + timedelta(minutes=11))
    return row


def test_counted_days_have_no_findings(subscription: Subscription) -> None:
    assert {law: check(law) for law in LAWS} == {law: [] for law in LAWS}


def test_a_wrong_day_is_counted_again(ledger: Ledger, subscription: Subscription) -> None:
    rows = SubscriptionDay.objects.for_project(ledger.project)
    rows.update(new_mrr=900, closing_mrr=900, active=2, is_estimate=True)
    changes = "active 2 -> 1, new_mrr 900 -> 1000, closing_mrr 900 -> 1000"
    expected = [f"metrics of {ledger.project.pk} on 2026-03-10 in usd: {changes}"]
    assert check("subscription metrics", repair=False) == expected
    assert rows.get().closing_mrr == 900
    assert check("subscription metrics") == expected
    assert (rows.get().closing_mrr, rows.get().is_estimate) == (1000, True)
    assert check("subscription metrics") == []


def test_a_missing_day_is_counted_again(ledger: Ledger, subscription: Subscription) -> None:
    rows = SubscriptionDay.objects.for_project(ledger.project)
    rows.all().delete()
    assert len(check("subscription metrics")) == 1
    assert rows.get().closing_mrr == 1000


def test_a_wrong_span_is_written_again(ledger: Ledger, subscription: Subscription) -> None:
    SubscriptionSpan.objects.for_project(ledger.project).update(amount=7)
    expected = [f"span of {subscription.pk}: active 7 usd -> active 1000 usd"]
    assert check("subscription spans", repair=False) == expected
    assert check("subscription spans") == expected
    assert check("subscription spans") == []
    assert check("subscription metrics") == []


def test_what_has_changed_since_is_no_finding(ledger: Ledger, subscription: Subscription) -> None:
    ledger.change(subscription, at=end_of(TODAY), quantity=5)
    assert check("subscription spans") == []


def test_a_coupon_that_has_changed_since_is_no_finding(
    ledger: Ledger, subscription: Subscription
) -> None:
    """A coupon of a shared account gets more products without news of the subscription."""
    coupon = Coupon.objects.for_project(ledger.project).create(
        account=ledger.account, percent_off=Decimal(50), duration="forever"
    )
    coupons = Coupon.objects.for_project(ledger.project)
    coupons.update(updated_at=MORNING)
    discounts = [{"coupon": coupon.pk, "promotion_code": None, "ends_at": None, "stripe_id": "d"}]
    ledger.change(subscription, at=START, discounts=discounts)
    assert check("subscription spans") == []
    coupons.update(updated_at=START)
    assert check("subscription spans") == [
        f"span of {subscription.pk}: active 1000 usd -> active 500 usd"
    ]


def test_wrong_money_is_counted_again(ledger: Ledger, subscription: Subscription) -> None:
    Payment.objects.for_project(ledger.project).update(amount_received=999)
    expected = [f"money of {ledger.project.pk} on 2026-03-10 in usd: gross 1000 -> 999"]
    assert check("revenue metrics", repair=False) == expected
    assert check("revenue metrics") == expected
    assert RevenueDay.objects.for_project(ledger.project).get().gross == 999
    assert check("revenue metrics") == []


def test_a_project_that_is_not_counted_is_left_out(ledger: Ledger) -> None:
    ledger.subscribe(ledger.price(1000), at=START)
    assert {law: check(law) for law in LAWS} == {law: [] for law in LAWS}
    analytics.begin_projects(at=START)
    assert {law: check(law) for law in LAWS} == {law: [] for law in LAWS}


def test_a_page_of_spans_takes_few_queries(ledger: Ledger) -> None:
    price, counts = ledger.price(1000), []
    for number in range(3):
        ledger.subscribe(price, f"user-{number}", at=START)
        analytics.count_due(at=end_of(TODAY + number * DAY) + timedelta(minutes=11))
        with CaptureQueriesContext(connection) as queries:
            assert check("subscription spans") == []
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 7


@pytest.mark.usefixtures("traveller")
def test_the_command_counts_everything_again(ledger: Ledger, subscription: Subscription) -> None:
    """After an import: the first subscription began months before the first counted day."""
    ledger.subscribe(ledger.price(500), "bob", at=START - 40 * DAY)
    out = StringIO()
    call_command("recount_days", "--project", ledger.project.slug, stdout=out)
    assert out.getvalue() == "The workers count the days of acme again.\n"
    analytics.count_due(at=MORNING)
    rows = SubscriptionDay.objects.for_project(ledger.project).order_by("day")
    assert [(row.day, row.closing_mrr) for row in (rows[0], rows[39], rows[40])] == [
        (TODAY - 40 * DAY, 500),
        (TODAY - DAY, 500),
        (TODAY, 1500),
    ]
    assert all(row.is_estimate for row in rows)
    assert {law: check(law) for law in LAWS} == {law: [] for law in LAWS}


def test_the_command_names_an_unknown_project() -> None:
    with pytest.raises(CommandError, match="No project has the id or slug 'nobody'"):
        call_command("recount_days", "--project", "nobody")


def test_an_item_without_a_price_of_ours_brings_nothing(
    ledger: Ledger, subscription: Subscription
) -> None:
    items = SubscriptionItem.objects.for_project(ledger.project)
    items.update(price=None)
    assert check("subscription spans") == [
        f"span of {subscription.pk}: active 1000 usd -> active 0 usd"
    ]
