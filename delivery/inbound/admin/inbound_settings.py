"""The console's page of how projects hear of their users; of secrets it shows only the ids."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from delivery.inbound import inbound_settings, selectors, signing_secrets
from delivery.inbound.representation import address_of
from delivery.models import InboundSettings
from projects.models import Project

MAX_OVERLAP_HOURS = signing_secrets.MAX_OVERLAP // timedelta(hours=1)


class InboundSettingsForm(dialogs.Dialog):
    follows_stream = fields.flag(
        help_text="Messages of the shared streams that name this project change its customers."
    )
    cancels_subscriptions = fields.flag(
        help_text="A deleted user's subscriptions end at once, without a refund. If not: such a "
        "message waits until they have ended."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = InboundSettings.objects.across_projects()
        row = rows.filter(pk=self.row_key).first() or InboundSettings()
        self.initial |= {name: getattr(row, name) for name in inbound_settings.FIELDS}


class NewInboundSettingsForm(InboundSettingsForm):
    project = fields.choice(help_text="A project that has no settings yet.")
    field_order = ["project", *inbound_settings.FIELDS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = InboundSettings.objects.across_projects().values("project_id")
        rows = Project.objects.exclude(pk__in=chosen)
        self.fields["project"].choices = [(row.pk, row.name) for row in rows]


class RotateSecretForm(dialogs.Dialog):
    overlap_hours = forms.IntegerField(
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="For how long the secret before still works.",
    )


TURN_ON = dialogs.describe(
    "Let a project hear of its users",
    "Its auth service creates, changes and erases the project's customers.",
    submit="Save",
    form=NewInboundSettingsForm,
)
CONFIGURE = dialogs.describe(
    "Inbound messages of the project", "", submit="Save", form=InboundSettingsForm
)
ROTATE = dialogs.describe(
    "Issue a signing secret",
    "The new secret is shown once. Older ones than the newest end now.",
    submit="Issue",
    form=RotateSecretForm,
)
REVOKE = dialogs.describe(
    "Revoke all secrets",
    "Signed messages are refused until a new secret is issued.",
    submit="Revoke secrets",
    keep="Keep secrets",
)


@admin.register(InboundSettings)
class InboundSettingsAdmin(ReadOnlyAdmin):
    """The projects that hear of their users from an auth service."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 7, "Inbound messages", icon="move_to_inbox")
    actions_list: ClassVar[Sequence[str]] = ["turn_on"]
    actions_detail: ClassVar[Sequence[str]] = ["rotate_secret", "configure", "revoke_secrets"]
    search_fields = ["id__exact", "project__name__icontains"]
    list_select_related = ["project"]
    list_display = ["project_link", "follows_stream", "cancels_subscriptions", "updated_at"]
    list_filter = [filters.PROJECT]
    fields = ["project", "address", "follows_stream", "cancels_subscriptions", "updated_at"]

    def has_inbound_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.change_project")

    @action(
        description="Let a project hear of its users",
        url_path="turn-on",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["inbound"],
        dialog=TURN_ON,
    )
    def turn_on(self, request: HttpRequest, form: NewInboundSettingsForm) -> HttpResponse:
        project = Project.objects.filter(pk=form.cleaned_data["project"]).first()
        if project is None:
            raise Http404
        return _save(request, form, TURN_ON, project)

    @action(
        description="Configure",
        url_path="configure",
        icon="edit",
        permissions=["inbound"],
        dialog=CONFIGURE,
    )
    def configure(
        self, request: HttpRequest, form: InboundSettingsForm, object_id: str
    ) -> HttpResponse:
        return _save(request, form, CONFIGURE, self.row(request, object_id).project)

    @action(
        description="Issue a secret",
        url_path="rotate-secret",
        icon="key",
        variant=ActionVariant.PRIMARY,
        permissions=["inbound"],
        dialog=ROTATE,
    )
    def rotate_secret(
        self, request: HttpRequest, form: RotateSecretForm, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            _, text = signing_secrets.rotate(
                project=row.project,
                overlap=timedelta(hours=form.cleaned_data["overlap_hours"]),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            context = {"project": row.project, "secret": text, "to": columns.url(row)}
            return dialogs.show(request, "console/inbound_secret.html", context)

        return dialogs.attempt(request, form, ROTATE, act)

    @action(
        description="Revoke secrets",
        url_path="revoke-secrets",
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["inbound"],
        dialog=REVOKE,
    )
    def revoke_secrets(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            for secret in selectors.secrets_of(row.project_id):
                signing_secrets.revoke(
                    secret=secret,
                    reason=form.cleaned_data["reason"],
                    actor=actor(request),
                    at=timezone.now(),
                )
            return dialogs.finish(request, "All secrets are revoked.", to=columns.url(row))

        return dialogs.attempt(request, form, REVOKE, act)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: InboundSettings) -> object:
        return columns.link(row.project)

    @display(description="Address")
    def address(self, row: InboundSettings) -> object:
        return columns.code(address_of(row.project_id))

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        secrets = selectors.live_secrets(row.project_id, at=timezone.now())
        return [
            Section(
                title="Signing secrets",
                headers=["Secret", "Made", "Works until"],
                rows=[
                    [
                        columns.code(secret.pk),
                        columns.moment(secret.created_at),
                        columns.moment(secret.expires_at),
                    ]
                    for secret in secrets
                ],
                empty="No secret: signed messages are refused.",
            )
        ]


def _save(
    request: HttpRequest, form: InboundSettingsForm, dialog: dict[str, Any], project: Project
) -> HttpResponse:
    def act() -> HttpResponse:
        row = inbound_settings.configure(
            project=project,
            changes={name: form.cleaned_data[name] for name in inbound_settings.FIELDS},
            reason=form.cleaned_data["reason"],
            actor=actor(request),
            at=timezone.now(),
        )
        return dialogs.finish(request, f"{project} is saved.", to=columns.url(row))

    return dialogs.attempt(request, form, dialog, act)
