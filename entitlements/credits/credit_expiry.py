"""Expire credits: all grants of a customer that have ended, in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

import structlog
from django.db import transaction

from common.fair_queue import QueueRun, RetryRule
from entitlements.balances.selectors import credits
from entitlements.credits import credit_events, credit_ledger, credit_postings
from entitlements.credits import credit_representation as representation
from entitlements.credits.credit_events import CreditEvent
from entitlements.models import CreditGrant
from projects.customers import selectors as customers

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="credit_expiry", attempts=20)
TICK = timedelta(microseconds=1)
"""The smallest difference of two moments: a grant has its last status this long before its end."""


def expire_due(*, at: datetime, limit: int) -> int:
    """Post the expiry of grants, and notify low balances. Returns how many grants."""
    run = QueueRun(RULE)
    due = sorted(credits.due_to_expire(at=at, limit=limit, rule=RULE), key=_owner)
    return sum(_try_to_expire(list(group), run, at) for _, group in groupby(due, key=_owner))


def _owner(grant: CreditGrant) -> tuple[str, str]:
    return grant.project_id, grant.customer_id


def _try_to_expire(due: Sequence[CreditGrant], run: QueueRun, at: datetime) -> int:
    """Expire one customer's grants in one transaction; one by one when that fails, so that one
    grant's error does not stop the others."""
    if len(due) == 1:
        return int(run.attempt(lambda row: _expire([row], at) > 0, due[0]))
    try:
        expired = _expire(due, at)
    except Exception as error:  # noqa: BLE001  # recorded below, for the grant that fails
        log.warning("credits_not_expired", customer=due[0].customer_id, error=type(error).__name__)
        return sum(_try_to_expire([row], run, at) for row in due)
    for row in due:
        run.record_success(owner=row.project_id, subject=row.pk)
    return expired


def _expire(due: Sequence[CreditGrant], at: datetime) -> int:
    """Post the expiry of grants of one customer. The events take one statement."""
    project_id, customer_id = _owner(due[0])
    with transaction.atomic():
        customers.lock(project_id=project_id, customer_id=customer_id)
        account = credits.lock(project_id=project_id, customer_id=customer_id)
        if account is None:
            return 0
        rows = CreditGrant.objects.for_project(project_id).filter(pk__in=[row.pk for row in due])
        events: list[CreditEvent] = []
        for grant in rows.order_by("expires_at", "id"):
            grant.customer = account.customer
            steps = credit_postings.plan(grant, at)
            if steps and grant.expires_at is not None:
                credit_postings.post_steps(account, grant, steps=steps, at=at)
                before = representation.grant(grant, at=grant.expires_at - TICK)
                events += credit_events.build_posted(
                    account, grant, steps=steps, before=before, at=at
                )
        if events:
            credit_events.record(account, events, at=at)
            balance = credits.balance(project_id=project_id, customer_id=customer_id, at=at)
            credit_ledger.notify_low(account=account, balance=balance, at=at)
    return len(events)
