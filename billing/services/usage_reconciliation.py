"""Whether Stripe has counted what we have: the running periods of metered subscriptions.

Stripe counts a while after it was told, so the last minutes are left out, and a customer with
records on their way is looked at the next time. A difference is shown and not repaired: what
Stripe was told stands, and what it refused waits for a person.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from billing.models import StripeAccount, StripeCustomer, StripeMeter, SubscriptionItem
from billing.models.subscription import LIVE
from billing.services import reconcile_pages
from billing.stripe import meters
from billing.stripe.client import client_for
from billing.stripe.errors import StripeMalformed, StripeObjectMissing, StripeRefused
from common.errors import DomainError
from projects.models import Project
from usage.models.meter import ADDITIVE, Aggregation, Meter
from usage.selectors import forwarding
from usage.selectors.forwarding import Told

LAG = timedelta(minutes=10)
"""How long Stripe may take to count an event."""
MINUTE = timedelta(minutes=1)


def _raise(what: str, error: DomainError) -> None:
    raise error


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


def compare(
    *,
    account: StripeAccount,
    at: datetime,
    project: Project | None = None,
    tick: Callable[[], object] = lambda: None,
    on_failure: Callable[[str, DomainError], object] = _raise,
    after: str = "",
    on_item: Callable[[str], object] = lambda pk: None,
) -> Iterator[Difference]:
    """Every difference. ``tick`` is called for each customer and meter looked at.

    An item whose usage Stripe refuses to tell, or tells in a way that cannot be read, is given to
    ``on_failure``; without it that is raised. Begins behind the item ``after``; ``on_item`` is told
    the id of each item before it is compared. Raises StripeUnavailable, BudgetSpent.
    """
    known = StripeMeter.objects.across_projects().filter(account=account)
    by_meter = {each.meter_id: each for each in known}
    for item in _metered(account, project, after):
        on_item(item.pk)
        assert item.price is not None
        assert item.price.meter is not None
        meter = by_meter.get(item.price.meter_id or "")
        buyer = _buyer(account, item)
        if meter is not None and buyer is not None:
            tick()
            reconcile_pages.wait_for_budget(account)
            try:
                found = _compare(account, item, item.price.meter, meter, buyer, at)
            except (StripeMalformed, StripeRefused) as error:
                on_failure(f"usage of {item.price.meter.code} by {buyer.stripe_id}", error)
                continue
            if found is not None:
                yield found


def _compare(
    account: StripeAccount,
    item: SubscriptionItem,
    meter: Meter,
    known: StripeMeter,
    buyer: StripeCustomer,
    at: datetime,
) -> Difference | None:
    since, until = _up(item.period_start), _down(min(item.period_end, at - LAG))
    if since >= until:
        return None
    told = forwarding.told(
        project_id=item.project_id,
        customer_id=buyer.customer_id,
        meter_id=meter.pk,
        since=since,
        until=until,
        lately=at - LAG,
    )
    if not told.settled:
        return None
    try:
        counted = meters.summary(
            client_for(account),
            known.stripe_id,
            customer_stripe_id=buyer.stripe_id or "",
            since=since,
            until=until,
        )
    except StripeObjectMissing:
        counted = Decimal(0)
    ours = _figure(meter, told)
    if counted == ours:
        return None
    return Difference(
        meter=meter,
        user_id=buyer.customer.user_id,
        customer_stripe_id=buyer.stripe_id or "",
        since=since,
        ours=ours,
        stripes=counted,
        refused=told.refused,
    )


def _metered(
    account: StripeAccount, project: Project | None, after: str
) -> Iterator[SubscriptionItem]:
    """Items of running subscriptions that bill what an additive meter counts."""
    rows = SubscriptionItem.objects.across_projects().filter(
        pk__gt=after,
        subscription__account=account,
        subscription__status__in=LIVE,
        price__meter__aggregation__in=ADDITIVE,
    )
    if project is not None:
        rows = rows.filter(project=project)
    rows = rows.select_related("subscription", "price__meter").order_by("pk")
    yield from rows.iterator(chunk_size=500)


def _buyer(account: StripeAccount, item: SubscriptionItem) -> StripeCustomer | None:
    rows = StripeCustomer.objects.for_project(item.project_id).filter(
        account=account,
        customer_id=item.subscription.customer_id,
        deleted_at__isnull=True,
        stripe_id__isnull=False,
    )
    return rows.select_related("customer").first()


def _figure(meter: Meter, told: Told) -> int:
    return told.records if meter.aggregation == Aggregation.COUNT else told.value


def _down(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _up(moment: datetime) -> datetime:
    down = _down(moment)
    return down if down == moment else down + MINUTE
