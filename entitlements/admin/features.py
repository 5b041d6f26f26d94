from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanSwitchWidget

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from entitlements.models import Feature
from entitlements.models.feature import PERIODS, FeatureKind, Merge
from entitlements.services import features
from entitlements.services.features import Measure
from projects.models import Project

CODE = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?\Z",
    "Lower-case letters, digits, '_', '.' and '-', with a letter or digit at both ends.",
)


class DefineForm(dialogs.Dialog):
    project = fields.choice()
    code = fields.text(
        max_length=64, validators=[CODE], help_text="What the project's software asks for."
    )
    name = fields.text(max_length=120)
    kind = fields.choice(FeatureKind.choices)
    unit = fields.text(max_length=40, required=False, help_text="What a limit counts.")
    merge = fields.choice(
        [("", "As is usual for its kind"), *Merge.choices],
        label="From several sources",
        required=False,
    )
    meter = fields.text(
        max_length=64, required=False, help_text="Of a metered one: the code of its meter."
    )
    period = fields.choice(
        [("", "Not metered"), *PERIODS], label="Its limit starts again after", required=False
    )
    anchored = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        label="On the day on which the source began",
        help_text="Such as the billing day. Otherwise by the calendar.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        projects = Project.objects.filter(suspended_at__isnull=True)
        self.fields["project"].choices = [(each.pk, each.name) for each in projects]


class ChangeForm(dialogs.Dialog):
    name = fields.text(max_length=120)
    unit = fields.text(max_length=40, required=False, help_text="What a limit counts.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        feature = Feature.objects.across_projects().filter(pk=self.row_key).first()
        if feature is not None:
            self.initial |= {"name": feature.name, "unit": feature.unit}


DEFINE = dialogs.describe(
    "Define a feature",
    "Only its name and unit can be changed later.",
    submit="Define",
    form=DefineForm,
)
CHANGE = dialogs.describe("Change feature", "", submit="Change", form=ChangeForm)
ARCHIVE = dialogs.describe(
    "Archive feature",
    "Nothing new may refer to it. Who has it keeps it.",
    submit="Archive",
)
RESTORE = dialogs.describe("Restore feature", "It may be sold and granted again.", submit="Restore")


@admin.register(Feature)
class FeatureAdmin(ReadOnlyAdmin):
    """What users may or may not do, under the codes that the projects' software asks for."""

    actions_list: ClassVar[Sequence[str]] = ["define"]
    actions_detail: ClassVar[Sequence[str]] = ["edit", "archive", "restore"]
    search_fields = ["id__exact", "code__icontains", "name__icontains"]
    list_select_related = ["project", "meter"]
    list_display = ["code", "name", "kind", "unit", "project_link", "state_badge", "created_at"]
    list_filter = [filters.PROJECT, filters.words("kind", FeatureKind.values)]
    fields = [
        "id",
        "code",
        "name",
        "kind",
        "unit",
        "merge",
        "meter",
        "period",
        "is_anchored",
        "project",
        "state_badge",
        "created_at",
        "archived_at",
    ]

    def has_define_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("entitlements.add_feature")

    def has_edit_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("entitlements.change_feature")

    @action(
        description="Define a feature",
        url_path="define",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["define"],
        dialog=DEFINE,
    )
    def define(self, request: HttpRequest, form: DefineForm) -> HttpResponse:
        said = form.cleaned_data

        def act() -> HttpResponse:
            feature = features.create(
                project=Project.objects.get(pk=said["project"]),
                code=said["code"],
                name=said["name"],
                kind=said["kind"],
                unit=said["unit"],
                merge=said["merge"],
                measure=Measure(
                    meter=said["meter"], period=said["period"], anchored=said["anchored"]
                ),
                reason=said["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{feature} is defined.", to=columns.url(feature))

        return dialogs.attempt(request, form, DEFINE, act)

    @action(
        description="Change",
        url_path="edit",
        icon="edit",
        permissions=["edit"],
        dialog=CHANGE,
    )
    def edit(self, request: HttpRequest, form: ChangeForm, object_id: str) -> HttpResponse:
        said = {"name": form.cleaned_data["name"], "unit": form.cleaned_data["unit"]}
        return self._change(request, form, CHANGE, object_id, said)

    @action(
        description="Archive",
        url_path="archive",
        icon="archive",
        permissions=["edit"],
        dialog=ARCHIVE,
    )
    def archive(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._change(request, form, ARCHIVE, object_id, {"archived": True})

    @action(
        description="Restore",
        url_path="restore",
        icon="unarchive",
        permissions=["edit"],
        dialog=RESTORE,
    )
    def restore(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._change(request, form, RESTORE, object_id, {"archived": False})

    def _change(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        dialog: dict[str, Any],
        object_id: str,
        changes: dict[str, Any],
    ) -> HttpResponse:
        def act() -> HttpResponse:
            feature = features.change(
                feature=self.row(request, object_id),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
                **changes,
            )
            return dialogs.finish(request, f"{feature} is changed.", to=columns.url(feature))

        return dialogs.attempt(request, form, dialog, act)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Feature) -> object:
        return columns.link(row.project)

    @display(description="State")
    def state_badge(self, row: Feature) -> object:
        return columns.badge("archived" if row.archived_at else "active")
