from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import archivable, columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.archivable import ArchivableAdmin
from common.admin.decorators import action
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.models import Project
from usage.meters import service as meters
from usage.models import Meter
from usage.models.meter import Aggregation

CODE = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?\Z",
    "Lower-case letters, digits, '_', '.' and '-', with a letter or digit at both ends.",
)


class DefineMeterForm(dialogs.Dialog):
    project = fields.choice()
    code = fields.text(
        max_length=64, validators=[CODE], help_text="The project's own name of the meter."
    )
    name = fields.text(max_length=120)
    aggregation = fields.choice(Aggregation.choices, label="Aggregation")
    unit = fields.text(
        max_length=40, required=False, help_text="What the total counts, such as requests."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        projects = Project.objects.filter(suspended_at__isnull=True)
        self.fields["project"].choices = [(project.pk, project.name) for project in projects]


class ChangeMeterForm(dialogs.Dialog):
    name = fields.text(max_length=120)
    unit = fields.text(
        max_length=40, required=False, help_text="What the total counts, such as requests."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        meter = Meter.objects.across_projects().filter(pk=self.row_key).first()
        if meter is not None:
            self.initial |= {"name": meter.name, "unit": meter.unit}


DEFINE = dialogs.describe(
    "Define a meter",
    "Its code and aggregation never change.",
    submit="Define",
    form=DefineMeterForm,
)
CHANGE = dialogs.describe("Change meter", "", submit="Change", form=ChangeMeterForm)
ARCHIVE = dialogs.describe(
    "Archive meter",
    "New records of it are refused. Its records and totals stay.",
    submit="Archive meter",
    keep="Keep meter",
)
RESTORE = dialogs.describe("Restore meter", "It counts again.", submit="Restore")


@admin.register(Meter)
class MeterAdmin(ArchivableAdmin):
    """What is counted, under the codes that the projects' software uses."""

    sidebar = SidebarEntry(SidebarGroup.CATALOG, 5, "Meters", icon="speed")
    actions_list: ClassVar[Sequence[str]] = ["define"]
    search_fields = ["id__exact", "code__icontains", "name__icontains"]
    list_select_related = ["project"]
    list_display = [
        "code",
        "name",
        "aggregation",
        "unit",
        "project_link",
        "state_badge",
        "created_at",
    ]
    list_filter = [filters.PROJECT, filters.words("aggregation", Aggregation.values)]
    fields = [
        "id",
        "code",
        "name",
        "aggregation",
        "unit",
        "is_watched",
        "is_forwarded",
        "project",
        "state_badge",
        "created_at",
        "archived_at",
    ]

    edit, archive, restore = archivable.actions(
        "meter", meters.change, edit=CHANGE, archive=ARCHIVE, restore=RESTORE
    )

    @action(
        description="Define a meter",
        url_path="define",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["define"],
        dialog=DEFINE,
    )
    def define(self, request: HttpRequest, form: DefineMeterForm) -> HttpResponse:
        data = form.cleaned_data

        def act() -> HttpResponse:
            meter = meters.create(
                project=Project.objects.get(pk=data["project"]),
                code=data["code"],
                name=data["name"],
                aggregation=data["aggregation"],
                unit=data["unit"],
                reason=data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{meter} is defined.", to=columns.url(meter))

        return dialogs.attempt(request, form, DEFINE, act)
