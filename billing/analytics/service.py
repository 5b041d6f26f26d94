"""Count the days of all projects, one page of one project after the other.

A day is counted ten minutes after its end, when its last webhooks have arrived. Then each project
in turn gets one page: the spans of up to 1000 subscriptions, and after the last of them the rows of
the day. Days that were missed are counted one after the other. A project whose count fails waits
and delays no other one.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from billing.analytics import revenue_days, spans, subscription_days
from billing.analytics import selectors as stored
from billing.analytics.selectors import RETRY_RULE
from billing.analytics.utc_days import DAY, day_of, end_of, start_of
from billing.models import AnalyticsProgress, RevenueDay, SubscriptionDay, SubscriptionSpan
from common.fair_queue import QueueRun
from projects.models import Project

ARRIVAL_TIME = timedelta(minutes=10)
"""Time after the end of a day until it is counted."""
LATE = timedelta(hours=1)
"""A day that is counted later than this after its end is an estimate."""
MAX_DAYS = 400
"""Most days before today that are counted when a project begins to be counted."""
PAGE = 1000
"""Subscriptions whose spans are written in one transaction."""
PAGES_PER_RUN = 100
REVENUE_PERIOD = timedelta(hours=1)
"""Time between two recounts of the money of the last days."""
REVENUE_DAYS = 35
"""Days before today whose money is recounted every time."""


def count_due(*, at: datetime, pages: int = PAGES_PER_RUN) -> int:
    """Count what is due, at most this many pages. Returns how many pages were counted."""
    begin_projects(at=at)
    run = QueueRun(RETRY_RULE)
    for number in range(pages):
        if not _count_page(run, at):
            return number
    return pages


def begin_projects(*, at: datetime) -> None:
    """Let each project that is not counted yet be counted from now on."""
    AnalyticsProgress.objects.across_projects().bulk_create(
        [
            AnalyticsProgress(project_id=project_id, due_at=at)
            for project_id in stored.projects_without_progress()
        ],
        ignore_conflicts=True,
    )


def begin_again(*, project: Project, at: datetime) -> None:
    """Forget all days of the project and count them again from the mirrors, as estimates.

    For a project whose subscriptions were imported after its days were counted.
    """
    with transaction.atomic():
        stored.lock(project=project)
        for model in (SubscriptionSpan, SubscriptionDay, RevenueDay):
            model.objects.for_project(project).delete()
        AnalyticsProgress.objects.for_project(project).update(
            first_day=None, next_day=None, after="", revenue_counted_at=None, due_at=at
        )


def _count_page(run: QueueRun, at: datetime) -> bool:
    """Count one page of the project that has waited longest. False if none is due."""
    with transaction.atomic():
        progress = stored.lock_due(at=at)
        if progress is None:
            return False
        run.attempt(lambda row: _count_next(row, at), progress)
    return True


def _count_next(progress: AnalyticsProgress, at: datetime) -> bool:
    with transaction.atomic():
        if progress.next_day is None:
            _begin(progress, at)
        assert progress.next_day is not None
        if is_due(progress.next_day, at):
            _count_spans(progress, progress.next_day, at)
            progress.due_at = at
        else:
            _recount_revenue(progress, at)
            due_at = end_of(progress.next_day) + ARRIVAL_TIME
            progress.due_at = min(due_at, at + REVENUE_PERIOD)
        progress.paged_at = Now()
        progress.save()
    return True


def is_due(day: date, at: datetime) -> bool:
    """Whether the day is over and its last webhooks have had time to arrive."""
    return at >= end_of(day) + ARRIVAL_TIME


def _begin(progress: AnalyticsProgress, at: datetime) -> None:
    """Begin with the day of the first subscription, at most 400 days ago."""
    today = day_of(at)
    first = stored.first_moment(project_id=progress.project_id)
    day = today if first is None else max(min(day_of(first), today), today - MAX_DAYS * DAY)
    progress.first_day = progress.next_day = day


def _count_spans(progress: AnalyticsProgress, day: date, at: datetime) -> None:
    """Write one page of spans; after the last one, the rows of the day."""
    is_late = at >= end_of(day) + LATE
    rows = stored.subscriptions_of_day(
        project_id=progress.project_id, day=day, after=progress.after, limit=PAGE
    )
    if rows:
        spans.write_day(project_id=progress.project_id, rows=rows, day=day, is_late=is_late)
    if len(rows) == PAGE:
        progress.after = rows[-1].pk
        return
    counted = subscription_days.count(project_id=progress.project_id, day=day, at=at)
    for row in counted.values():
        row.is_estimate = is_late
    subscription_days.store(project_id=progress.project_id, day=day, rows=counted)
    progress.after, progress.next_day = "", day + DAY


def _recount_revenue(progress: AnalyticsProgress, at: datetime) -> None:
    """Count the money of the last days again; the first time that of all 400 days."""
    days = REVENUE_DAYS if progress.revenue_counted_at else MAX_DAYS
    today = day_of(at)
    revenue_days.recount(
        project_id=progress.project_id,
        start=start_of(today - days * DAY),
        end=start_of(today),
        at=at,
    )
    progress.revenue_counted_at = at
