"""Whether Stripe has counted what we have: the running periods of metered subscriptions.

Stripe counts a while after it was told, so the last minutes are left out, and a customer with
records on their way is looked at the next time. A difference is shown and not repaired: what
Stripe was told stands, and what it refused waits for a person.
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

LAG = timedelta(minutes=10)
"""How long Stripe may take to count an event."""
MINUTE = timedelta(minutes=1)
PAGE = 20
"""Items whose rows are read together. Stripe is asked about each of them, while one lease lasts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One customer and meter whose use Stripe counts otherwise, from a time on."""

    meter: Meter
    user_id: str
    customer_stripe_id: str
    since: datetime
    ours: int
    stripes: Decimal
    refused: int

    def __str__(self) -> str:
        head = f"usage of {self.meter.code} by {self.user_id} ({self.customer_stripe_id})"
        said = f"{head} since {self.since:%Y-%m-%d %H:%M}: {self.ours} -> {self.stripes:f}"
        return f"{said}; {self.refused} record(s) refused" if self.refused else said


@dataclass(frozen=True, slots=True)
class UsagePage:
    """``after`` is where the next page begins; empty behind the last one."""

    checked: int
    differences: Sequence[Difference]
    after: str


@dataclass(frozen=True, slots=True)
class _Use:
    """What an item bills of a meter, to whom, and what Stripe was told of it."""

    meter: Meter
    meter_stripe_id: str
    buyer: StripeCustomer
    asked: ReportedUsageQuery


def compare_page(
    *,
    account: StripeAccount,
    at: datetime,
    on_failure: OnFailure,
    project: Project | None = None,
    after: str = "",
) -> UsagePage:
    """Compare the items behind the item ``after``. Four queries and a request for each item.

    An item whose usage Stripe refuses to tell, or tells in a way that cannot be read, is given to
    ``on_failure``. Raises StripeUnavailable, BudgetSpent.
    """
    page = _metered(account, project, after)
    uses = _uses(account, page, at)
    told = forwarding.reported_usage(queries=[use.asked for use in uses], settled_before=at - LAG)
    found = []
    for use, records in zip(uses, told, strict=True):
        if not records.is_settled:
            continue
        try:
            difference = _compare(account, use, records)
        except (StripeMalformed, StripeRefused) as error:
            on_failure(f"usage of {use.meter.code} by {use.buyer.stripe_id}", error)
            continue
        if difference is not None:
            found.append(difference)
    return UsagePage(len(page), found, page[-1].pk if len(page) == PAGE else "")


def _compare(account: StripeAccount, use: _Use, told: ReportedUsage) -> Difference | None:
    reconcile_pages.wait_for_budget(account)
    try:
        counted = meters.summary(
            client_for(account),
            use.meter_stripe_id,
            customer_stripe_id=use.buyer.stripe_id or "",
            since=use.asked.since,
            until=use.asked.until,
        )
    except StripeObjectMissing:
        counted = Decimal(0)
    ours = _figure(use.meter, told)
    if counted == ours:
        return None
    return Difference(
        meter=use.meter,
        user_id=use.buyer.customer.user_id,
        customer_stripe_id=use.buyer.stripe_id or "",
        since=use.asked.since,
        ours=ours,
        stripes=counted,
        refused=told.refused,
    )


def _metered(account: StripeAccount, project: Project | None, after: str) -> list[SubscriptionItem]:
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


def _uses(account: StripeAccount, page: Sequence[SubscriptionItem], at: datetime) -> list[_Use]:
    """What of the page Stripe counts by now: two queries."""
    meters_of = {
        each.meter_id: each.stripe_id
        for each in StripeMeter.objects.across_projects().filter(
            account=account, meter__in={item.price.meter_id for item in page if item.price}
        )
    }
    buyers = _buyers(account, page)
    found = []
    for item in page:
        meter = item.price.meter if item.price else None
        buyer = buyers.get((item.project_id, item.subscription.customer_id))
        since, until = _up(item.period_start), _down(min(item.period_end, at - LAG))
        if meter is None or meter.pk not in meters_of or buyer is None or since >= until:
            continue
        asked = ReportedUsageQuery(item.project_id, buyer.customer_id, meter.pk, since, until)
        found.append(_Use(meter, meters_of[meter.pk], buyer, asked))
    return found


def _buyers(
    account: StripeAccount, page: Sequence[SubscriptionItem]
) -> Mapping[tuple[str, str], StripeCustomer]:
    """By project and customer, as whom this account knows them."""
    if not page:
        return {}
    whose = Q()
    for item in page:
        whose |= Q(project=item.project_id, customer=item.subscription.customer_id)
    rows = StripeCustomer.objects.across_projects().filter(
        whose, account=account, deleted_at__isnull=True, stripe_id__isnull=False
    )
    return {
        (row.project_id, row.customer_id): row
        for row in rows.select_related("customer").order_by("-pk")
    }


def _figure(meter: Meter, told: ReportedUsage) -> int:
    return told.records if meter.aggregation == Aggregation.COUNT else told.value


def _down(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _up(moment: datetime) -> datetime:
    down = _down(moment)
    return down if down == moment else down + MINUTE
