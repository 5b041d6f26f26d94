"""Compare objects that we created at Stripe from our settings with their present state: meters of
metered prices and configurations of the portal.

Our settings are the truth, so these objects are not mirrored; but they can be changed in Stripe's
dashboard. A changed portal configuration is restored from the project's settings. A deactivated
meter needs an operator: Stripe accepts no usage for it, and its prices were archived before.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef

from billing.models import ReconcileRun, ReconcileSighting, StripeAccount, StripeMeter
from billing.models.portal import PortalConfiguration
from billing.models.reconcile_run import ReconcilePhase
from billing.operations import reconcile_pages, reconcile_runs
from billing.operations.reconcile_pages import OnFailure
from billing.portal import service as portal
from billing.stripe import meters as stripe_meters
from billing.stripe import portal as stripe_portal
from billing.stripe.client import client_for
from billing.stripe.errors import StripeMalformed, StripeObjectMissing, StripeRefused
from billing.stripe.fields import PAGE, Fields
from common.errors import DomainError
from common.models import ProjectQuerySet
from projects.models import Project

Row = StripeMeter | PortalConfiguration
Differences = dict[str, tuple[object, object]]
"""Our value and Stripe's, by name."""

REACTIVATE = (
    "Stripe counts no usage for it. Reactivate the meter in Stripe's dashboard, or archive it here."
)
UNKNOWN = "Stripe does not have it. Check whether the key belongs to another Stripe account."


@dataclass(frozen=True, slots=True)
class SetupDifference:
    """An object that differs from our settings; without ``differences`` Stripe does not have it."""

    step: str
    row: Row
    differences: Differences

    def __str__(self) -> str:
        head = f"{self.step} {self.row.stripe_id} ({self.row.pk})"
        if not self.differences:
            return f"{head}: gone at Stripe"
        changes = (
            f"{name}: {stripe_value!s} at Stripe, {our_value!s} here"
            for name, (our_value, stripe_value) in sorted(self.differences.items())
        )
        return f"{head}: {'; '.join(changes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupKind:
    """One kind of object that we create from settings.

    ``rows``: our rows of it. ``list_page`` and ``retrieve``: requests to Stripe. ``repair`` returns
    None, or the reason why an operator has to repair it.
    """

    step: str
    rows: Callable[[], ProjectQuerySet[Any]]
    list_page: Callable[..., list[Fields]]
    retrieve: Callable[[Any, str], Fields]
    compare: Callable[[Fields, Any], Differences]
    repair: Callable[[Any, datetime], str | None]


def _meters() -> ProjectQuerySet[StripeMeter]:
    rows = StripeMeter.objects.across_projects().filter(meter__archived_at__isnull=True)
    return rows.select_related("meter")


def _configurations() -> ProjectQuerySet[PortalConfiguration]:
    """Configurations with stored content; one without gets its content when it is used again."""
    rows = PortalConfiguration.objects.across_projects().filter(stripe_id__isnull=False)
    return rows.exclude(content={}).select_related("account")


def _restore(row: PortalConfiguration, at: datetime) -> str | None:
    try:
        portal.restore_configuration(configuration=row, at=at)
    except DomainError as error:
        return error.code
    return None


