"""``entitlements.changed``: told when an answer differs from the one that was told last.

A change of facts tells at once (:func:`changed`). Time changes answers too, when a trial ends
or a scheduled grant starts: :func:`tell_due` finds those customers by their snapshot.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from django.db import DatabaseError, transaction

from entitlements import cache, representation, resolution
from entitlements.models import Fact, Snapshot
from entitlements.resolution import Decision, Standing
from entitlements.selectors import facts as stored
from entitlements.selectors import features, free_tier, snapshots
from events.catalog import EventType
from events.services import outbox
from projects.models import Customer
from projects.selectors import customers

log = structlog.get_logger(__name__)


def changed(
    *, customer: Customer, before: Sequence[Fact], after: Sequence[Fact], at: datetime
) -> None:
    """Tell the customer's new state, unless every answer is as it was told last.

    ``before`` and ``after`` are the rows that counted and that count now. The caller holds the
    customer's lock and has raised its version.
    """
    last = snapshots.of(customer)
    then = last.taken_at if last else min(customer.created_at, at)
    everybody = free_tier.history(
        project=customer.project_id, since=min(then, at), until=max(then, at)
    )
    about = (
        features.live_definitions(project=customer.project_id)
        | free_tier.definitions(everybody)
        | stored.definitions([*before, *after])
    )
    old = resolution.resolve_all(
        [*stored.known(before), *free_tier.facts(everybody, at=then)],
        features=about,
        at=last.taken_at if last else at,
        version=last.version if last else 0,
    )
    new = resolution.resolve_all(
        [*stored.known(after), *free_tier.facts(everybody, at=at)],
        features=about,
        at=at,
        version=customer.version,
    )
    if differing := _differing(old, new):
        _tell(customer, now=new, were=differing, at=at)
    _remember(customer, new.values(), at)


def tell_due(*, at: datetime, limit: int) -> int:
    """Tell what time alone has changed by now; how many customers were looked at."""
    due = snapshots.due(at=at, limit=limit)
    for project_id, customer_id in due:
        try:
            _tell_again(project_id, customer_id, at)
        except DatabaseError as error:  # a lock that somebody holds: the next run finds it again
            log.warning("not_told", customer=customer_id, error=type(error).__name__)
    return len(due)


def _tell_again(project_id: str, customer_id: str, at: datetime) -> None:
    with transaction.atomic():
        customer = customers.lock(project_id=project_id, customer_id=customer_id)
        last = snapshots.of(customer)
        if last is None or last.changes_at is None or at < last.changes_at:
            return
        rows = stored.current(customer=customer)
        version = customers.bump(customer)
        transaction.on_commit(lambda: cache.bury(customer, version=version), robust=True)
        changed(customer=customer, before=rows, after=rows, at=at)


def _differing(old: Mapping[str, Decision], new: Mapping[str, Decision]) -> list[Decision]:
    """The old answers that are no longer given; a version that grew is no other answer."""
    return [was for was in old.values() if was != replace(new[was.feature], version=was.version)]


def _tell(
    customer: Customer, *, now: Mapping[str, Decision], were: Iterable[Decision], at: datetime
) -> None:
    standing = Standing(customer.user_id, customer.pk, customer.version, now)
    outbox.record(
        project_id=customer.project_id,
        type=EventType.ENTITLEMENTS_CHANGED,
        subject=customer.pk,
        data=representation.standing(standing),
        at=at,
        customer_id=customer.pk,
        version=customer.version,
        previous={"entitlements": [representation.decision(was) for was in were]},
    )


def _remember(customer: Customer, told: Iterable[Decision], at: datetime) -> None:
    moments = [decision.valid_until for decision in told if decision.valid_until is not None]
    snapshot = Snapshot(
        project_id=customer.project_id,
        customer_id=customer.pk,
        version=customer.version,
        taken_at=at,
        changes_at=min(moments, default=None),
    )
    Snapshot.objects.for_project(customer.project_id).bulk_create(
        [snapshot],
        update_conflicts=True,
        unique_fields=["project", "customer"],
        update_fields=["version", "taken_at", "changes_at"],
    )
