"""An operator adds an endpoint for a project, changes its settings, and replaces its secret."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, fields
from common.admin.actors import actor
from common.admin.decorators import action
from delivery.models import EventOrder, WebhookEndpoint
from delivery.webhooks import endpoints, secrets
from delivery.webhooks.admin.portal_links import ProjectForm, chosen_project
from delivery.webhooks.endpoints import MAX_RATE, EndpointRequest

CHANGEABLE = ("url", "description", "event_types", "ordering", "rate")
OPTIONS: dict[str, Any] = {"permissions": ["operate"]}


class EndpointSettingsForm(dialogs.Dialog):
    url = fields.text(
        label="URL",
        max_length=2000,
        help_text="An https address on the public internet, port 443 or 8443.",
    )
    description = fields.text(max_length=500, required=False)
    event_types = fields.text(
        max_length=4000,
        required=False,
        help_text="Separated by commas; payment.* means all of a noun. Empty: all.",
    )
    ordering = fields.choice(EventOrder.choices)
    rate = forms.IntegerField(
        min_value=1,
        max_value=MAX_RATE,
        initial=20,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Deliveries per second, at most.",
    )

    def clean_event_types(self) -> list[str]:
        names = self.cleaned_data["event_types"].split(",")
        return [name.strip() for name in names if name.strip()]

    @property
    def settings(self) -> dict[str, Any]:
        """What the valid form says."""
        return {name: self.cleaned_data[name] for name in CHANGEABLE}


class NewEndpointForm(EndpointSettingsForm, ProjectForm):
    field_order = ["project", *CHANGEABLE]


class EndpointForm(EndpointSettingsForm):
    """The settings of an endpoint, as they are now."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = WebhookEndpoint.objects.across_projects().filter(pk=self.row_key).first()
        if row is not None:
            self.initial |= {name: getattr(row, name) for name in CHANGEABLE}
            self.initial["event_types"] = ", ".join(row.event_types)


class EndpointSecretForm(dialogs.Dialog):
    overlap_hours = forms.IntegerField(
        min_value=0,
        max_value=secrets.MAX_OVERLAP_HOURS,
        initial=secrets.OVERLAP_HOURS,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How long the old secret signs beside the new one.",
    )


ADD = dialogs.describe(
    "Add an endpoint",
    "It gets everything that happens from now on. Its signing secret is shown once.",
    submit="Add",
    form=NewEndpointForm,
)
CONFIGURE = dialogs.describe(
    "Configure endpoint",
    "What is sent next has the new settings; deliveries that wait go to a new URL. Own headers are "
    "set over the API.",
    submit="Save",
    form=EndpointForm,
)
REPLACE_SECRET = dialogs.describe(
    "Replace the signing secret",
    "The new secret is shown once. Both sign until the overlap ends.",
    submit="Replace",
    form=EndpointSecretForm,
)


class EndpointSettingActions:
    """Buttons above the list and on an endpoint's page. Each calls a service, with a reason."""

    row: Callable[[HttpRequest, str], Any]

    @action(description="Add endpoint", url_path="add-endpoint", icon="add", dialog=ADD, **OPTIONS)
    def add_endpoint(self, request: HttpRequest, form: NewEndpointForm) -> HttpResponse:
        def act() -> HttpResponse:
            row, secret = endpoints.create(
                project=chosen_project(form),
                request=EndpointRequest(**form.settings),
                **_who(request, form),
            )
            return _show_secret(request, row, secret)

        return dialogs.attempt(request, form, ADD, act)

    @action(description="Configure", url_path="configure", icon="tune", dialog=CONFIGURE, **OPTIONS)
    def configure_endpoint(
        self, request: HttpRequest, form: EndpointForm, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            changed = endpoints.change(endpoint=row, changes=form.settings, **_who(request, form))
            return dialogs.finish(request, f"{changed} is saved.", to=columns.url(changed))

        return dialogs.attempt(request, form, CONFIGURE, act)

    @action(
        description="Replace secret",
        url_path="replace-secret",
        icon="autorenew",
        dialog=REPLACE_SECRET,
        **OPTIONS,
    )
    def replace_secret(
        self, request: HttpRequest, form: EndpointSecretForm, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            secret = endpoints.rotate_secret(
                endpoint=row,
                overlap_hours=form.cleaned_data["overlap_hours"],
                **_who(request, form),
            )
            return _show_secret(request, row, secret)

        return dialogs.attempt(request, form, REPLACE_SECRET, act)


def _show_secret(request: HttpRequest, row: WebhookEndpoint, secret: str) -> HttpResponse:
    context = {"endpoint": row, "secret": secret, "to": columns.url(row)}
    return dialogs.show(request, "console/webhook_secret.html", context)


def _who(request: HttpRequest, form: dialogs.Dialog) -> dict[str, Any]:
    return {
        "actor": actor(request),
        "reason": form.cleaned_data["reason"],
        "at": timezone.now(),
    }
