"""The console's pages of webhook deliveries."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property

from common import ids
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from delivery.models import DeliveryKind, DeliveryState, WebhookDelivery
from delivery.webhooks import manual
from delivery.webhooks.admin import sections
from delivery.webhooks.admin.dialogs import SEND_AGAIN
from delivery.webhooks.selectors import deliveries
from events.models import OutboxEvent

MOST_LISTED = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts to MOST_LISTED and no further: there can be many millions."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list[:MOST_LISTED]  # type: ignore[assignment]
        return rows.count()


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Events for endpoints. Reached from the endpoint; found by the id of an event, too."""

    paginator = CappedPaginator
    actions_detail: ClassVar[Sequence[str]] = ["send_again"]
    search_fields = ["id__exact"]
    search_help_text = "The id of a delivery, an endpoint (whe_…), an event or a replay."
    list_select_related = ["project", "endpoint"]
    list_display = [
        "id",
        "event_type",
        "state_badge",
        "reason",
        "attempts",
        "endpoint_link",
        "project_link",
        "created_at_text",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("state", DeliveryState.values),
        filters.words("kind", DeliveryKind.values),
    ]
    fields = [
        "id",
        "event_link",
        "event_type",
        "endpoint_link",
        "project",
        "state_badge",
        "reason",
        "kind",
        "replay_id",
        "position",
        "attempts",
        "due_at",
        "first_attempt_at",
        "finished_at",
        "created_at_text",
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By an id, each by its own index; any other text finds nothing."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        if term.startswith("whe_"):
            return queryset.filter(endpoint_id=term), False
        if term.startswith(f"{ids.prefix_of(OutboxEvent)}_"):
            events = OutboxEvent.objects.across_projects().filter(pk=term)
            return queryset.filter(project_id__in=events.values("project_id"), event_id=term), False
        if term.startswith("whr_"):
            return queryset.filter(replay_id=term), False
        return queryset.filter(pk=term), False

    def has_send_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("delivery.change_webhookdelivery")

    @action(
        description="Send again",
        url_path="send-again",
        icon="replay",
        permissions=["send"],
        dialog=SEND_AGAIN,
    )
    def send_again(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            again = manual.send_again(
                delivery=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            message = "It is sent within a few seconds: its attempts appear here."
            return dialogs.finish(request, message, to=columns.url(again))

        return dialogs.attempt(request, form, SEND_AGAIN, act)

    def sections(self, request: HttpRequest, row: WebhookDelivery) -> Sequence[Section]:
        return sections.attempts(deliveries.attempts_of(row))

    @display(description="State", ordering="state")
    def state_badge(self, row: WebhookDelivery) -> object:
        return columns.badge(row.state)

    @display(description="Event")
    def event_link(self, row: WebhookDelivery) -> object:
        return columns.anchor(columns.page("events.outboxevent", row.event_id), row.event_id)

    @display(description="Endpoint")
    def endpoint_link(self, row: WebhookDelivery) -> object:
        return columns.link(row.endpoint, columns.shortened(row.endpoint.url, most=60))

    @display(description="Project", ordering="project__name")
    def project_link(self, row: WebhookDelivery) -> object:
        return columns.link(row.project)

    @display(description="Created", ordering="id")
    def created_at_text(self, row: WebhookDelivery) -> str:
        return columns.moment(row.created_at)
