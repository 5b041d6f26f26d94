"""Reconciliations and drift reports as bodies of the API.

Names of operators and their reasons are the platform's own: a project's key gets ``operator``.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, TypedDict

from billing.models import DriftReport, Reconciliation
from billing.models.drift_report import DriftClass, DriftState
from billing.models.reconcile_run import ReconcilePhase, ReconcileRun
from billing.models.reconciliation import ReconciliationState
from billing.operations import drift_reports, nightly_runs, reconcile_kinds
from billing.operations.selectors.reconciliations import ReconcileProgress
from common.bodies import Time
from common.times import rfc3339

OPERATOR = "operator"


class ReconcileProgressBody(TypedDict):
    steps: Annotated[int, "Kinds of objects to compare; 0 if the steps are not kept any more."]
    finished_steps: int
    compared: Annotated[int, "Objects compared so far. A project's key: of its own objects."]
    found: Annotated[int, "Objects that differed."]
    healed: int
    parked: Annotated[int, "Differences that wait for an operator."]
    not_compared: Annotated[int, "Objects and kinds that could not be compared."]


class ReconciliationBody(TypedDict):
    """One reconciliation of a Stripe account."""

    id: str
    account: Annotated[str | None, "Null for the nightly check of our own tables."]
    project: Annotated[str | None, "Only objects of this project are compared; null: of all."]
    kinds: Annotated[list[str], "What was requested; empty: everything."]
    dry_run: Annotated[bool, "Differences are reported only."]
    state: Annotated[
        str,
        ReconciliationState,
        "Of one account one reconciliation runs at a time; a running one may wait for its turn. "
        "failed: it is over, but a kind of object could not be compared.",
    ]
    started_by: Annotated[str, "nightly, the key that started it, or operator."]
    reason: str
    progress: ReconcileProgressBody
    started_at: Time
    paused_at: Time | None
    finished_at: Time | None


class ReconcileStepBody(TypedDict):
    kind: str
    phase: Annotated[str, ReconcilePhase]
    compared: int


class WholeReconciliationBody(ReconciliationBody):
    """One reconciliation of a Stripe account."""

    steps: Annotated[
        list[ReconcileStepBody], "Kept for 90 days; of a nightly pass until the next one begins."
    ]


class FieldChangeBody(TypedDict):
    field: str
    ours: Annotated[str | None, "Our value as text; null if there is none or it is redacted."]
    stripe: Annotated[str | None, "Stripe's value, or the value that is due."]
    redacted: Annotated[bool, "The values may be personal and are not stored."]


class DriftReportBody(TypedDict):
    """An object that differed, and what became of it."""

    id: str
    project: str
    account: Annotated[str | None, "Null for a difference between our own tables."]
    reconciliation: Annotated[str | None, "The last reconciliation that found it."]
    kind: str
    drift_class: Annotated[str, DriftClass]
    state: Annotated[
        str,
        DriftState,
        "ended: a later comparison found no difference. dismissed: an operator leaves it as it is.",
    ]
    object: Annotated[str, "Stripe's id of the object; our own for our own tables."]
    our_id: Annotated[str | None, "Our id of the object, if we have it."]
    changes: list[FieldChangeBody]
    note: Annotated[str, "Why it was not healed."]
    decided_by: Annotated[str | None, "policy, or operator."]
    in_sync_at: Annotated[Time | None, "When our row last agreed with Stripe."]
    first_found_at: Time
    last_found_at: Time
    closed_at: Time | None


def reconciliation(
    row: Reconciliation,
    progress: ReconcileProgress,
    counts: Mapping[str, int],
    *,
    is_for_platform: bool,
) -> ReconciliationBody:
    """``progress`` and ``counts`` (reports by state) are those of a row that is not over."""
    is_open = row.is_unfinished
    is_shown = is_for_platform or row.started_by.startswith("key:")
    return {
        "id": row.pk,
        "account": row.account_id,
        "project": row.project_id,
        "kinds": row.kinds,
        "dry_run": row.dry_run,
        "state": row.state,
        "started_by": row.started_by if is_for_platform else name_of(row.started_by),
        "reason": row.reason if is_shown else "",
        "progress": {
            "steps": progress.steps,
            "finished_steps": progress.finished,
            "compared": progress.compared if is_open else row.compared,
            "found": sum(counts.values()) if is_open else row.found,
            "healed": counts.get(DriftState.HEALED, 0) if is_open else row.healed,
            "parked": counts.get(DriftState.PARKED, 0) if is_open else row.parked,
            "not_compared": row.not_compared,
        },
        "started_at": rfc3339(row.started_at),
        "paused_at": rfc3339(row.paused_at),
        "finished_at": rfc3339(row.finished_at),
    }


def whole_reconciliation(
    body: ReconciliationBody, steps: Collection[ReconcileRun]
) -> WholeReconciliationBody:
    return {
        **body,
        "steps": [
            {
                "kind": reconcile_kinds.name_of(step.step),
                "phase": step.phase,
                "compared": step.compared,
            }
            for step in steps
        ],
    }


def drift_report(row: DriftReport, *, is_for_platform: bool) -> DriftReportBody:
    decided_by = row.decided_by if is_for_platform else name_of(row.decided_by)
    return {
        "id": row.pk,
        "project": row.project_id,
        "account": row.account_id,
        "reconciliation": row.run_id,
        "kind": reconcile_kinds.name_of(row.kind),
        "drift_class": row.drift_class,
        "state": row.state,
        "object": row.object_key,
        "our_id": row.our_id or None,
        "changes": [
            {
                "field": change["field"],
                "ours": _text(change["ours"]),
                "stripe": _text(change["stripe"]),
                "redacted": change["redacted"],
            }
            for change in row.changes
        ],
        "note": row.note,
        "decided_by": decided_by or None,
        "in_sync_at": rfc3339(row.in_sync_at),
        "first_found_at": rfc3339(row.first_found_at),
        "last_found_at": rfc3339(row.last_found_at),
        "closed_at": rfc3339(row.closed_at),
    }


def name_of(actor: str) -> str:
    """The actor as a project may see it."""
    if not actor or actor in (drift_reports.POLICY, nightly_runs.ACTOR) or actor.startswith("key:"):
        return actor
    return OPERATOR


def _text(value: str | int | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
