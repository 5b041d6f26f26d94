"""Reads what is counted: subscriptions, spans, counted days, and the progress of counting."""

from collections.abc import Collection, Iterable
from datetime import date, datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from billing.analytics.subscription_states import NEVER_BEGAN, Coupons
from billing.analytics.utc_days import end_of, start_of
from billing.models import (
    AnalyticsProgress,
    Coupon,
    Subscription,
    SubscriptionDay,
    SubscriptionSpan,
)
from common.fair_queue import RetryRule, is_backing_off
from common.models import ProjectQuerySet
from projects.models import Project

RETRY_RULE = RetryRule(queue="daily_counts")
NEVER = date(1970, 1, 1)
"""``next_day`` of a project that is not counted yet."""


def with_items(rows: ProjectQuerySet[Subscription]) -> ProjectQuerySet[Subscription]:
    """The subscriptions, loaded with what their states need."""
    return rows.prefetch_related("items__price__product")


def subscriptions_of_day(
    *, project_id: str, day: date, after: str, limit: int
) -> list[Subscription]:
    """The next subscriptions that may count at the end of this day, or have a span that lasts, by
    id. Loaded with what their states need."""
    open_spans = SubscriptionSpan.objects.for_project(project_id).filter(
        subscription=OuterRef("pk"), ends_on=date.max
    )
    lives = Q(ended_at__isnull=True) | Q(ended_at__gte=end_of(day))
    rows = Subscription.objects.for_project(project_id).filter(
        Q(lives, started_at__lt=end_of(day)) & ~Q(status__in=NEVER_BEGAN) | Exists(open_spans),
        pk__gt=after,
    )
    return list(with_items(rows).order_by("pk")[:limit])


def changed_subscriptions(
    *, project_ids: Collection[str], since: datetime
) -> ProjectQuerySet[Subscription]:
    """Subscriptions of these projects whose rows have changed since then."""
    rows = Subscription.objects.across_projects()
    return rows.filter(project_id__in=project_ids, updated_at__gte=since)


def coupons_of(rows: Iterable[Subscription]) -> Coupons:
    """The coupons of the discounts of these subscriptions, by our id. At most one query."""
    rows = list(rows)
    coupon_ids = {
        discount["coupon"] for row in rows for discount in row.discounts if discount["coupon"]
    }
    if not coupon_ids:
        return {}
    coupons = Coupon.objects.across_projects().filter(
        project_id__in={row.project_id for row in rows}, pk__in=coupon_ids
    )
    return {coupon.pk: coupon for coupon in coupons}


def spans_on(*, project_id: str, day: date) -> ProjectQuerySet[SubscriptionSpan]:
    """The spans that contain this day."""
    rows = SubscriptionSpan.objects.for_project(project_id)
    return rows.filter(starts_on__lte=day, ends_on__gt=day)


def started_on(*, project_id: str, day: date) -> ProjectQuerySet[Subscription]:
    """The subscriptions that began on this day."""
    rows = Subscription.objects.for_project(project_id).exclude(status__in=NEVER_BEGAN)
    return rows.filter(started_at__gte=start_of(day), started_at__lt=end_of(day))


def canceled_on(*, project_id: str, day: date) -> ProjectQuerySet[Subscription]:
    """The subscriptions that ended on this day."""
    rows = Subscription.objects.for_project(project_id).exclude(status__in=NEVER_BEGAN)
    return rows.filter(ended_at__gte=start_of(day), ended_at__lt=end_of(day))


def projects_without_progress() -> list[str]:
    """Ids of the projects whose days nobody counts yet."""
    progress = AnalyticsProgress.objects.across_projects().filter(project=OuterRef("pk"))
    return list(Project.objects.filter(~Exists(progress)).values_list("pk", flat=True))


