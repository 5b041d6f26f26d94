"""``/admin/drift``: what differed from Stripe, and what became of it."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField
from billing.models.drift_report import DriftClass, DriftState
from billing.operations import reconcile_kinds, representation
from billing.operations.api.callers import OperationsViewSet
from billing.operations.representation import DriftReportBody
from billing.operations.selectors import drift_reports
from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer
from projects.keys.scopes import KeyScope


class DriftFilterSerializer(StrictSerializer):
    account = IdField(prefix="acc", required=False)
    project = IdField(prefix="prj", required=False)
    reconciliation = IdField(prefix="rec", required=False)
    kind = serializers.ChoiceField(choices=reconcile_kinds.NAMES, required=False)
    drift_class = serializers.ChoiceField(choices=DriftClass.choices, required=False)
    state = serializers.ChoiceField(choices=DriftState.choices, required=False)
    found_before = serializers.DateTimeField(
        required=False, help_text="First found before this time."
    )


class DriftViewSet(OperationsViewSet):
    scopes: ClassVar[dict[str, str]] = {"list": KeyScope.ADMIN_RECONCILE}
    project_only = frozenset(scopes)
    query = {"list": DriftFilterSerializer}

    @extend_schema(
        operation_id="admin_drift_list",
        summary="List drift reports",
        responses=serializer_of(DriftReportBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest first. Values that may be personal are left out. Closed reports are kept for 90
        days. A project's key gets the reports of its own project only."""
        rows = drift_reports.listing(project=self.visible_project, **_filters(self.query_values))
        page = self.paginate_queryset(rows) or []
        bodies = [
            representation.drift_report(row, is_for_platform=self.is_platform) for row in page
        ]
        return self.get_paginated_response(bodies)


def _filters(values: dict[str, Any]) -> dict[str, Any]:
    """The query parameters as arguments of the selector."""
    filters = dict(values)
    if "kind" in filters:
        filters["kind"] = reconcile_kinds.STEPS[filters["kind"]]
    for name in ("account", "project", "reconciliation"):
        if name in filters:
            filters[f"{name}_id"] = filters.pop(name)
    return filters
