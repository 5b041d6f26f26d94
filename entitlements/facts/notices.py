"""``entitlements.changed``: told when an answer differs from the one that was told last.

A change of facts tells at once (:func:`changed`). Time changes answers too, when a trial ends
or a scheduled grant starts: :func:`tell_due` finds those customers by their snapshot.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import transaction

from common.fair_queue import QueueRun, RetryRule
from entitlements import representation
from entitlements.cache import service as cache
from entitlements.decisions.selectors import facts as stored
from entitlements.decisions.selectors import free_tier, snapshots
from entitlements.features.selectors import features
from entitlements.models import Fact, FreeTierEntry, Snapshot
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision, Definition, Standing
from events.catalog import EventType
from events.services import outbox
from projects.customers import selectors as customers
from projects.models import Customer

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="entitlement_notices", attempts=20)


def changed(
    *, customer: Customer, before: Sequence[Fact], after: Sequence[Fact], at: datetime
) -> None:
    """Tell the customer's new state, unless every answer is as it was told last.

    ``before`` and ``after`` are the rows that counted and that count now. The caller holds the
    customer's lock and has raised its version.
    """
    last = snapshots.of(customer)
    then = _told_at(customer, last, at)
    rules = _Rules(
        features.live_definitions(project=customer.project_id),
        free_tier.history(project=customer.project_id, since=min(then, at), until=max(then, at)),
    )
    old = rules.decisions(before, also=after, at=then, version=last.version if last else 0)
    new = rules.decisions(after, also=before, at=at, version=customer.version)
    if differing := _differing(old, new):
        _tell(customer, now=new, were=differing, at=at)
    _remember(customer, new.values(), at)


def recheck(*, project_id: str, customer_ids: Collection[str], at: datetime) -> int:
    """Tell those of these customers to whom another answer is due than the one that they were told
    last, because what holds for everybody has changed; how many that are.

    In the caller's transaction; takes the customers' locks. Six queries, and those of telling.
    """
    locked = customers.lock_many(project_id=project_id, customer_ids=customer_ids)
    rows = stored.current_of_many(project=project_id, customer_ids=locked)
    told = snapshots.of_many(project_id=project_id, customer_ids=locked)
    moments = {each.pk: _told_at(each, told.get(each.pk), at) for each in locked.values()}
    rules = _Rules(
        features.live_definitions(project=project_id),
        free_tier.history(
            project=project_id,
            since=min([*moments.values(), at]),
            until=max([*moments.values(), at]),
        ),
    )
    changed = 0
    for customer in locked.values():
        said, _ = rows.get(customer.pk, ([], 0))
        old = rules.decisions(said, at=moments[customer.pk], version=customer.version)
        new = rules.decisions(said, at=at, version=customer.version)
        if differing := _differing(old, new):
            _tell_changed(customer, new, differing, at)
            changed += 1
    return changed


class _Rules(NamedTuple):
    """What holds for everybody: the features, and the free tier of some time."""

    defined: Mapping[str, Definition]
    everybody: Sequence[FreeTierEntry]

    def decisions(
        self, rows: Sequence[Fact], *, at: datetime, version: int, also: Sequence[Fact] = ()
    ) -> dict[str, Decision]:
        """Every answer, about what ``also`` speaks of too."""
        about = free_tier.definitions(self.everybody) | stored.definitions([*rows, *also])
        facts = [*stored.known(rows), *free_tier.facts(self.everybody, at=at)]
        return resolution.resolve_all(
            facts, features={**self.defined, **about}, at=at, version=version
        )


def _told_at(customer: Customer, last: Snapshot | None, at: datetime) -> datetime:
    """When the customer was told last. One whom nobody told anything has what a stranger had when
    it came."""
    return last.taken_at if last else min(customer.created_at, at)


def _tell_changed(
    customer: Customer, new: Mapping[str, Decision], were: Iterable[Decision], at: datetime
) -> None:
    version = customers.bump(customer)
    transaction.on_commit(lambda: cache.bury(customer, version=version), robust=True)
    now = {code: replace(decision, version=version) for code, decision in new.items()}
    _tell(customer, now=now, were=were, at=at)
    _remember(customer, now.values(), at)


def tell_due(*, at: datetime, limit: int) -> int:
    """Tell what time alone has changed by now; how many customers were looked at."""
    run = QueueRun(RULE)
    due = snapshots.due(at=at, limit=limit, rule=RULE)
    for project_id, customer_id in due:
        try:
            _tell_again(project_id, customer_id, at)
        except Exception as error:  # noqa: BLE001  # one customer's trouble must not stop the others
            run.record_failure(owner=project_id, subject=customer_id, error=error)
        else:
            run.record_success(owner=project_id, subject=customer_id)
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
        event_type=EventType.ENTITLEMENTS_CHANGED,
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
