from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import bulk, columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from webhooks.admin.payloads import readable
from webhooks.errors import NothingToRead
from webhooks.models import InboundEvent
from webhooks.selectors.inbound_events import IN_STATUS
from webhooks.services import replay

MOST = 500
"""Most events that one request replays; more need ``manage.py replay_events``."""

REPLAY = dialogs.describe(
    "Replay event",
    "Reads the object of the event from Stripe again, and resumes it if it was parked.",
    submit="Replay",
)


class StatusFilter(filters.ConditionFilter):
    title = "status"
    parameter_name = "status"
    conditions = IN_STATUS


@admin.register(InboundEvent)
class InboundEventAdmin(ReadOnlyAdmin):
    """Events from Stripe, stored as the bytes that were signed."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 3, "Inbound events", icon="move_to_inbox")
    actions_detail: ClassVar[Sequence[str]] = ["replay"]
    actions: ClassVar[Sequence[str]] = ["replay_selected"]
    search_fields = ["id__exact", "event_id__exact", "stripe_object_id__exact"]
    list_select_related = ["sync__project", "endpoint__account"]
    list_display = [
        "event_id",
        "received_at",
        "type_code",
        "status_badge",
        "object_link",
        "project_link",
        "error",
    ]
    list_filter = [StatusFilter, filters.TypeFilter, filters.dates("received_at")]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "event_id",
                    "type",
                    "status_badge",
                    "error_text",
                    "endpoint",
                    "deliveries",
                    "received_at",
                    "erased_at",
                    "last_received_at",
                )
            },
        ),
        (
            "Its object",
            {
                "fields": (
                    "object_link",
                    "project_link",
                    "sync_state",
                    "attempts",
                    "applied_at",
                )
            },
        ),
        (None, {"fields": ("payload",)}),
    ]

    def has_replay_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("webhooks.change_inboundevent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body")

    @action(
        description="Replay",
        url_path="replay",
        icon="replay",
        variant=ActionVariant.PRIMARY,
        permissions=["replay"],
        dialog=REPLAY,
    )
    def replay(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            event = replay.replay(
                event=self.row(request, object_id),
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "The object will be read again.", to=columns.url(event))

        return dialogs.attempt(request, form, REPLAY, act)

    @action(description="Replay", permissions=["replay"])
    def replay_selected(
        self, request: HttpRequest, rows: QuerySet[InboundEvent]
    ) -> HttpResponse | None:
        reason = bulk.ask_reason(
            self,
            request,
            rows,
            title="Replay events",
            description="The objects of these events are read from Stripe again, in the "
            "background. Parked ones are resumed.",
            submit="Replay",
        )
        if isinstance(reason, HttpResponse):
            return reason
        if rows.count() > MOST:
            messages.error(request, f"Select at most {MOST}, or run manage.py replay_events.")
        else:
            _replay_all(request, rows, reason, at=timezone.now())
        return None

    @display(description="Type", ordering="type")
    def type_code(self, row: InboundEvent) -> object:
        return columns.code(row.type)

    @display(description="Status")
    def status_badge(self, row: InboundEvent) -> object:
        return columns.badge(row.status)

    @display(description="Object")
    def object_link(self, row: InboundEvent) -> object:
        return (
            columns.link(row.sync, row.stripe_object_id)
            if row.sync
            else columns.code(row.stripe_object_id)
        )

    @display(description="Project")
    def project_link(self, row: InboundEvent) -> object:
        return columns.link(row.sync.project) if row.sync else columns.EMPTY

    @display(description="Error")
    def error(self, row: InboundEvent) -> str:
        return columns.shortened(_error(row), most=60)

    @display(description="Error")
    def error_text(self, row: InboundEvent) -> object:
        return columns.block(_error(row)) if _error(row) else columns.EMPTY

    @display(description="State")
    def sync_state(self, row: InboundEvent) -> object:
        return columns.badge(row.sync.state) if row.sync else columns.EMPTY

    @display(description="Failed tries")
    def attempts(self, row: InboundEvent) -> object:
        return row.sync.attempts if row.sync else columns.EMPTY

    @display(description="Last applied")
    def applied_at(self, row: InboundEvent) -> str:
        return columns.moment(row.sync.applied_at if row.sync else None)

    @display(description="Payload")
    def payload(self, row: InboundEvent) -> object:
        return columns.block(readable(bytes(row.body)))


def _error(row: InboundEvent) -> str:
    """Why the event is not processed. Earlier errors of its object do not count once it is
    processed."""
    if row.quarantined:
        return row.quarantined
    unfinished = row.status in ("waiting", "parked")
    return row.sync.last_error if row.sync and unfinished else ""


def _replay_all(
    request: HttpRequest, rows: QuerySet[InboundEvent], reason: str, *, at: datetime
) -> None:
    replayed = without_object = 0
    for event in rows.select_related("endpoint__account", "sync").order_by("pk"):
        try:
            replay.replay(event=event, actor=actor(request), reason=reason, at=at)
            replayed += 1
        except NothingToRead:
            without_object += 1
    messages.success(request, f"{replayed} replayed.")
    if without_object:
        messages.warning(request, f"{without_object} have no object to read again.")