def lock_due(*, at: datetime) -> AnalyticsProgress | None:
    """The due project whose last page was counted longest ago; None without one.

    Projects that another worker counts are left out. The row stays locked until the transaction
    ends.
    """
    due = AnalyticsProgress.objects.across_projects().filter(
        ~is_backing_off(RETRY_RULE, owner="project_id", subject="pk"), due_at__lte=at
    )
    unlocked = due.select_for_update(skip_locked=True, of=("self",))
    return unlocked.order_by(F("paged_at").asc(nulls_first=True), "pk").first()


def first_moment(*, project_id: str) -> datetime | None:
    """When the project's first subscription began; None without one."""
    rows = Subscription.objects.for_project(project_id).exclude(status__in=NEVER_BEGAN)
    return rows.order_by("started_at").values_list("started_at", flat=True).first()


def subscriptions_after(*, after: str, project_id: str, limit: int) -> list[Subscription]:
    """The next subscriptions by id, of one project or (empty) of all. Loaded with what their
    states need."""
    rows = Subscription.objects.across_projects().filter(pk__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    return list(with_items(rows).order_by("pk")[:limit])


def open_spans(rows: Iterable[Subscription]) -> dict[str, SubscriptionSpan]:
    """The spans of these subscriptions that last, by subscription id."""
    rows = list(rows)
    spans = SubscriptionSpan.objects.across_projects().filter(
        project_id__in={row.project_id for row in rows},
        subscription__in=[row.pk for row in rows],
        ends_on=date.max,
    )
    return {span.subscription_id: span for span in spans}


def lock_next(*, after: str, project_id: str) -> AnalyticsProgress | None:
    """The progress of the next project by its id, of this one or (empty) of all; None after the
    last. It stays locked until the transaction ends."""
    rows = AnalyticsProgress.objects.across_projects().filter(project_id__gt=after)
    if project_id:
        rows = rows.filter(project_id=project_id)
    return rows.select_for_update(of=("self",)).order_by("project_id").first()


def lock(*, project: Project | str) -> AnalyticsProgress | None:
    """The project's progress; waits for a page that is being counted. None before the first."""
    rows = AnalyticsProgress.objects.for_project(project)
    return rows.select_for_update(of=("self",)).first()


def spans_of_customers(
    *, project_ids: Collection[str], changed: ProjectQuerySet[Subscription]
) -> list[SubscriptionSpan]:
    """All spans of the customers of these subscriptions of these projects."""
    rows = SubscriptionSpan.objects.across_projects().filter(project_id__in=project_ids)
    return list(rows.filter(customer__in=changed.order_by().values("customer_id")))


def days_of(*, project_ids: Collection[str], day: date) -> ProjectQuerySet[SubscriptionDay]:
    """The counted rows of this day."""
    rows = SubscriptionDay.objects.across_projects()
    return rows.filter(project_id__in=project_ids, day=day)


def progress_of(*, project_ids: Collection[str]) -> ProjectQuerySet[AnalyticsProgress]:
    """How far the days of these projects are counted."""
    rows = AnalyticsProgress.objects.across_projects()
    return rows.filter(project_id__in=project_ids)


def projects(*, livemode: bool) -> QuerySet[Project]:
    """All live or all test projects."""
    return Project.objects.filter(livemode=livemode)


def project_ids(*, livemode: bool) -> list[str]:
    """The ids of all live or all test projects."""
    return list(projects(livemode=livemode).order_by().values_list("pk", flat=True))


def next_days(*, project_ids: Collection[str]) -> dict[str, date]:
    """The first day that is not counted, of each project; NEVER if none is."""
    rows = progress_of(project_ids=project_ids).values_list("project_id", "next_day")
    days = dict.fromkeys(project_ids, NEVER)
    return days | {project_id: day for project_id, day in rows if day is not None}


def revenue_times(*, project_ids: Collection[str]) -> dict[str, datetime]:
    """When the money of each project was counted last; a project without a count is left out."""
    rows = progress_of(project_ids=project_ids).filter(revenue_counted_at__isnull=False)
    times = rows.values_list("project_id", "revenue_counted_at")
    return {project_id: time for project_id, time in times if time is not None}
