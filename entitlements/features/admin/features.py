from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldBooleanSwitchWidget

from common.admin import columns, dialogs, fields, filters, retiring
from common.admin.actors import actor
from common.admin.decorators import action
from common.admin.retiring import RetirableAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from entitlements.features import service as features
from entitlements.features.service import FeatureMetering
from entitlements.models import Feature
from entitlements.models.feature import PERIODS, FeatureKind, Merge
from projects.models import Project

CODE = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?\Z",
    "Lower-case letters, digits, '_', '.' and '-', with a letter or digit at both ends.",
)


class DefineFeatureForm(dialogs.Dialog):
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
        self.fields["project"].choices = [(project.pk, project.name) for project in projects]


class ChangeFeatureForm(dialogs.Dialog):
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
    form=DefineFeatureForm,
)
CHANGE = dialogs.describe("Change feature", "", submit="Change", form=ChangeFeatureForm)
ARCHIVE = dialogs.describe(
    "Archive feature",
    "Nothing new may refer to it. Who has it keeps it.",
    submit="Archive feature",
    keep="Keep feature",
)
RESTORE = dialogs.describe("Restore feature", "It may be sold and granted again.", submit="Restore")


@admin.register(Feature)
class FeatureAdmin(RetirableAdmin):
    """The features of projects, by the codes that their software checks."""

    sidebar = SidebarEntry(SidebarGroup.CATALOG, 3, "Features", icon="toggle_on")
    actions_list: ClassVar[Sequence[str]] = ["define"]
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

    edit, archive, restore = retiring.actions(
        "feature", features.change, edit=CHANGE, archive=ARCHIVE, restore=RESTORE
    )

    @action(
        description="Define a feature",
        url_path="define",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["define"],
        dialog=DEFINE,
    )
    def define(self, request: HttpRequest, form: DefineFeatureForm) -> HttpResponse:
        data = form.cleaned_data

        def act() -> HttpResponse:
            feature = features.create(
                project=Project.objects.get(pk=data["project"]),
                code=data["code"],
                name=data["name"],
                kind=data["kind"],
                unit=data["unit"],
                merge=data["merge"],
                metering=FeatureMetering(
                    meter=data["meter"], period=data["period"], anchored=data["anchored"]
                ),
                reason=data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{feature} is defined.", to=columns.url(feature))

        return dialogs.attempt(request, form, DEFINE, act)
