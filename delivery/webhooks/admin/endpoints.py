"""The console's pages of webhook endpoints."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from delivery.models import EndpointState, WebhookEndpoint
from delivery.webhooks.admin import sections
from delivery.webhooks.admin.endpoint_actions import EndpointActions
from delivery.webhooks.admin.endpoint_settings import EndpointSettingActions
from delivery.webhooks.admin.portal_links import PortalLinkActions
from delivery.webhooks.selectors import overviews

TONES = {"enabled": "success", "disabled": "warning", "failing": "danger", "paused": "danger"}
_ENABLED = Q(state=EndpointState.ENABLED, deleted_at__isnull=True)


class EndpointConditionFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "enabled": _ENABLED,
        "failing": _ENABLED & Q(failing_since__isnull=False),
        "paused": _ENABLED & Q(breaker_until__gt=Now()),
        "behind": _ENABLED & Q(lag__gt=0),
        "disabled": Q(state=EndpointState.DISABLED, deleted_at__isnull=True),
        "deleted": Q(deleted_at__isnull=False),
    }


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(
    EndpointActions, EndpointSettingActions, PortalLinkActions, ReadOnlyAdmin
):
    """Where projects receive their events, and how that goes."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 5, "Webhook endpoints", icon="webhook")
    actions_list: ClassVar[Sequence[str]] = ["add_endpoint", "portal_link", "revoke_portal_links"]
    actions_detail: ClassVar[Sequence[str]] = [
        "configure_endpoint",
        "send_test",
        "check_endpoint",
        "replay",
        "cancel_replays",
        "enable",
        "disable",
        "replace_secret",
        "delete_endpoint",
    ]
    search_fields = ["id__exact", "url__icontains", "project__name__icontains"]
    list_select_related = ["project"]
    list_display = [
        "url_link",
        "project_link",
        "state_badge",
        "failing_since",
        "next_attempt_at",
        "lag_count",
        "last_success_at",
    ]
    list_filter = [filters.PROJECT, EndpointConditionFilter, filters.dates("failing_since")]
    fields = [
        "id",
        "project",
        "url",
        "description",
        "state_badge",
        "disabled_text",
        "failing_since",
        "failures",
        "last_problem",
        "next_attempt_at",
        "last_success_at",
        "position",
        "lag_count",
        "certificate_expires_at",
        "type_names",
        "header_list",
        "order_of_events",
        "rate",
        "schema_version",
        "created_at",
        "updated_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return overviews.with_lag(super().get_queryset(request)).defer("sealed_headers")

    def sections(self, request: HttpRequest, row: WebhookEndpoint) -> Sequence[Section]:
        return [
            sections.failed_deliveries(row),
            sections.last_deliveries(row),
            sections.last_check(row),
            sections.replays(row),
            sections.secrets(row, at=timezone.now()),
        ]

    @display(description="Order")
    def order_of_events(self, obj: WebhookEndpoint) -> str:
        return obj.get_ordering_display()

    @display(description="URL", ordering="url")
    def url_link(self, row: WebhookEndpoint) -> object:
        return columns.link(row, columns.shortened(row.url, most=60))

    @display(description="Project", ordering="project__name")
    def project_link(self, row: WebhookEndpoint) -> object:
        return columns.link(row.project)

    @display(description="State", ordering="state")
    def state_badge(self, row: WebhookEndpoint) -> object:
        word = overviews.condition(row, at=timezone.now())
        return columns.badge(word, tone=TONES.get(word))

    @display(description="Disabled because", ordering="disabled_reason")
    def disabled_text(self, row: WebhookEndpoint) -> str:
        if not row.disabled_reason:
            return columns.EMPTY
        return f"{row.get_disabled_reason_display()} ({columns.moment(row.disabled_at)})"

    @display(description="Next attempt", ordering="breaker_until")
    def next_attempt_at(self, row: WebhookEndpoint) -> str:
        """Set while nothing is sent because the last attempts have failed."""
        is_paused = overviews.condition(row, at=timezone.now()) == "paused"
        return columns.moment(row.breaker_until) if is_paused else columns.EMPTY

    @display(description="Events behind", ordering="lag")
    def lag_count(self, row: Any) -> str:
        return f"{row.lag:,}"

    @display(description="Event types")
    def type_names(self, row: WebhookEndpoint) -> str:
        return ", ".join(row.event_types) or "All"

    @display(description="Own headers")
    def header_list(self, row: WebhookEndpoint) -> str:
        """Their names; the values are shown nowhere."""
        return ", ".join(row.header_names) or columns.EMPTY
