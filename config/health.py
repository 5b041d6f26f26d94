"""Probes. ``/live``: restart me when I do not answer. ``/ready``: send me requests, or do not.
``/health``: what a person or a monitor wants to know.

Only the database and its migrations decide whether a process is ready: with Redis or every worker
dead it still answers everything, and says that it is *degraded*. Every check has a bound, so a
probe is answered in seconds with everything else frozen.
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
from billing.outbound import selectors as intents
from billing.outbound.selectors import OpenIntents
from billing.sync.selectors import back_offs, missing_objects
from billing.sync.selectors.back_offs import AccountFailures
from common import fair_queue, heartbeats, redis
from common.chore_runs import ChoreRun, chore_runs
from common.fair_queue import QueueFailures
from common.times import rfc3339
from usage.reporting import selectors as forwarding
from usage.reporting.selectors import ForwardingStatus
from webhooks.selectors import inbound_events

PATIENCE = "2s"
"""How long the database may take for one query of a probe."""
LATE = timedelta(seconds=60)
"""An event that waits longer, or a heartbeat that is older, means that somebody should look."""

OK, DEGRADED, AWAY = "ok", "degraded", "away"


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency: ``ok``, ``degraded`` or ``away``, and how old what it waits for is."""

    status: str
    seconds: float | None = None
    detail: str | None = None
    lags: dict[str, float] | None = None
    """For how many seconds each chore has been due, by its task's name."""

    def document(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 while this process can do its work, 503 while it cannot."""
    document = report(gather(timezone.now()))
    return JsonResponse(document, status=503 if document["status"] == AWAY else 200)


@require_safe
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """The same checks and the version; always 200, because the answer is the news."""
    now = timezone.now()
    document = {"version": settings.VERSION, "time": rfc3339(now), **report(gather(now))}
    return JsonResponse(document)


def report(checks: dict[str, Check]) -> dict[str, Any]:
    """The summary and what it follows from."""
    return {
        "status": summary(checks),
        "checks": {name: check.document() for name, check in checks.items()},
    }


def summary(checks: dict[str, Check]) -> str:
    """The worst of what decides, else whether anything is degraded."""
    if AWAY in (checks["database"].status, checks["migrations"].status):
        return AWAY
    return OK if all(each.status == OK for each in checks.values()) else DEGRADED


def gather(now: datetime) -> dict[str, Check]:
    """Every check, the database's in one short transaction."""
    unknown = Check(DEGRADED, detail="unknown while the database is away")
    checks = {
        "database": Check(AWAY),
        "migrations": Check(AWAY, detail="unknown while the database is away"),
        "inbound": unknown,
        "intents": unknown,
        "usage": unknown,
        "stripe": unknown,
        "stripe_accounts": unknown,
        "queues": unknown,
        "stripe_keys": unknown,
        "pipeline": unknown,
        "worker": unknown,
        "chores": unknown,
    }
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [PATIENCE])
            checks |= {"database": Check(OK), "migrations": _migrations()}
            if checks["migrations"].status == OK:
                checks |= _work(now)
    except (DatabaseError, InterfaceError):
        checks["database"] = Check(AWAY)
    return {**checks, "redis": _redis()}


def _migrations() -> Check:
    missing = _migrations_on_disk() - set(MigrationRecorder(connection).applied_migrations())
    if missing:
        return Check(AWAY, detail=f"{len(missing)} not applied: run manage.py migrate")
    return Check(OK)


@cache
def _migrations_on_disk() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


def _work(now: datetime) -> dict[str, Check]:
    oldest = inbound_events.oldest_waiting()
    beats = heartbeats.last_beats()
    return {
        "inbound": _age(timedelta() if oldest is None else now - oldest),
        "intents": _intents(intents.count_open(), now),
        "usage": _usage(forwarding.forwarding_status(), now),
        "stripe": _stripe(back_offs.count_failing_accounts(), now),
        "stripe_accounts": _stripe_accounts(),
        "queues": _queues(fair_queue.failures_by_queue(), now),
        "stripe_keys": _stripe_keys(stripe_accounts.lacking_permissions()),
        "pipeline": _since(beats.get(heartbeats.PIPELINE), now),
        "worker": _since(beats.get(heartbeats.WORKER), now),
        "chores": _chores(chore_runs(beats, at=now)),
    }


