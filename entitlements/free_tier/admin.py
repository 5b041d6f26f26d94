"""The free tier in the console: current and ended entries, adding and removing features."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from entitlements.features.admin import values
from entitlements.free_tier import service as free_tier
from entitlements.models import Feature, FreeTierEntry, Recheck
from projects.models import Project

MAX_RUNS_SHOWN = 5
"""How many rounds a page shows."""


class FreeTierValueForm(dialogs.Dialog):
    value = fields.text(max_length=2048, required=False, help_text=values.HELP)
    feature: Feature | None = None

    def clean_value(self) -> Any:
        """The value that the text means for this kind of feature."""
        if self.feature is None:
            return None
        return values.parse_value(self.cleaned_data["value"], kind=self.feature.kind)


class GiveFeatureForm(FreeTierValueForm):
    project = fields.choice()
    code = fields.text(max_length=64, label="Feature", help_text="Its code.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["project", "code", "value", "reason"])
        projects = Project.objects.filter(suspended_at__isnull=True)
        self.fields["project"].choices = [(project.pk, project.name) for project in projects]

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        project = self.cleaned_data.get("project")
        if project is None:
            return code
        rows = Feature.objects.for_project(project).filter(archived_at__isnull=True)
        self.feature = rows.filter(code=code).first()
        if self.feature is None:
            raise ValidationError("The project has no such feature.")
        return code


class ChangeFreeTierForm(FreeTierValueForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = FreeTierEntry.objects.across_projects().select_related("feature")
        entry = rows.filter(pk=self.row_key).first()
        if entry is not None:
            self.feature = entry.feature
            self.initial |= {"value": values.format_value(entry.value, kind=entry.feature.kind)}


BACKGROUND_NOTE = (
    "Answers change at once. In the background every customer is looked at, and the project is "
    "told of those whose answer changed."
)
GIVE = dialogs.describe(
    "Give everybody a feature", BACKGROUND_NOTE, submit="Give", form=GiveFeatureForm
)
CHANGE = dialogs.describe(
    "Change what everybody has", BACKGROUND_NOTE, submit="Change", form=ChangeFreeTierForm
)
END = dialogs.describe(
    "End for everybody",
    f"Who has it from elsewhere keeps that. {BACKGROUND_NOTE}",
    submit="End for everybody",
    keep="Keep for everybody",
)


class FreeTierStateFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {"active": Q(ends_at__isnull=True), "ended": Q(ends_at__isnull=False)}


@admin.register(FreeTierEntry)
class FreeTierEntryAdmin(ReadOnlyAdmin):
    """The entries of projects' free tiers, current and ended ones."""

    sidebar = SidebarEntry(SidebarGroup.CATALOG, 4, "Free tier", icon="redeem")
    actions_list: ClassVar[Sequence[str]] = ["give"]
    actions_detail: ClassVar[Sequence[str]] = ["edit", "end"]
    search_fields = ["id__exact", "feature__code__exact"]
    list_select_related = ["project", "feature"]
    list_display = [
        "id",
        "feature_link",
        "shown_value",
        "project_link",
        "state_badge",
        "starts_at",
        "ends_at",
    ]
    list_filter = [filters.PROJECT, FreeTierStateFilter]
    fields = ["id", "project", "feature", "shown_value", "state_badge", "starts_at", "ends_at"]

    def has_give_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("entitlements.add_freetierentry")

    def has_edit_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("entitlements.change_freetierentry")

    @action(
        description="Give everybody a feature",
        url_path="give",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["give"],
        dialog=GIVE,
    )
    def give(self, request: HttpRequest, form: GiveFeatureForm) -> HttpResponse:
        project = Project.objects.get(pk=form.cleaned_data["project"])
        return self._put(request, form, GIVE, project, form.cleaned_data["code"])

    @action(description="Change", url_path="edit", icon="edit", permissions=["edit"], dialog=CHANGE)
    def edit(self, request: HttpRequest, form: ChangeFreeTierForm, object_id: str) -> HttpResponse:
        entry = self.row(request, object_id)
        return self._put(request, form, CHANGE, entry.project, entry.feature.code)

    @action(
        description="End",
        url_path="end",
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["edit"],
        dialog=END,
    )
    def end(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            entry = self.row(request, object_id)
            ended = free_tier.remove_feature(
                project=entry.project,
                code=entry.feature.code,
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            outcome = "is ended for everybody" if ended else "was not in the free tier any more"
            return dialogs.finish(request, f"{entry.feature} {outcome}.", to=columns.url(entry))

        return dialogs.attempt(request, form, END, act)

    def _put(
        self,
        request: HttpRequest,
        form: FreeTierValueForm,
        dialog: dict[str, Any],
        project: Project,
        code: str,
    ) -> HttpResponse:
        def act() -> HttpResponse:
            entry = free_tier.set_feature(
                project=project,
                code=code,
                value=form.cleaned_data["value"],
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"Everybody has {code}.", to=columns.url(entry))

        return dialogs.attempt(request, form, dialog, act)

    def sections(self, request: HttpRequest, row: FreeTierEntry) -> Sequence[Section]:
        runs = Recheck.objects.for_project(row.project_id).order_by("-pk")[:MAX_RUNS_SHOWN]
        return [
            Section(
                title="Looking at everybody",
                note="After each change of the project's free tier, in the background.",
                headers=[
                    "Began",
                    "Status",
                    "Looked at",
                    "Changed",
                    "Failed",
                    "Ended",
                    "Last error",
                ],
                rows=[
                    [
                        columns.moment(run.created_at),
                        columns.badge(run.status),
                        _progress(run),
                        f"{run.changed:,}",
                        f"{len(run.failed):,}",
                        columns.moment(run.finished_at),
                        run.last_error or columns.EMPTY,
                    ]
                    for run in runs
                ],
                right=[2, 3, 4],
                prose=[6],
                empty="Nobody had to be looked at yet.",
            )
        ]

    @display(description="Feature", ordering="feature__code")
    def feature_link(self, row: FreeTierEntry) -> object:
        return columns.link(row.feature, row.feature.code)

    @display(description="Value")
    def shown_value(self, row: FreeTierEntry) -> str:
        return values.format_value(row.value, kind=row.feature.kind)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: FreeTierEntry) -> object:
        return columns.link(row.project)

    @display(description="State")
    def state_badge(self, row: FreeTierEntry) -> object:
        return columns.badge("ended" if row.ends_at else "active")


def _progress(run: Recheck) -> str:
    """``1,200 of 9,000``. The second number is known when the recheck has begun."""
    total = "" if run.total is None else f" of {run.total:,}"
    return f"{run.looked_at:,}{total}"
