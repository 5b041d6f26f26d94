from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import MissingObject
from billing.models.missing_object import MissingReason, MissingState
from billing.models.sync_object import ObjectKind
from billing.sync import missing_objects
from common.admin import bulk, columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.errors import Conflict

ACCEPT = dialogs.describe(
    "It is gone",
    "The object is read once more. If Stripe still does not have it, our row ends: a "
    "subscription is canceled, a price is taken off sale. This cannot be undone here.",
    submit="Take it as gone",
)
DISMISS = dialogs.describe(
    "Keep our row",
    "Our row stays as it is, even if Stripe answers 404. If Stripe has the object again, it is "
    "stored as usual.",
    submit="Keep our row",
)
MAX_SELECTED = 500
"""Objects that one request decides about."""


class TooManySelected(Conflict):
    code, title = "too-many", "These are too many to decide about at once."


@admin.register(MissingObject)
class MissingObjectAdmin(ReadOnlyAdmin):
    """Objects that Stripe answered 404 for. Those that wait need a decision; nothing is done to
    our rows before. Check first that the account's key and mode are right."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 5, "Missing objects", icon="unknown_document")
    actions_detail: ClassVar[Sequence[str]] = ["accept", "dismiss"]
    actions: ClassVar[Sequence[str]] = ["accept_selected", "dismiss_selected"]
    search_fields = ["stripe_id__exact", "our_id__exact"]
    list_select_related = ["account", "project"]
    list_display = [
        "stripe_id",
        "kind_code",
        "state_badge",
        "reason",
        "project_link",
        "account",
        "found_at",
        "decided_at",
    ]
    list_filter = [
        filters.words("state", MissingState.values),
        filters.words("reason", MissingReason.values),
        filters.words("kind", ObjectKind.values),
        filters.PROJECT,
        filters.dates("found_at"),
    ]
    fields = [
        "stripe_id",
        "kind_code",
        "our_id",
        "state_badge",
        "reason",
        "project_link",
        "account",
        "found_at",
        "decided_at",
        "decided_by",
    ]

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_missingobject")

    @action(
        description="It is gone",
        url_path="accept",
        icon="delete_forever",
        permissions=["decide"],
        dialog=ACCEPT,
    )
    def accept(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)
        return _decide_one(request, form, ACCEPT, missing_objects.accept, row)

    @action(
        description="Keep our row",
        url_path="dismiss",
        icon="undo",
        permissions=["decide"],
        dialog=DISMISS,
    )
    def dismiss(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)
        return _decide_one(request, form, DISMISS, missing_objects.dismiss, row)

    @action(description="They are gone", permissions=["decide"])
    def accept_selected(
        self, request: HttpRequest, rows: QuerySet[MissingObject]
    ) -> HttpResponse | None:
        return self._decide_many(request, rows, ACCEPT, missing_objects.accept)

    @action(description="Keep our rows", permissions=["decide"])
    def dismiss_selected(
        self, request: HttpRequest, rows: QuerySet[MissingObject]
    ) -> HttpResponse | None:
        return self._decide_many(request, rows, DISMISS, missing_objects.dismiss)

    def _decide_many(
        self,
        request: HttpRequest,
        rows: QuerySet[MissingObject],
        dialog: dict[str, Any],
        decide: Callable[..., None],
    ) -> HttpResponse | None:
        reason = bulk.ask_reason(
            self,
            request,
            rows,
            title=dialog["title"],
            description=dialog["description"],
            submit=dialog["form_submit_text"],
        )
        if isinstance(reason, HttpResponse):
            return reason
        with dialogs.reported(request):
            waiting = list(rows.filter(state=MissingState.WAITING)[: MAX_SELECTED + 1])
            if len(waiting) > MAX_SELECTED:
                raise TooManySelected(f"Select at most {MAX_SELECTED}.")
            for row in waiting:
                decide(row=row, actor=actor(request), reason=reason, at=timezone.now())
            messages.success(request, f"{len(waiting)} decided.")
        return None

    @display(description="Kind", ordering="kind")
    def kind_code(self, row: MissingObject) -> object:
        return columns.code(row.kind)

    @display(description="State")
    def state_badge(self, row: MissingObject) -> object:
        return columns.badge(row.state, tone="danger" if row.is_waiting else None)

    @display(description="Project")
    def project_link(self, row: MissingObject) -> object:
        return columns.link(row.project)


def _decide_one(
    request: HttpRequest,
    form: dialogs.Dialog,
    dialog: dict[str, Any],
    decide: Callable[..., None],
    row: MissingObject,
) -> HttpResponse:
    def act() -> HttpResponse:
        decide(
            row=row,
            actor=actor(request),
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
        )
        return dialogs.finish(
            request, "Decided. The object is read again within a few seconds.", to=columns.url(row)
        )

    return dialogs.attempt(request, form, dialog, act)
