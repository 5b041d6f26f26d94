"""Operators' decisions about single drift reports: heal it now, or leave it as it is."""

from datetime import datetime

from django.db import transaction

from billing.models import DriftReport
from billing.models.drift_report import DriftState
from billing.operations import drift_reports
from billing.operations.heal_policies import NEVER_HEALED
from billing.sync import kinds
from billing.sync import service as sync
from common.errors import Conflict
from events.audit import audit_trail as audit


class DriftClosed(Conflict):
    code, title = "drift-closed", "Nothing differs any more: this report is closed."


class DriftNeedsOtherAction(Conflict):
    code, title = "drift-needs-other-action", "This difference is not healed by reading again."


def heal(*, report: DriftReport, actor: str, reason: str, at: datetime) -> None:
    """Read the object from Stripe again and store it, whatever the heal policy of its class is.

    Raises DriftClosed, DriftNeedsOtherAction, and the errors of :func:`sync.now`: the report then
    stays as it is. Calls Stripe, outside of transactions.
    """
    _demand_open(report)
    if report.account is None or not _is_read_again(report):
        raise DriftNeedsOtherAction("Start a reconciliation of its kind: it repairs under locks.")
    if report.drift_class in NEVER_HEALED:
        raise DriftNeedsOtherAction("Decide under Missing objects, or look at it at Stripe.")
    sync.now(account=report.account, kind=report.kind, stripe_id=report.object_key, at=at)
    _decide(report, DriftState.HEALED, "drift.heal", actor, reason, at)


def can_be_healed(report: DriftReport) -> bool:
    """Whether :func:`heal` may be tried on this open report."""
    return _is_read_again(report) and report.drift_class not in NEVER_HEALED


def dismiss(*, report: DriftReport, actor: str, reason: str, at: datetime) -> None:
    """Leave the difference as it is, until its values change. Raises DriftClosed."""
    _demand_open(report)
    _decide(report, DriftState.DISMISSED, "drift.dismiss", actor, reason, at)


def _is_read_again(report: DriftReport) -> bool:
    """Whether the object is one of Stripe's that a sync reads."""
    return report.kind in kinds.KINDS and report.account_id is not None


def _demand_open(report: DriftReport) -> None:
    if not report.is_open:
        raise DriftClosed("Start a reconciliation to compare it again.")


def _decide(
    report: DriftReport, state: DriftState, action: str, actor: str, reason: str, at: datetime
) -> None:
    with transaction.atomic():
        drift_reports.end_repair(report=report, state=state, note="", at=at, decided_by=actor)
        audit.record(
            actor=actor,
            action=action,
            subject=report.pk,
            project_id=report.project_id,
            reason=reason,
            after={"kind": report.kind, "object": report.object_key, "state": state.value},
            at=at,
        )
