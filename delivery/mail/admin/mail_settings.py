from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.validators import RegexValidator, validate_email
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from delivery.mail import formats, kinds, mail_settings, previews
from delivery.models import Channel, MailSettings
from projects.models import Project

COLOR = RegexValidator(r"^#[0-9a-fA-F]{6}\Z", "A color is like #0f766e.")
CHANGEABLE = (
    "channel",
    "kinds",
    "sender_name",
    "reply_to",
    "brand_name",
    "color",
    "logo_url",
    "renewal_notice_days",
)
KIND_CHOICES = [(kind.name, kind.label) for kind in kinds.KINDS]


class MailSettingsForm(dialogs.Dialog):
    """How a project writes to people."""

    channel = fields.choice(Channel.choices, help_text="None: no message is sent.")
    kinds = fields.many(KIND_CHOICES, required=False)
    sender_name = fields.text(required=False, max_length=120, help_text="Empty: the brand.")
    reply_to = fields.text(
        required=False,
        max_length=254,
        validators=[validate_email],
        help_text="Empty: the project's contact address.",
    )
    brand_name = fields.text(required=False, max_length=120, help_text="Empty: the project.")
    color = fields.text(
        required=False, max_length=7, validators=[COLOR], help_text="Of the button: #0f766e."
    )
    logo_url = fields.text(required=False, max_length=2000, help_text="An https address.")
    renewal_notice_days = forms.IntegerField(
        min_value=1,
        max_value=mail_settings.MAX_NOTICE_DAYS,
        initial=mail_settings.NOTICE_DAYS,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Days between the notice of a renewal and the renewal.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.settings_row()
        self.initial |= {name: getattr(row, name) for name in CHANGEABLE}

    def settings_row(self) -> MailSettings:
        rows = MailSettings.objects.across_projects()
        return rows.filter(pk=self.row_key).first() or MailSettings()


class NewMailSettingsForm(MailSettingsForm):
    project = fields.choice(help_text="A project that has chosen no channel yet.")
    field_order = ["project", *CHANGEABLE]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = MailSettings.objects.across_projects().values("project_id")
        projects = Project.objects.exclude(pk__in=chosen)
        self.fields["project"].choices = [(project.pk, project.name) for project in projects]
        self.initial["kinds"] = list(kinds.NAMES)

    def settings_row(self) -> MailSettings:
        return MailSettings()


TURN_ON = dialogs.describe(
    "Turn messages on",
    "From now on Tollgate writes to the customers of this project. Nothing is sent about what has "
    "happened before.",
    submit="Save",
    form=NewMailSettingsForm,
)
CONFIGURE = dialogs.describe("Messages of the project", "", submit="Save", form=MailSettingsForm)


@admin.register(MailSettings)
class MailSettingsAdmin(ReadOnlyAdmin):
    """The projects that write to people, and how."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 6, "Mail settings", icon="drafts")
    actions_list: ClassVar[Sequence[str]] = ["turn_on"]
    actions_detail: ClassVar[Sequence[str]] = ["configure"]
    search_fields = ["id__exact", "project__name__icontains"]
    list_select_related = ["project"]
    list_display = ["project_link", "channel", "kind_count", "brand_name", "updated_at"]
    list_filter = [filters.PROJECT, filters.words("channel", Channel.values)]
    fields = ["project", "channel", "kind_names", *CHANGEABLE[2:], "preview_link", "updated_at"]

    def has_change_mail_permission(
        self, request: HttpRequest, obj: Model | str | None = None
    ) -> bool:
        return request.user.has_perm("projects.change_project")

    @action(
        description="Turn messages on",
        url_path="turn-on",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["change_mail"],
        dialog=TURN_ON,
    )
    def turn_on(self, request: HttpRequest, form: NewMailSettingsForm) -> HttpResponse:
        project = Project.objects.filter(pk=form.cleaned_data["project"]).first()
        return _save(request, form, TURN_ON, project)

    @action(
        description="Configure",
        url_path="configure",
        icon="edit",
        permissions=["change_mail"],
        dialog=CONFIGURE,
    )
    def configure(
        self, request: HttpRequest, form: MailSettingsForm, object_id: str
    ) -> HttpResponse:
        return _save(request, form, CONFIGURE, self.row(request, object_id).project)

    def get_custom_urls(self) -> Sequence[tuple[str, str, Callable[..., HttpResponse]]]:
        return [("<path:object_id>/preview/", "delivery_mailsettings_preview", self.preview)]

    def preview(self, request: HttpRequest, object_id: str, **kwargs: object) -> HttpResponse:
        """A page that changes nothing: the message of a kind, from a recent event."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row: MailSettings = self.row(request, object_id)
        kind = kinds.BY_NAME.get(request.GET.get("kind", kinds.NAMES[0]))
        if kind is None:
            raise Http404
        locale = request.GET.get("locale", "")
        event_id = request.GET.get("event", "")
        events = previews.recent_events(row.project, kind)
        if "event" not in request.GET and events:
            event_id = events[0].pk
        preview = previews.build(
            settings=row,
            project=row.project,
            kind=kind,
            event_id=event_id,
            locale=locale,
            at=timezone.now(),
        )
        context = {
            **admin.site.each_context(request),
            "title": f"Preview: {row.project}",
            "row": row,
            "back": columns.url(row),
            "kinds": kinds.KINDS,
            "kind": kind,
            "languages": formats.LANGUAGES,
            "locale": locale or formats.LANGUAGES[0],
            "events": events,
            "event_id": event_id,
            "preview": preview,
        }
        return render(request, "console/mail_preview.html", context)

    @display(description="Messages")
    def preview_link(self, row: MailSettings) -> object:
        address = reverse("admin:delivery_mailsettings_preview", args=[row.pk])
        return columns.anchor(address, "Preview each message")

    @display(description="Kinds")
    def kind_count(self, row: MailSettings) -> str:
        return f"{len(row.kinds)} of {len(kinds.KINDS)}"

    @display(description="Kinds")
    def kind_names(self, row: MailSettings) -> str:
        return ", ".join(row.kinds) or columns.EMPTY

    @display(description="Project", ordering="project__name")
    def project_link(self, row: MailSettings) -> object:
        return columns.link(row.project)


def _save(
    request: HttpRequest, form: MailSettingsForm, dialog: dict[str, Any], project: Project | None
) -> HttpResponse:
    if project is None:
        raise Http404

    def act() -> HttpResponse:
        row = mail_settings.configure(
            project=project,
            changes={name: form.cleaned_data[name] for name in CHANGEABLE},
            reason=form.cleaned_data["reason"],
            actor=actor(request),
            at=timezone.now(),
        )
        return dialogs.finish(request, f"The messages of {project} are saved.", to=columns.url(row))

    return dialogs.attempt(request, form, dialog, act)