def _intents(found: OpenIntents, now: datetime) -> Check:
    """What we have asked Stripe for and do not know the end of."""
    age = _age(timedelta() if found.oldest is None else now - found.oldest)
    if not (found.open or found.parked):
        return age
    status = DEGRADED if found.parked else age.status
    return replace(age, status=status, detail=f"{found.open} open, {found.parked} parked")


def _usage(found: ForwardingStatus, now: datetime) -> Check:
    """What Stripe has yet to hear of; what it refused waits for a person and keeps nobody up."""
    age = _age(timedelta() if found.oldest is None else now - found.oldest)
    if not (found.waiting or found.refused):
        return age
    return replace(age, detail=f"{found.waiting} to be told, {found.refused} refused")


def _queues(found: dict[str, QueueFailures], now: datetime) -> Check:
    """What failed and waits to be tried again, or is parked for a person, in any queue."""
    if not found:
        return Check(OK)
    oldest = min(each.oldest for each in found.values())
    detail = "; ".join(
        f"{queue}: {each.waiting} waiting, {each.parked} parked, of {each.owners}"
        for queue, each in sorted(found.items())
    )
    return Check(DEGRADED, seconds=max(0.0, (now - oldest).total_seconds()), detail=detail)


def _stripe_keys(lacking: int) -> Check:
    """Whether restricted keys may do all that we ask (docs/stripe-keys.md)."""
    if not lacking:
        return Check(OK)
    return Check(DEGRADED, detail=f"{lacking} restricted key(s) lack permissions")


def _chores(runs: list[ChoreRun]) -> Check:
    """What is done by the clock: by how much the latest of it is late, and which that is."""
    lags = {each.task: round(each.lag.total_seconds(), 1) for each in runs}
    late = [each for each in runs if each.is_late]
    return Check(
        DEGRADED if late else OK,
        seconds=max(lags.values()),
        detail=", ".join(_lateness(each) for each in late) or None,
        lags=lags,
    )


def _lateness(run: ChoreRun) -> str:
    if run.last_run is None:
        return f"{run.task} has never run"
    return f"{run.task} is {run.lag.total_seconds():.0f} s late"


def _since(moment: datetime | None, now: datetime) -> Check:
    return _age(None if moment is None else now - moment)


def _stripe(found: AccountFailures, now: datetime) -> Check:
    """Whether Stripe answers, as whoever asks it all the time has found: a probe of our own would
    wait for it. Not fatal: checks and uses need no Stripe, and what it tells us is kept."""
    if found.since is None:
        return Check(OK)
    counts = f"{found.silent} account(s) get no answer, {found.partly} refuse some requests"
    return replace(_since(found.since, now), status=DEGRADED, detail=counts)


def _stripe_accounts() -> Check:
    """Whether each secret key opens the Stripe account that our rows are about, and whether Stripe
    still knows what it should."""
    problems = []
    if mismatched := stripe_accounts.mismatched():
        problems.append(f"{mismatched} secret key(s) of another Stripe account: nothing is read")
    if waiting := missing_objects.waiting():
        problems.append(f"{waiting} object(s) missing at Stripe wait for a decision")
    return Check(DEGRADED, detail="; ".join(problems)) if problems else Check(OK)


def _age(age: timedelta | None) -> Check:
    if age is None:
        return Check(DEGRADED, detail="never seen")
    return Check(DEGRADED if age > LATE else OK, seconds=max(0.0, round(age.total_seconds(), 1)))


def _redis() -> Check:
    """Not fatal: everything is answered without it, some of it later."""
    return Check(OK if not redis.breaker.is_open and redis.ping() else DEGRADED)
