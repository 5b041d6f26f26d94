from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import DriftReport
from billing.models.drift_report import DriftClass, DriftState
from billing.operations import drift_decisions, reconcile_kinds
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.offered_actions import OfferedActions
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup

HEAL = dialogs.describe(
    "Heal now",
    "The object is read from Stripe again and stored as Stripe has it.",
    submit="Heal now",
)
DISMISS = dialogs.describe(
    "Leave as it is",
    "Later reconciliations leave this difference alone, until its values change.",
    submit="Leave as it is",
)


class OpenFilter(filters.ConditionFilter):
    title = "open"
    parameter_name = "open"
    conditions = {"open": Q(closed_at__isnull=True), "closed": Q(closed_at__isnull=False)}


@admin.register(DriftReport)
class DriftReportAdmin(OfferedActions, ReadOnlyAdmin):
    """Objects that differed from Stripe, or rows that differed from each other, and what became of
    them. Values that may be personal are not stored."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 10, "Differences", icon="difference")
    actions_detail: ClassVar[Sequence[str]] = ["heal", "dismiss"]
    search_fields = ["object_key__exact", "our_id__exact", "id__exact", "run__id__exact"]
    list_select_related = ["project", "account"]
    list_display = [
        "object_code",
        "kind",
        "class_badge",
        "state_badge",
        "project_link",
        "account",
        "first_found_at",
        "last_found_at",
        "closed_at",
    ]
    list_filter = [
        OpenFilter,
        filters.words("state", DriftState.values),
        filters.words("drift_class", DriftClass.values),
        filters.words("kind", reconcile_kinds.STEPS.values()),
        filters.PROJECT,
        filters.dates("first_found_at"),
    ]
    fields = [
        "id",
        "object_code",
        "our_code",
        "kind",
        "class_name",
        "state_badge",
        "note",
        "decided_by",
        "project_link",
        "account",
        "run_link",
        "in_sync_at",
        "first_found_at",
        "last_found_at",
        "closed_at",
    ]

    def refused_actions(self, row: DriftReport) -> Collection[str]:
        if not row.is_open:
            return ("heal", "dismiss")
        return () if drift_decisions.can_be_healed(row) else ("heal",)

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_driftreport")

    @action(
        description="Heal now",
        url_path="heal",
        icon="healing",
        permissions=["decide"],
        dialog=HEAL,
    )
    def heal(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, HEAL, drift_decisions.heal)

    @action(
        description="Leave as it is",
        url_path="dismiss",
        icon="visibility_off",
        permissions=["decide"],
        dialog=DISMISS,
    )
    def dismiss(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, DISMISS, drift_decisions.dismiss)

    def _decide(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        object_id: str,
        dialog: dict[str, Any],
        decide: Callable[..., None],
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            decide(
                report=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "Done.", to=columns.url(row))

        return dialogs.attempt(request, form, dialog, act)

    @display(description="Object", ordering="object_key")
    def object_code(self, row: DriftReport) -> object:
        return columns.code(row.object_key)

    @display(description="Our row")
    def our_code(self, row: DriftReport) -> object:
        return columns.code(row.our_id)

    @display(description="Class", ordering="drift_class")
    def class_badge(self, row: DriftReport) -> object:
        return columns.badge(row.drift_class, tone="default")

    @display(description="Class")
    def class_name(self, row: DriftReport) -> str:
        return row.get_drift_class_display()

    @display(description="State", ordering="state")
    def state_badge(self, row: DriftReport) -> object:
        return columns.badge(row.state)

    @display(description="Project")
    def project_link(self, row: DriftReport) -> object:
        return columns.link(row.project)

    @display(description="Reconciliation")
    def run_link(self, row: DriftReport) -> object:
        return columns.link(row.run) if row.run else "the command"

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [
            Section(
                title="What differs",
                headers=["Field", "Here", "At Stripe, or due"],
                rows=[[columns.code(change["field"]), *_values(change)] for change in row.changes],
                empty="The object as a whole.",
                prose=[1, 2],
            )
        ]


def _values(change: dict[str, Any]) -> list[object]:
    if change["redacted"]:
        return ["not stored", "not stored"]
    values = (change["ours"], change["stripe"])
    return [columns.EMPTY if value is None else str(value) for value in values]
