"""Probes. ``/live``: restart the process if it does not answer. ``/ready``: whether to send
requests to it. ``/health``: details for people and monitoring.

Only the database and its migrations decide whether a process is ready: without Redis or workers it
still answers everything and is only *degraded*. Every check has a time limit, so a probe is
answered in seconds even if everything else is frozen.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeAccount
from billing.outbound import selectors as intents
from billing.outbound.selectors import OpenIntents
from billing.stripe import budget
from billing.sync.selectors import back_offs, missing_objects
from billing.sync.selectors.back_offs import AccountFailures
from common import chore_pauses, fair_queue, heartbeats, redis
from common.chore_runs import ChoreRun, chore_runs
from common.fair_queue import QueueFailures
from common.times import rfc3339
from delivery import ways_out
from delivery.ways_out import WayOut
from events.log import selectors as event_log
from usage.reporting import selectors as forwarding
from usage.reporting.selectors import ForwardingStatus
from webhooks.selectors import inbound_events

PATIENCE = "2s"
"""Longest time of one database query of a probe."""
LATE = timedelta(seconds=60)
"""An event that waits longer, or a heartbeat that is older, makes the check degraded."""

OK, DEGRADED, AWAY = "ok", "degraded", "away"


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one dependency: ``ok``, ``degraded`` or ``away``; ``seconds`` is its delay."""

    status: str
    seconds: float | None = None
    detail: str | None = None
    lags: dict[str, float] | None = None
    """Seconds since each chore became due, by task name."""

    def document(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """Answer without using any other service."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 if this process can work, otherwise 503."""
    document = report(gather(timezone.now()))
    return JsonResponse(document, status=503 if document["status"] == AWAY else 200)


@require_safe
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """The same checks and the version; always 200."""
    now = timezone.now()
    document = {"version": settings.VERSION, "time": rfc3339(now), **report(gather(now))}
    return JsonResponse(document)


def report(checks: dict[str, Check]) -> dict[str, Any]:
    """The summary and all checks."""
    return {
        "status": summary(checks),
        "checks": {name: check.document() for name, check in checks.items()},
    }


def summary(checks: dict[str, Check]) -> str:
    """``away`` if the database or a migration is missing, ``degraded`` if any check is not ok."""
    if AWAY in (checks["database"].status, checks["migrations"].status):
        return AWAY
    return OK if all(each.status == OK for each in checks.values()) else DEGRADED


def gather(now: datetime) -> dict[str, Check]:
    """All checks; those of the database in one short transaction."""
    unknown = Check(DEGRADED, detail="unknown while the database is away")
    checks = {
        "database": Check(AWAY),
        "migrations": Check(AWAY, detail="unknown while the database is away"),
        "inbound": unknown,
        "intents": unknown,
        "events": unknown,
        "usage": unknown,
        "stripe": unknown,
        "stripe_accounts": unknown,
        "queues": unknown,
        "stripe_keys": unknown,
        "pipeline": unknown,
        "worker": unknown,
        "chores": unknown,
    }
    accounts: list[StripeAccount] = []
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [PATIENCE])
            checks |= {"database": Check(OK), "migrations": _migrations()}
            if checks["migrations"].status == OK:
                checks |= _database_checks(now)
                accounts = stripe_accounts.with_key()
    except (DatabaseError, InterfaceError):
        checks["database"] = Check(AWAY)
    return {**checks, "stripe_budget": _stripe_budget(accounts), "redis": _redis()}


def _migrations() -> Check:
    missing = _migrations_on_disk() - set(MigrationRecorder(connection).applied_migrations())
    if missing:
        return Check(AWAY, detail=f"{len(missing)} not applied: run manage.py migrate")
    return Check(OK)


@cache
def _migrations_on_disk() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


def _database_checks(now: datetime) -> dict[str, Check]:
    oldest = inbound_events.oldest_waiting()
    oldest_pending = event_log.oldest_pending()
    beats = heartbeats.last_beats()
    return {
        "inbound": _age(timedelta() if oldest is None else now - oldest),
        "intents": _intents(intents.count_open(), now),
        "events": _age(timedelta() if oldest_pending is None else now - oldest_pending),
        **_ways_out(now),
        "usage": _usage(forwarding.forwarding_status(), now),
        "stripe": _stripe(back_offs.count_failing_accounts(), now),
        "stripe_accounts": _stripe_accounts(),
        "queues": _queues(fair_queue.failures_by_queue(), now),
        "stripe_keys": _stripe_keys(
            lacking=stripe_accounts.lacking_permissions(),
            without_key=stripe_accounts.projects_without_key(),
        ),
        "pipeline": _since(beats.get(heartbeats.PIPELINE), now),
        "worker": _since(beats.get(heartbeats.WORKER), now),
        "chores": _chores(chore_runs(beats, at=now, paused=chore_pauses.find_paused())),
    }


