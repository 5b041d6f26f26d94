"""Record ``entitlements.changed`` when a decision differs from that of the last event.

A change of facts records it at once (:func:`notify_changed`). Time changes decisions too, when a
trial ends or a scheduled grant starts: :func:`notify_due` finds these customers by their snapshot.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from django.db import transaction

from common.fair_queue import QueueRun, RetryRule
from entitlements import representation
from entitlements.cache import service as cache
from entitlements.decisions.selectors import facts as fact_rows
from entitlements.decisions.selectors import snapshots
from entitlements.facts import permission_notices, project_rules
from entitlements.facts.permission_notices import PermissionNames
from entitlements.models import Fact, Snapshot
from entitlements.resolution.decision import CustomerEntitlements, Decision
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="entitlement_notices", attempts=20)


def notify_changed(
    *, customer: Customer, before: Sequence[Fact], after: Sequence[Fact], at: datetime
) -> None:
    """Record the customer's new entitlements, unless every decision is that of the last event.

    ``before`` and ``after`` are the rows that counted and that count now. The caller holds the
    customer's lock and has raised its version.
    """
    last = snapshots.of(customer)
    notified_at = _last_notified_at(customer, last, at)
    rules = project_rules.read(customer.project_id).between(
        min(notified_at, at), max(notified_at, at)
    )
    decisions_before = rules.decisions(
        before, extra_rows=after, at=notified_at, version=last.version if last else 0
    )
    decisions_after = rules.decisions(after, extra_rows=before, at=at, version=customer.version)
    if replaced := _find_replaced(decisions_before, decisions_after):
        _record_event(customer, decisions=decisions_after, replaced=replaced, at=at)
        _notify_permissions(customer, rules.permission_names, decisions_after, at)
    _store_snapshot(customer, decisions_after.values(), at)


def recheck(*, project_id: str, customer_ids: Collection[str], at: datetime) -> int:
    """Notify those of these customers whose decisions or permissions a change of the project's
    rules has changed.

    Returns how many decisions have changed. Runs in the caller's transaction and locks the
    customers. Four queries, up to three more when the rules are new to this process, one more with
    a permission map, and those of the events.
    """
    locked = customers.lock_many(project_id=project_id, customer_ids=customer_ids)
    rows = fact_rows.current_of_many(project=project_id, customer_ids=locked)
    snapshots_by_customer = snapshots.of_many(project_id=project_id, customer_ids=locked)
    notified_at = {
        customer.pk: _last_notified_at(customer, snapshots_by_customer.get(customer.pk), at)
        for customer in locked.values()
    }
    rules = project_rules.read(project_id).between(
        min([*notified_at.values(), at]), max([*notified_at.values(), at])
    )
    names = rules.permission_names
    last = (
        {}
        if names is None
        else permission_notices.last_of(project_id=project_id, customer_ids=locked)
    )
    notified = 0
    for customer in locked.values():
        fact_rows_of_customer, _ = rows.get(customer.pk, ([], 0))
        decisions_before = rules.decisions(
            fact_rows_of_customer, at=notified_at[customer.pk], version=customer.version
        )
        decisions_after = rules.decisions(fact_rows_of_customer, at=at, version=customer.version)
        if replaced := _find_replaced(decisions_before, decisions_after):
            _bump_and_notify(customer, decisions_after, replaced, at)
            notified += 1
        if names is not None:
            permission_notices.notify(
                customer=customer,
                names=names,
                decisions=decisions_after,
                last=last.get(customer.pk, ()),
                at=at,
            )
    return notified


def _notify_permissions(
    customer: Customer,
    names: PermissionNames | None,
    decisions: Mapping[str, Decision],
    at: datetime,
) -> None:
    if names is not None:
        last = permission_notices.last_of(
            project_id=customer.project_id, customer_ids=[customer.pk]
        )
        permission_notices.notify(
            customer=customer,
            names=names,
            decisions=decisions,
            last=last.get(customer.pk, ()),
            at=at,
        )


def _last_notified_at(customer: Customer, last: Snapshot | None, at: datetime) -> datetime:
    """Time of the customer's last ``entitlements.changed`` event. Without one: when the customer
    was created."""
    return last.taken_at if last else min(customer.created_at, at)


def _bump_and_notify(
    customer: Customer,
    decisions: Mapping[str, Decision],
    replaced: Iterable[Decision],
    at: datetime,
) -> None:
    version = customers.raise_version(customer)
    transaction.on_commit(lambda: cache.invalidate(customer, version=version), robust=True)
    versioned = {code: replace(decision, version=version) for code, decision in decisions.items()}
    _record_event(customer, decisions=versioned, replaced=replaced, at=at)
    _store_snapshot(customer, versioned.values(), at)


def notify_due(*, at: datetime, limit: int) -> int:
    """Notify customers whose decisions time has changed. Returns how many were checked."""
    run = QueueRun(RULE)
    due = snapshots.due(at=at, limit=limit, rule=RULE)
    for project_id, customer_id in due:
        try:
            _notify_customer(project_id, customer_id, at)
        except Exception as error:  # noqa: BLE001  # one customer's trouble must not stop the others
            run.record_failure(owner=project_id, subject=customer_id, error=error)
        else:
            run.record_success(owner=project_id, subject=customer_id)
    return len(due)


def _notify_customer(project_id: str, customer_id: str, at: datetime) -> None:
    with transaction.atomic():
        customer = customers.lock(project_id=project_id, customer_id=customer_id)
        last = snapshots.of(customer)
        if last is None or last.changes_at is None or at < last.changes_at:
            return
        rows = fact_rows.current(customer=customer)
        version = customers.raise_version(customer)
        transaction.on_commit(lambda: cache.invalidate(customer, version=version), robust=True)
        notify_changed(customer=customer, before=rows, after=rows, at=at)


def _find_replaced(
    decisions_before: Mapping[str, Decision], decisions_after: Mapping[str, Decision]
) -> list[Decision]:
    """The old decisions that have changed; the version is not compared."""
    return [
        decision
        for decision in decisions_before.values()
        if decision != replace(decisions_after[decision.feature], version=decision.version)
    ]


def _record_event(
    customer: Customer,
    *,
    decisions: Mapping[str, Decision],
    replaced: Iterable[Decision],
    at: datetime,
) -> None:
    entitlements = CustomerEntitlements(customer.user_id, customer.pk, customer.version, decisions)
    outbox.record(
        project_id=customer.project_id,
        event_type=EventType.ENTITLEMENTS_CHANGED,
        subject=customer.pk,
        data=representation.entitlements(entitlements),
        at=at,
        customer_id=customer.pk,
        version=customer.version,
        previous={"entitlements": [representation.decision(decision) for decision in replaced]},
    )


def _store_snapshot(customer: Customer, decisions: Iterable[Decision], at: datetime) -> None:
    moments = [decision.valid_until for decision in decisions if decision.valid_until is not None]
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
