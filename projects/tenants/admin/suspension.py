"""The buttons of a project's page that suspend and resume it."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import columns, dialogs
from common.admin.actors import actor
from common.admin.decorators import action
from common.admin.pages import ReadOnlyAdmin
from projects.models import Project
from projects.tenants import projects

SUSPEND = dialogs.describe(
    "Suspend project",
    "Within five seconds its keys and its users' tokens open nothing: no checks, no checkouts, no "
    "changes. Its subscriptions run on at Stripe and are charged; what Stripe tells us is kept and "
    "applied. Checkout pages that are open can still be paid.",
    submit="Suspend",
)
RESUME = dialogs.describe(
    "Resume project",
    "Its keys and its users' tokens work again.",
    submit="Resume",
)


class SuspensionButtons:
    """Both buttons are always shown: suspending a suspended project changes nothing."""

    def has_suspend_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.change_project")

    @action(
        description="Suspend",
        url_path="suspend",
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["suspend"],
        dialog=SUSPEND,
    )
    def suspend(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return _carry_out(self, request, form, object_id, SUSPEND, projects.suspend)

    @action(
        description="Resume",
        url_path="resume",
        icon="play_arrow",
        permissions=["suspend"],
        dialog=RESUME,
    )
    def resume(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return _carry_out(self, request, form, object_id, RESUME, projects.resume)


def _carry_out(
    page: ReadOnlyAdmin | Any,
    request: HttpRequest,
    form: dialogs.Dialog,
    object_id: str,
    dialog: dict[str, Any],
    service: Callable[..., Project],
) -> HttpResponse:
    def act() -> HttpResponse:
        project = service(
            project=page.row(request, object_id),
            reason=form.cleaned_data["reason"],
            actor=actor(request),
            at=timezone.now(),
        )
        state = "active" if project.suspended_at is None else "suspended"
        return dialogs.finish(request, f"{project} is {state}.", to=columns.url(project))

    return dialogs.attempt(request, form, dialog, act)