def _intents(counts: OpenIntents, now: datetime) -> Check:
    """Requests to Stripe whose result is not known yet."""
    age = _age(timedelta() if counts.oldest is None else now - counts.oldest)
    if not (counts.open or counts.parked):
        return age
    status = DEGRADED if counts.parked else age.status
    return replace(age, status=status, detail=f"{counts.open} open, {counts.parked} parked")


def _ways_out(now: datetime) -> dict[str, Check]:
    """Each way out: what waits there, and what is parked."""
    ways: dict[str, list[WayOut]] = {}
    for way in ways_out.all_ways(at=now):
        ways.setdefault(way.name, []).append(way)
    return {name: _way_out(group) for name, group in ways.items()}


def _way_out(ways: list[WayOut]) -> Check:
    check = _age(max(way.age for way in ways))
    status = DEGRADED if any(way.stuck for way in ways) else check.status
    details = [way.detail for way in ways if way.detail]
    return replace(check, status=status, detail=", ".join(details) or None)


def _usage(status: ForwardingStatus, now: datetime) -> Check:
    """Usage that is not reported to Stripe yet. Refused usage waits for an operator and degrades
    nothing."""
    age = _age(timedelta() if status.oldest is None else now - status.oldest)
    if not (status.waiting or status.refused):
        return age
    return replace(
        age,
        detail=f"{status.waiting} to be reported, {status.refused} refused",
    )


def _queues(failures_by_queue: dict[str, QueueFailures], now: datetime) -> Check:
    """Failed subjects of all queues that wait for another try or are parked."""
    if not failures_by_queue:
        return Check(OK)
    oldest = min(failures.oldest for failures in failures_by_queue.values())
    detail = "; ".join(
        f"{queue}: {failures.waiting} waiting, {failures.parked} parked, of {failures.owners}"
        for queue, failures in sorted(failures_by_queue.items())
    )
    return Check(DEGRADED, seconds=max(0.0, (now - oldest).total_seconds()), detail=detail)


def _stripe_keys(*, lacking: int, without_key: int) -> Check:
    """Whether every project has a key, and restricted keys have all permissions that we need
    (docs/stripe-keys.md). Never fatal: what needs no Stripe is answered."""
    problems = []
    if lacking:
        problems.append(f"{lacking} restricted key(s) lack permissions")
    if without_key:
        problems.append(f"{without_key} project(s) cannot sell: they have no Stripe key")
    return Check(DEGRADED, detail="; ".join(problems)) if problems else Check(OK)


def _chores(runs: list[ChoreRun]) -> Check:
    """Delays of the periodic tasks; names those that are late, and those that are paused."""
    lags = {run.task: round(run.lag.total_seconds(), 1) for run in runs}
    late = [run for run in runs if run.is_late]
    paused = [f"{run.task} is paused" for run in runs if run.is_paused]
    return Check(
        DEGRADED if late else OK,
        seconds=max(lags.values()),
        detail=", ".join([*map(_lateness, late), *paused]) or None,
        lags=lags,
    )


def _lateness(run: ChoreRun) -> str:
    if run.last_run is None:
        return f"{run.task} has never run"
    return f"{run.task} is {run.lag.total_seconds():.0f} s late"


def _since(moment: datetime | None, now: datetime) -> Check:
    return _age(None if moment is None else now - moment)


def _stripe(failures: AccountFailures, now: datetime) -> Check:
    """Whether Stripe answers our regular requests; a probe would have to wait for a request of its
    own.

    Never fatal: checks and usage need no Stripe, and events are stored.
    """
    if failures.since is None:
        return Check(OK)
    counts = f"{failures.silent} account(s) get no answer, {failures.partly} refuse some requests"
    return replace(_since(failures.since, now), status=DEGRADED, detail=counts)


def _stripe_accounts() -> Check:
    """Whether each secret key belongs to the account of our rows, and whether mirrored objects are
    missing."""
    problems = []
    if mismatched := stripe_accounts.mismatched():
        problems.append(f"{mismatched} secret key(s) of another Stripe account: nothing is read")
    if waiting := missing_objects.waiting():
        problems.append(f"{waiting} object(s) missing at Stripe wait for a decision")
    return Check(DEGRADED, detail="; ".join(problems)) if problems else Check(OK)


def _stripe_budget(accounts: list[StripeAccount]) -> Check:
    """The least that any account has left of its budget of reads. Never degraded: reads wait, and
    ``inbound`` says for how long."""
    shares = budget.shares_left(accounts)
    if not shares:
        return Check(OK)
    return Check(
        OK, detail=f"at least {min(shares.values()):.0%} left, {len(shares)} account(s) in use"
    )


def _age(age: timedelta | None) -> Check:
    if age is None:
        return Check(DEGRADED, detail="never seen")
    return Check(DEGRADED if age > LATE else OK, seconds=max(0.0, round(age.total_seconds(), 1)))


def _redis() -> Check:
    """Never fatal: everything works without Redis, some of it later."""
    return Check(OK if not redis.breaker.is_open and redis.ping() else DEGRADED)
