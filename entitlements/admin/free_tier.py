from django.contrib import admin
from django.db.models import Q

from common.admin import filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from entitlements.admin import values
from entitlements.models import FreeTierEntry


class StandingFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {"standing": Q(ends_at__isnull=True), "ended": Q(ends_at__isnull=False)}


@admin.register(FreeTierEntry)
class FreeTierEntryAdmin(ReadOnlyAdmin):
    """What everybody in a project has, and had: set over the API with PUT /free-tier."""

    search_fields = ["id__exact", "feature__code__exact"]
    list_select_related = ["project", "feature"]
    list_display = ["feature", "shown_value", "project", "starts_at", "ends_at"]
    list_filter = [filters.PROJECT, StandingFilter]
    fields = ["id", "project", "feature", "shown_value", "starts_at", "ends_at"]

    @display(description="Value")
    def shown_value(self, row: FreeTierEntry) -> str:
        return values.shown(row.value, kind=row.feature.kind)
