"""Findings of the steps as drafts of drift reports: their class, object and values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing.models.drift_report import DriftClass
from billing.operations import drift_values
from billing.operations.drift_values import FieldChange
from billing.operations.law_pages import LawViolation
from billing.operations.reconcile_pages import ReconcileFinding
from billing.operations.setup_reconciliation import SetupDifference
from billing.operations.usage_reconciliation import UsageDifference

KEY_LENGTH = 255
LEDGER = "credit ledger"
"""The law that only a person can repair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDraft:
    """A difference before it is stored. ``account_id`` is None for our own tables."""

    project_id: str
    account_id: str | None
    kind: str
    object_key: str
    drift_class: DriftClass
    our_id: str = ""
    changes: list[FieldChange] = field(default_factory=list)
    in_sync_at: datetime | None = None


def of_object(finding: ReconcileFinding) -> DriftDraft:
    return DriftDraft(
        project_id=finding.project_id,
        account_id=finding.account.pk,
        kind=finding.kind,
        object_key=finding.stripe_id,
        drift_class=class_of_object(finding),
        our_id=finding.our_id or "",
        changes=_changes(finding.differences) if finding.our_id and not finding.is_gone else [],
        in_sync_at=finding.in_sync_at,
    )


def class_of_object(finding: ReconcileFinding) -> DriftClass:
    if finding.is_foreign:
        return DriftClass.FOREIGN
    if finding.our_id is None:
        return DriftClass.MISSING_HERE
    if finding.is_missing:
        is_deletable = finding.can_be_deleted
        return DriftClass.MISSING_AT_STRIPE if is_deletable else DriftClass.NEVER_DELETED_GONE
    if finding.is_gone:
        return DriftClass.DELETED_AT_STRIPE
    is_money = drift_values.is_about_money(finding.differences)
    return DriftClass.AMOUNT_DIFFERS if is_money else DriftClass.STALE


def of_setup(difference: SetupDifference) -> DriftDraft:
    row = difference.row
    return DriftDraft(
        project_id=row.project_id,
        account_id=row.account_id,
        kind=difference.step,
        object_key=str(row.stripe_id),
        drift_class=DriftClass.SETTING_DIFFERS,
        our_id=row.pk,
        changes=_changes(difference.differences),
    )


def of_usage(difference: UsageDifference, *, account_id: str, kind: str) -> DriftDraft:
    meter, since = difference.meter, difference.since
    key = f"{difference.customer_stripe_id} {meter.pk} {since:%Y-%m-%dT%H:%M}Z"
    usage = {"usage": (difference.ours, difference.stripes)}
    return DriftDraft(
        project_id=meter.project_id,
        account_id=account_id,
        kind=kind,
        object_key=key[:KEY_LENGTH],
        drift_class=DriftClass.USAGE_DIFFERS,
        our_id=meter.pk,
        changes=_changes(usage),
    )


def of_law(violation: LawViolation, *, law: str) -> DriftDraft:
    return DriftDraft(
        project_id=violation.project_id,
        account_id=None,
        kind=law,
        object_key=violation.subject[:KEY_LENGTH],
        drift_class=class_of_law(law),
        changes=_changes(violation.values),
    )


def class_of_law(law: str) -> DriftClass:
    return DriftClass.LEDGER_DIFFERS if law == LEDGER else DriftClass.FACTS_DIFFER


def _changes(differences: Mapping[str, tuple[object, object]]) -> list[FieldChange]:
    return drift_values.changes(differences)
