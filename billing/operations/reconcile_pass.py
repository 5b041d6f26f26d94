"""A reconciliation pass: its settings, its callbacks, and what it does about each difference.

The heal policy of a difference's class decides: heal, report or park (``heal_policies``). The
difference is stored before its repair begins (``drift_reports``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing.models import DriftReport, ReconcileRun
from billing.models.drift_report import DriftClass, DriftState, HealPolicy
from billing.operations import drift_reports, heal_policies
from billing.operations.drift_drafts import DriftDraft
from billing.operations.drift_reports import DriftSource
from billing.operations.reconcile_pages import OnFailure
from billing.operations.setup_reconciliation import REACTIVATE, UNKNOWN
from billing.sync.missing_objects import StripeObjectVanished
from projects.models import Project

ONLY_REPORTED = "the heal policy of its class is to report"
PARKED = "the heal policy of its class is to park: decide in the console"
FOR_OPERATORS = frozenset({StripeObjectVanished.__name__, REACTIVATE, UNKNOWN})
"""Errors of repairs after which an operator has to act."""

Repair = Callable[[], str | None]
"""Repairs or parks a difference. Returns the reason if it still differs."""


def do_nothing(*arguments: object) -> None:
    """Accept any arguments and do nothing."""


def is_always_allowed(run: ReconcileRun) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilePass:
    """A reconciliation pass and its callbacks.

    ``tick`` is called for each compared object. ``on_finding`` is called for each confirmed
    difference, with the reason if it was not repaired (None if it was, or if ``repair`` is false).
    ``on_failure`` is called for objects that could not be compared. ``may_continue`` is asked
    before each page. Without a ``source`` no drift reports are stored.
    """

    purpose: str
    at: datetime
    repair: bool = True
    project: Project | None = None
    tick: Callable[[], object] = do_nothing
    on_finding: Callable[[object, str | None], object] = do_nothing
    on_failure: OnFailure = do_nothing
    policies: Mapping[DriftClass, HealPolicy] = field(
        default_factory=lambda: heal_policies.DEFAULTS
    )
    source: DriftSource | None = None
    may_continue: Callable[[ReconcileRun], bool] = is_always_allowed

    def policy_of(self, drift_class: DriftClass) -> HealPolicy:
        """What the pass does about a difference of this class; a dry run only reports."""
        return self.policies[drift_class] if self.repair else HealPolicy.REPORT

    def record(self, draft: DriftDraft, state: DriftState) -> DriftReport | None:
        """Store the difference, if the pass stores any."""
        if self.source is None:
            return None
        return drift_reports.record(
            draft=draft,
            state=state,
            source=self.source,
            at=self.at,
            keeps_decision=not self.repair,
        )

    def close_unseen(self, run: ReconcileRun) -> None:
        """Close earlier reports of a finished step that it did not find again."""
        if self.source is not None:
            drift_reports.close_unseen(run=run, project=self.project, at=self.at)

    def keep_open(self, run: ReconcileRun, object_keys: set[str]) -> None:
        """Keep the reports of objects that the step does not compare."""
        if self.source is not None:
            drift_reports.keep_open(run=run, object_keys=object_keys, at=self.at)


def handle(
    run: ReconcileRun,
    *,
    finding: object,
    draft: DriftDraft,
    plan: ReconcilePass,
    repair: Repair,
    park: Repair = lambda: PARKED,
) -> None:
    """Store the difference, and heal, park or only report it, as the policy of its class says.

    A difference that an operator has dismissed is left alone.
    """
    policy = plan.policy_of(draft.drift_class)
    is_healed = policy == HealPolicy.HEAL
    report = plan.record(draft, DriftState.HEALING if is_healed else DriftState.REPORTED)
    if report is not None and report.state == DriftState.DISMISSED:
        return
    run.found += 1
    error: str | None = None
    if plan.repair:
        error = ONLY_REPORTED
        if policy != HealPolicy.REPORT:
            error = repair() if is_healed else park()
        state = _state_after(policy, error)
        if report is not None:
            drift_reports.end_repair(report=report, state=state, note=error or "", at=plan.at)
    run.failed += error is not None
    plan.on_finding(finding, error)


def _state_after(policy: HealPolicy, error: str | None) -> DriftState:
    if policy == HealPolicy.REPORT:
        return DriftState.REPORTED
    if error is None:
        return DriftState.HEALED
    if policy == HealPolicy.PARK or error in FOR_OPERATORS:
        return DriftState.PARKED
    return DriftState.FAILED
