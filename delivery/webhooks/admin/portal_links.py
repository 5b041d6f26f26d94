"""Links to the page where a project's developers see their webhooks without an account."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, fields
from common.admin.actors import actor
from common.admin.decorators import action
from delivery.webhooks.portal import links
from delivery.webhooks.portal.links import MAX_HOURS
from projects.models import Project

SEE, ACT = "see", "act"


class ProjectForm(dialogs.Dialog):
    project = fields.choice()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        projects = Project.objects.order_by("name")
        self.fields["project"].choices = [(project.pk, project.name) for project in projects]


class PortalLinkForm(ProjectForm):
    """Whose webhooks, for what, and for how long."""

    access = fields.choice([(SEE, "See only"), (ACT, "See, test, send again, replay, enable")])
    hours = forms.IntegerField(
        min_value=1,
        max_value=MAX_HOURS,
        initial=MAX_HOURS,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How long the link works.",
    )


PORTAL_LINK = dialogs.describe(
    "Link for developers",
    "Who has the link sees the endpoints, deliveries and attempts of the project without an "
    "account. It is shown once.",
    submit="Make the link",
    form=PortalLinkForm,
)
REVOKE = dialogs.describe(
    "Revoke the links of a project",
    "Every link to the project's page of webhooks stops to work at once, also where it is open.",
    submit="Revoke",
    form=ProjectForm,
    keep="Keep the links",
)


class PortalLinkActions:
    """Buttons above the list of endpoints."""

    @action(
        description="Link for developers",
        url_path="portal-link",
        icon="link",
        permissions=["operate"],
        dialog=PORTAL_LINK,
    )
    def portal_link(self, request: HttpRequest, form: PortalLinkForm) -> HttpResponse:
        def act() -> HttpResponse:
            link = links.create(
                project=chosen_project(form),
                can_act=form.cleaned_data["access"] == ACT,
                hours=form.cleaned_data["hours"],
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            context = {"link": link, "to": columns.listing("delivery.webhookendpoint")}
            return dialogs.show(request, "console/portal_link.html", context)

        return dialogs.attempt(request, form, PORTAL_LINK, act)

    @action(
        description="Revoke links",
        url_path="revoke-portal-links",
        icon="link_off",
        permissions=["operate"],
        dialog=REVOKE,
    )
    def revoke_portal_links(self, request: HttpRequest, form: ProjectForm) -> HttpResponse:
        def act() -> HttpResponse:
            project = chosen_project(form)
            links.revoke_all(
                project=project,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            to = columns.listing("delivery.webhookendpoint")
            return dialogs.finish(request, f"All links of {project} are revoked.", to=to)

        return dialogs.attempt(request, form, REVOKE, act)


def chosen_project(form: dialogs.Dialog) -> Project:
    """The project of the valid form."""
    project = Project.objects.filter(pk=form.cleaned_data["project"]).first()
    if project is None:
        raise Http404
    return project