SETUPS: dict[str, SetupKind] = {
    kind.step: kind
    for kind in (
        SetupKind(
            step="meter",
            rows=_meters,
            list_page=stripe_meters.list_page,
            retrieve=stripe_meters.retrieve,
            compare=lambda fields, row: stripe_meters.differences(fields, row.meter),
            repair=lambda row, at: REACTIVATE,
        ),
        SetupKind(
            step="portal configuration",
            rows=_configurations,
            list_page=stripe_portal.list_page,
            retrieve=stripe_portal.retrieve,
            compare=lambda fields, row: stripe_portal.differences(fields, row.content),
            repair=_restore,
        ),
    )
}
"""By step, in the order of comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupPass:
    """The settings of one step and its callbacks, as in ``reconcile_pass.ReconcilePass``.

    ``on_difference`` is called with a confirmed difference and the function that repairs it.
    """

    setup: SetupKind
    account: StripeAccount
    at: datetime
    project: Project | None
    tick: Callable[[], object]
    on_difference: Callable[[SetupDifference, Callable[[], str | None]], None]
    on_failure: OnFailure

    def rows(self) -> ProjectQuerySet[Any]:
        rows = self.setup.rows().filter(account=self.account)
        return rows if self.project is None else rows.filter(project=self.project)


def compare_page(run: ReconcileRun, plan: SetupPass) -> bool:
    """Compare the next page: of Stripe's list first, then of our rows that were not in the list.
    Saves the progress; returns whether more pages follow.

    Two queries and one request for any number of objects, and one request per differing object.
    """
    if run.phase == ReconcilePhase.LISTING:
        return _listed_page(run, plan)
    return _unlisted_page(run, plan)


def _listed_page(run: ReconcileRun, plan: SetupPass) -> bool:
    reconcile_pages.wait_for_budget(plan.account)
    try:
        page = plan.setup.list_page(client_for(plan.account), after=run.after)
    except StripeObjectMissing:
        if not run.after:
            raise
        reconcile_runs.save_progress(run, after="")  # the cursor's object was deleted meanwhile
        return True
    ids = [str(fields["id"]) for fields in page]
    rows = {row.stripe_id: row for row in plan.rows().filter(stripe_id__in=ids)}
    pairs = [(fields, rows[fields["id"]]) for fields in page if fields["id"] in rows]
    _report_and_repair(plan, [row for fields, row in pairs if _differs(plan, fields, row)])
    _count(run, plan, len(page))
    if len(page) == PAGE:
        reconcile_runs.save_progress(run, listed_ids=rows, after=ids[-1])
    else:
        reconcile_runs.save_progress(run, listed_ids=rows, after="", phase=ReconcilePhase.UNLISTED)
    return True


def _unlisted_page(run: ReconcileRun, plan: SetupPass) -> bool:
    seen = ReconcileSighting.objects.filter(run=run, stripe_id=OuterRef("stripe_id"))
    rows = plan.rows().filter(~Exists(seen), stripe_id__gt=run.after).order_by("stripe_id")
    page = list(rows[:PAGE])
    _report_and_repair(plan, page)
    _count(run, plan, len(page))
    if len(page) < PAGE:
        reconcile_runs.finish(run, ReconcilePhase.FINISHED, at=plan.at)
        return False
    reconcile_runs.save_progress(run, after=str(page[-1].stripe_id))
    return True


def _count(run: ReconcileRun, plan: SetupPass, objects: int) -> None:
    for _ in range(objects):
        run.compared += 1
        plan.tick()


def _differs(plan: SetupPass, fields: Fields, row: Row) -> bool:
    """Whether the object differs; true too if it is unreadable: reading it alone shows why."""
    try:
        return bool(plan.setup.compare(fields, row))
    except StripeMalformed:
        return True


def _report_and_repair(plan: SetupPass, rows: Iterable[Row]) -> None:
    """Read each object alone; report and repair those that differ."""
    for row in rows:
        difference = _confirm(plan, row)
        if difference is not None:
            plan.on_difference(difference, partial(_repair, plan, difference))


def _repair(plan: SetupPass, difference: SetupDifference) -> str | None:
    if not difference.differences:
        return UNKNOWN
    return plan.setup.repair(difference.row, plan.at)


def _confirm(plan: SetupPass, row: Row) -> SetupDifference | None:
    reconcile_pages.wait_for_budget(plan.account)
    try:
        fields = plan.setup.retrieve(client_for(plan.account), str(row.stripe_id))
        differences = plan.setup.compare(fields, row)
    except StripeObjectMissing:
        return SetupDifference(plan.setup.step, row, {})
    except (StripeMalformed, StripeRefused) as error:
        plan.on_failure(f"{plan.setup.step} {row.stripe_id}", error)
        return None
    return SetupDifference(plan.setup.step, row, differences) if differences else None
