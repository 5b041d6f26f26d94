"""Reports of lost usage that arrived without their content: fetched from Stripe and applied.

A thin event only names a report and its meter; the meter events that Stripe does not count are in
the full event at Stripe. The row of the thin event is the queue entry (``report_due_at``). An
account that does not answer backs off and delays no other. A report that cannot be read is given up
after ``MAX_TRIES``; a replay fetches it again.
"""

from datetime import datetime, timedelta

import orjson
import structlog
from django.db.models import Value

from billing.operations import usage_refusals
from billing.stripe import budget, thin_events
from billing.stripe.budget import Lane
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing, malformed
from billing.sync.request_back_off import RequestBackOff
from billing.sync.selectors import back_offs
from common import fair_queue
from common.errors import DomainError
from webhooks.envelope import LOST_USE, LostUse, open_envelope
from webhooks.models import InboundEvent

log = structlog.get_logger(__name__)

REQUEST = back_offs.read_request("thin_event")
MAX_REPORTS_PER_RUN = 100
"""Default limit of :func:`fetch_due`."""
PATIENCE_SECONDS = 2.0
"""Longest wait for the account's request budget, before a report is left to the next run."""
LEASE = timedelta(minutes=2)
"""Time for which a worker has a report to itself."""
PAUSE = timedelta(minutes=5)
"""Pause before the next try of a report that could not be read."""
MAX_TRIES = 10


def fetch_due(*, at: datetime, limit: int = MAX_REPORTS_PER_RUN) -> int:
    """Fetch due reports, round robin over the accounts. Returns how many were tried."""
    back_off = RequestBackOff()
    tried = 0
    for event in _due(at, limit):
        account = event.endpoint.account
        if back_off.is_backing_off(account.pk, REQUEST) or not _take(event, at):
            continue
        if not budget.wait(account, Lane.BACKGROUND, patience=PATIENCE_SECONDS):
            _postpone(event, at)
            continue
        tried += 1
        _fetch_one(event, back_off, at)
    return tried


def fetch_again(*, event: InboundEvent, at: datetime) -> None:
    """Let the report of this event be fetched in the next run."""
    event.report_due_at, event.report_attempts = at, 0
    event.save(update_fields=["report_due_at", "report_attempts"])


def _due(at: datetime, limit: int) -> list[InboundEvent]:
    rows = InboundEvent.objects.filter(report_due_at__lte=at).exclude(
        back_offs.is_backing_off(account="endpoint__account_id", request=Value(REQUEST))
    )
    return fair_queue.round_robin(
        rows.select_related("endpoint__account"),
        owner="endpoint__account_id",
        order=("report_due_at", "pk"),
        limit=limit,
    )


def _take(event: InboundEvent, at: datetime) -> bool:
    """Lease the report. False if another worker has."""
    rows = InboundEvent.objects.filter(pk=event.pk, report_due_at=event.report_due_at)
    return rows.update(report_due_at=at + LEASE) == 1


def _fetch_one(event: InboundEvent, back_off: RequestBackOff, at: datetime) -> None:
    account = event.endpoint.account
    try:
        _fetch(event, at)
    except StripeObjectMissing:
        _finish(event, "Stripe lost usage and no longer has the report.")
    except DomainError as error:
        if back_off.stops_for(account.pk, REQUEST, error):
            _postpone(event, at)
            return
        _try_later(event, error, at)
    back_off.record_answer(account.pk, REQUEST)


def _fetch(event: InboundEvent, at: datetime) -> None:
    """Fetch the report and refuse the records that it names. Raises the errors of
    ``billing.stripe.errors``."""
    account = event.endpoint.account
    content = thin_events.retrieve(client_for(account), event.event_id)
    envelope = open_envelope(orjson.dumps(content), account=account)
    if envelope.type != LOST_USE or envelope.report is None:
        raise malformed(ValueError(f"Stripe answered with another event: {envelope.type}."))
    _refuse(event, envelope.report, at)
    _finish(event, envelope.unusable)


def _refuse(event: InboundEvent, report: LostUse, at: datetime) -> None:
    refused = usage_refusals.apply_report(
        account=event.endpoint.account,
        meter_stripe_id=report.meter_stripe_id,
        errors_by_identifier=report.lost,
        at=at,
    )
    log.warning("stripe_lost_use", event_id=event.event_id, errors=report.errors, records=refused)


def _finish(event: InboundEvent, status_text: str) -> None:
    _change(event, report_due_at=None, quarantined=status_text)


def _postpone(event: InboundEvent, until: datetime) -> None:
    _change(event, report_due_at=until)


def _try_later(event: InboundEvent, error: DomainError, at: datetime) -> None:
    attempts = event.report_attempts + 1
    log.warning("error_report_failed", event_id=event.event_id, error=error.code, tries=attempts)
    due = None if attempts >= MAX_TRIES else at + PAUSE
    status_text = f"Stripe lost usage: its report could not be read ({error.code})."
    _change(event, report_due_at=due, report_attempts=attempts, quarantined=status_text)


def _change(event: InboundEvent, **values: object) -> None:
    InboundEvent.objects.filter(pk=event.pk).update(**values)
