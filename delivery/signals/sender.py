"""Send what is due: at least once to Temporal, which signals once per request id.

No transaction is open while Temporal is asked. A namespace that takes nothing makes its project
wait, and no other.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog
from django.conf import settings

from billing.payments.selectors import payments
from common.errors import NotFound
from common.fair_queue import QueueRun, RetryRule
from delivery.conf import TemporalSettings
from delivery.models import WorkflowSignal
from delivery.signals import lease, selectors
from delivery.signals.outcomes import (
    NamespaceDown,
    NamespaceDownError,
    Signaled,
    SignalOutcome,
    SignalRefused,
    WorkflowMessage,
)
from events.log import selectors as event_log

log = structlog.get_logger(__name__)

BATCH = 100
RULE = RetryRule(queue="workflow_signals")
"""The back-off of a project whose namespace takes nothing."""


def run(*, at: datetime) -> int:
    """Send due signals, round robin by project. Returns how many workflows were signaled."""
    temporal: TemporalSettings = settings.TEMPORAL
    if not temporal.address:
        return 0
    due = selectors.due(at=at, limit=BATCH, rule=RULE)
    rows = [row for row in due if lease.claim(row, at=at)]
    if not rows:
        return 0
    messages, outcomes = _build_messages(rows)
    if messages:
        outcomes |= _send(messages, temporal)
    back_off = QueueRun(RULE)
    for row in rows:
        outcome = outcomes.get(row.event_id)
        lease.record(row, outcome, at=at)
        _note(row, outcome, back_off)
    return sum(isinstance(outcome, Signaled) for outcome in outcomes.values())


def _send(
    messages: list[WorkflowMessage], temporal_settings: TemporalSettings
) -> Mapping[str, SignalOutcome]:
    from delivery.signals import temporal  # noqa: PLC0415  # an extra: only if it is configured

    return temporal.send(messages, settings=temporal_settings)


def _build_messages(
    rows: list[WorkflowSignal],
) -> tuple[list[WorkflowMessage], dict[str, SignalOutcome]]:
    """The requests, and the outcomes of signals that need none."""
    namespaces = selectors.namespaces({row.project_id for row in rows})
    parents = event_log.traceparents({row.event_id for row in rows})
    messages: list[WorkflowMessage] = []
    outcomes: dict[str, SignalOutcome] = {}
    for row in rows:
        namespace = namespaces.get(row.project_id)
        if namespace is None:
            outcomes[row.event_id] = SignalRefused("no_namespace")
            continue
        try:
            parent = parents.get(row.event_id, "")
            messages.append(_build_message(row, namespace, parent))
        except NotFound:
            outcomes[row.event_id] = SignalRefused("no_payment")
    return messages, outcomes


def _build_message(row: WorkflowSignal, namespace: str, traceparent: str) -> WorkflowMessage:
    """Raises NotFound if the payment no longer exists."""
    payment = payments.get(project=row.project_id, payment_id=row.payment_id)
    invoice = next((each.invoice_id for each in payment.invoice_payments.all()), None)
    return WorkflowMessage(
        request_id=row.event_id,
        project_id=row.project_id,
        namespace=namespace,
        workflow_id=row.workflow_id,
        signal=row.signal,
        argument={"payment": row.payment_id, "invoice": invoice, "event": row.event_id},
        traceparent=traceparent,
    )


def _note(row: WorkflowSignal, outcome: SignalOutcome | None, back_off: QueueRun) -> None:
    """Make the project wait, or end its back-off."""
    if isinstance(outcome, NamespaceDown):
        back_off.record_failure(owner=row.project_id, error=NamespaceDownError(outcome.reason))
    elif outcome is not None:
        back_off.record_success(owner=row.project_id)
    if isinstance(outcome, SignalRefused):
        log.warning("workflow_signal_parked", signal=row.pk, reason=outcome.reason)
