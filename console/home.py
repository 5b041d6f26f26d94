"""Numbers of the console's home page: few queries, each answered by an index."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, Subquery, Sum, Value
from django.db.models.functions import TruncHour

from billing.analytics import money_rows
from billing.models import Subscription, SyncObject
from billing.models.subscription import SubscriptionStatus
from billing.outbound import selectors as intents
from billing.sync.selectors.sync_objects import IN_STATE
from common.chore_runs import read_chore_runs
from common.money import Money
from common.row_counts import CountedRows, RowCount, count_rows
from delivery import ways_out
from events.models import AuditEntry, PendingEvent
from projects.models import Project
from usage.reporting import selectors as forwarding
from webhooks.models import InboundEvent
from webhooks.selectors import inbound_events
from webhooks.selectors.inbound_events import IN_STATUS

WEEK = timedelta(days=7)
DAY_IN_HOURS = 24
LATEST = 8


@dataclass(frozen=True, slots=True)
class Takings:
    """Money received, refunded and withheld because of disputes in one currency, in projects of
    one mode (live or test)."""

    livemode: bool
    count: int
    gross: Money
    refunded: Money
    disputed: Money

    @property
    def net(self) -> Money:
        """Before Stripe's fees."""
        return self.gross - self.refunded - self.disputed


def counts() -> dict[str, RowCount]:
    """Everything that the page counts without groups. One query."""
    objects = SyncObject.objects
    events = InboundEvent.objects
    newest = events.order_by("-received_at").values("pk")[:1]
    return count_rows(
        {
            "waiting": CountedRows(objects.filter(IN_STATE["waiting"])),
            "parked": CountedRows(objects.filter(IN_STATE["parked"])),
            "foreign": CountedRows(objects.filter(IN_STATE["foreign"])),
            "quarantined": CountedRows(events.filter(IN_STATUS["quarantined"])),
            "unprocessed": CountedRows(inbound_events.unprocessed(), "received_at"),
            "newest_event": CountedRows(events.filter(pk=Subquery(newest)), "received_at"),
            **intents.open_rows(),
            **forwarding.unreported_rows(),
            "projects": CountedRows(Project.objects.filter(suspended_at__isnull=True)),
            "outbox": CountedRows(PendingEvent.objects.all()),
        }
    )


@dataclass(frozen=True, slots=True)
class Hour:
    """Events received in the hour that began ``at``; ``percent`` of the busiest one."""

    at: datetime
    events: int
    percent: int


def hourly(now: datetime) -> list[Hour]:
    """Events of the last 24 hours, hour by hour; the current hour is the last."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=back) for back in reversed(range(DAY_IN_HOURS))]
    rows = (
        InboundEvent.objects.filter(received_at__gte=hours[0])
        .values_list(TruncHour("received_at"))
        .annotate(events=Count("pk"))
    )
    counts: dict[datetime, int] = dict(rows)
    busiest = max(counts.values(), default=0) or 1
    return [
        Hour(at=hour, events=counts.get(hour, 0), percent=100 * counts.get(hour, 0) // busiest)
        for hour in hours
    ]


@dataclass(frozen=True, slots=True)
class SubscriptionCount:
    """Subscriptions in one status, of live projects and of test projects."""

    live: int = 0
    test: int = 0


def subscriptions() -> dict[str, SubscriptionCount]:
    """Number of subscriptions by status; only statuses that have not ended are counted."""
    rows = (
        Subscription.objects.across_projects()
        .filter(
            status__in=[
                SubscriptionStatus.ACTIVE,
                SubscriptionStatus.TRIALING,
                SubscriptionStatus.PAST_DUE,
            ]
        )
        .values_list("status")
        .annotate(
            live=Count("pk", filter=Q(project__livemode=True)),
            test=Count("pk", filter=Q(project__livemode=False)),
        )
    )
    none = {status.value: SubscriptionCount() for status in SubscriptionStatus}
    return none | {status: SubscriptionCount(live, test) for status, live, test in rows}


def takings(now: datetime) -> list[Takings]:
    """Money of the last seven days by mode and currency, counted as the API's metrics count it.
    Live projects come first, then the currency with the most payments. One query."""
    since = now - WEEK
    rows = {
        "gross": (money_rows.payments(start=since, end=now), "amount_received"),
        "refunded": (money_rows.refunds(start=since, end=now), "amount"),
        "disputed": (money_rows.withheld_disputes(start=since, end=now), "amount"),
    }
    parts = [
        query.order_by()
        .values_list("project__livemode", "currency", Value(name))
        .annotate(n=Count("pk"), total=Sum(amount))
        for name, (query, amount) in rows.items()
    ]
    sums: defaultdict[tuple[bool, str], Counter[str]] = defaultdict(Counter)
    counts: Counter[tuple[bool, str]] = Counter()
    for livemode, currency, name, number, total in parts[0].union(*parts[1:], all=True):
        sums[livemode, currency][name] = total
        counts[livemode, currency] += number if name == "gross" else 0
    result = [
        Takings(
            livemode=livemode,
            count=counts[livemode, currency],
            **{name: Money(amounts[name], currency) for name in rows},
        )
        for (livemode, currency), amounts in sums.items()
    ]
    return sorted(result, key=lambda row: (not row.livemode, -row.count, row.gross.currency))


def gather(now: datetime) -> dict[str, Any]:
    """The context of the home page's template."""
    hours = hourly(now)
    return {
        "now": now,
        "counts": counts(),
        "hours": hours,
        "events_today": sum(hour.events for hour in hours),
        "subscriptions": subscriptions(),
        "takings": takings(now),
        "ways_out": ways_out.all_ways(at=now),
        "chores": read_chore_runs(at=now),
        "parked": list(
            SyncObject.objects.filter(parked_at__isnull=False)
            .select_related("account")
            .order_by("-parked_at")[:LATEST]
        ),
        "audit": list(AuditEntry.objects.select_related("project").order_by("-pk")[:LATEST]),
    }
