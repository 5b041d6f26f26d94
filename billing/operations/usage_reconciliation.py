"""Compare Stripe's usage counts with our records, for running periods of metered subscriptions.

Stripe counts with a delay, so the last minutes are left out, and a customer with records in flight
is compared the next time. A difference is reported and not repaired: reported usage stays, and
refused usage waits for an operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from billing.models import StripeAccount, StripeCustomer, StripeMeter, SubscriptionItem
from billing.models.subscription import LIVE
from billing.operations import reconcile_pages
from billing.operations.reconcile_pages import OnFailure
from billing.stripe import meters
from billing.stripe.client import client_for
from billing.stripe.errors import StripeMalformed, StripeObjectMissing, StripeRefused
from projects.models import Project
from usage.models.meter import ADDITIVE, Aggregation, Meter
from usage.reporting import selectors as forwarding
from usage.reporting.selectors import ReportedUsage, ReportedUsageQuery

COUNTING_LAG = timedelta(minutes=10)
"""Longest delay of Stripe's count after an event."""
MINUTE = timedelta(minutes=1)
PAGE = 20
"""Items per page: one request to Stripe for each of them has to fit into one lease."""


@dataclass(frozen=True, slots=True)
class UsageDifference:
    """Usage of one customer and meter since ``since`` that Stripe counts differently."""

    meter: Meter
    user_id: str
    customer_stripe_id: str
    since: datetime
    ours: int
    stripes: Decimal
    refused: int

    def __str__(self) -> str:
        head = f"usage of {self.meter.code} by {self.user_id} ({self.customer_stripe_id})"
        text = f"{head} since {self.since:%Y-%m-%d %H:%M}: {self.ours} -> {self.stripes:f}"
        return f"{text}; {self.refused} record(s) refused" if self.refused else text


@dataclass(frozen=True, slots=True)
class UsagePage:
    """The result of one page. ``after`` is the next page's cursor; empty after the last page."""

    checked: int
    differences: Sequence[UsageDifference]
    after: str


@dataclass(frozen=True, slots=True)
class _MeteredItem:
    """An item that bills a meter, with its buyer and the query for its reported usage."""

    meter: Meter
    meter_stripe_id: str
    buyer: StripeCustomer
    query: ReportedUsageQuery


def compare_page(
    *,
    account: StripeAccount,
    at: datetime,
    on_failure: OnFailure,
    project: Project | None = None,
    after: str = "",
) -> UsagePage:
    """Compare the items after the item ``after``. Four queries, and one request per item.

    Calls ``on_failure`` for an item whose count Stripe refuses or that is unreadable. Raises
    StripeUnavailable, BudgetSpent.
    """
    page = _page_of_items(account, project, after)
    items = _find_metered_items(account, page, at)
    reported = forwarding.reported_usage(
        queries=[item.query for item in items], settled_before=at - COUNTING_LAG
    )
    differences = []
    for item, usage in zip(items, reported, strict=True):
        if not usage.is_settled:
            continue
        try:
            difference = _compare(account, item, usage)
        except (StripeMalformed, StripeRefused) as error:
            on_failure(f"usage of {item.meter.code} by {item.buyer.stripe_id}", error)
            continue
        if difference is not None:
            differences.append(difference)
    return UsagePage(len(page), differences, page[-1].pk if len(page) == PAGE else "")


def _compare(
    account: StripeAccount, item: _MeteredItem, reported: ReportedUsage
) -> UsageDifference | None:
    reconcile_pages.wait_for_budget(account)
    try:
        stripe_count = meters.summary(
            client_for(account),
            item.meter_stripe_id,
            customer_stripe_id=item.buyer.stripe_id or "",
            since=item.query.since,
            until=item.query.until,
        )
    except StripeObjectMissing:
        stripe_count = Decimal(0)
    our_count = _reported_amount(item.meter, reported)
    if stripe_count == our_count:
        return None
    return UsageDifference(
        meter=item.meter,
        user_id=item.buyer.customer.user_id,
        customer_stripe_id=item.buyer.stripe_id or "",
        since=item.query.since,
        ours=our_count,
        stripes=stripe_count,
        refused=reported.refused,
    )


def _page_of_items(
    account: StripeAccount, project: Project | None, after: str
) -> list[SubscriptionItem]:
    """Items of running subscriptions that bill what an additive meter counts."""
    rows = SubscriptionItem.objects.across_projects().filter(
        pk__gt=after,
        subscription__account=account,
        subscription__status__in=LIVE,
        price__meter__aggregation__in=ADDITIVE,
    )
    if project is not None:
        rows = rows.filter(project=project)
    return list(rows.select_related("subscription", "price__meter").order_by("pk")[:PAGE])


def _find_metered_items(
    account: StripeAccount, page: Sequence[SubscriptionItem], at: datetime
) -> list[_MeteredItem]:
    """The items of the page that Stripe has counts for. Two queries."""
    stripe_ids = {
        row.meter_id: row.stripe_id
        for row in StripeMeter.objects.across_projects().filter(
            account=account, meter__in={item.price.meter_id for item in page if item.price}
        )
    }
    buyers = _buyers(account, page)
    items = []
    for item in page:
        meter = item.price.meter if item.price else None
        buyer = buyers.get((item.project_id, item.subscription.customer_id))
        since, until = (
            _ceil_minute(item.period_start),
            _floor_minute(min(item.period_end, at - COUNTING_LAG)),
        )
        if meter is None or meter.pk not in stripe_ids or buyer is None or since >= until:
            continue
        query = ReportedUsageQuery(item.project_id, buyer.customer_id, meter.pk, since, until)
        items.append(_MeteredItem(meter, stripe_ids[meter.pk], buyer, query))
    return items


def _buyers(
    account: StripeAccount, page: Sequence[SubscriptionItem]
) -> Mapping[tuple[str, str], StripeCustomer]:
    """Stripe customers of this account, by project id and customer id."""
    if not page:
        return {}
    buyers_filter = Q()
    for item in page:
        buyers_filter |= Q(project=item.project_id, customer=item.subscription.customer_id)
    rows = StripeCustomer.objects.across_projects().filter(
        buyers_filter, account=account, deleted_at__isnull=True, stripe_id__isnull=False
    )
    return {
        (row.project_id, row.customer_id): row
        for row in rows.select_related("customer").order_by("-pk")
    }


def _reported_amount(meter: Meter, reported: ReportedUsage) -> int:
    return reported.records if meter.aggregation == Aggregation.COUNT else reported.value


def _floor_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _ceil_minute(moment: datetime) -> datetime:
    floor = _floor_minute(moment)
    return floor if floor == moment else floor + MINUTE
