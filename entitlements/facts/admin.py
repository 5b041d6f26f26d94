from django.contrib import admin

from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from entitlements.decisions.admin.decisions import SOURCE_PAGES
from entitlements.features.admin import values
from entitlements.models import Fact
from entitlements.models.fact import Effect, SourceType


@admin.register(Fact)
class FactAdmin(ReadOnlyAdmin):
    """The facts of all sources, current and earlier ones. Read-only."""

    sidebar = SidebarEntry(SidebarGroup.ACCESS, 3, "Facts", icon="fact_check")
    search_fields = [
        "id__exact",
        "source_id__exact",
        "customer__user_id__exact",
        "customer__id__exact",
        "feature__code__exact",
    ]
    list_select_related = ["project", "customer", "feature"]
    list_display = [
        "id",
        "customer_link",
        "feature",
        "effect_badge",
        "shown_value",
        "reason",
        "source_link",
        "version",
        "starts_at",
        "ends_at",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("source_type", SourceType.values),
        filters.words("effect", Effect.values),
        filters.dates("recorded_at"),
    ]
    fields = [
        "id",
        "project",
        "customer",
        "source_link",
        "version",
        "effect_badge",
        "feature",
        "shown_value",
        "reason",
        "starts_at",
        "ends_at",
        "anchored_at",
        "paid_until",
        "part",
        "recorded_at",
    ]

    @display(description="Customer", ordering="customer__user_id")
    def customer_link(self, row: Fact) -> object:
        return columns.link(row.customer)

    @display(description="Effect", ordering="effect")
    def effect_badge(self, row: Fact) -> object:
        return columns.badge(row.effect)

    @display(description="Value")
    def shown_value(self, row: Fact) -> str:
        return values.format_value(row.value) if row.effect == Effect.ALLOW else columns.EMPTY

    @display(description="Source")
    def source_link(self, row: Fact) -> object:
        return columns.anchor(
            columns.page(SOURCE_PAGES[row.source_type], row.source_id), row.source_id
        )
