"""``/admin/reconcile``: compare everything that is mirrored with Stripe, now."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api_fields import IdField
from billing.models import Reconciliation
from billing.models.reconciliation import ReconciliationState
from billing.operations import reconcile_kinds, reconciliation_control, representation
from billing.operations.api.callers import OperationsViewSet
from billing.operations.reconciliation_control import NewReconciliation
from billing.operations.representation import ReconciliationBody, WholeReconciliationBody
from billing.operations.selectors import drift_reports, reconciliations
from common.api.bodies import serializer_of
from common.api.serializers import FlagField, ListField, StrictSerializer
from projects.keys.scopes import KeyScope

REASON_LENGTH = 500


class NewReconciliationSerializer(StrictSerializer):
    account = IdField(
        prefix="acc",
        required=False,
        help_text="The Stripe account, acc_…. If absent: the one that the project sells through.",
    )
    project = IdField(
        prefix="prj",
        required=False,
        help_text="Compare this project's objects only. A project's key: always its own project.",
    )
    kinds = ListField(
        child=serializers.ChoiceField(choices=reconcile_kinds.NAMES),
        max_length=len(reconcile_kinds.STEPS),
        required=False,
        help_text="If absent or empty: everything.",
    )
    dry_run = FlagField(required=False, help_text="Only report differences. If absent: false.")
    reason = serializers.CharField(max_length=REASON_LENGTH)


class ReconciliationStopSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=REASON_LENGTH)


class ReconciliationFilterSerializer(StrictSerializer):
    account = IdField(prefix="acc", required=False)
    project = IdField(prefix="prj", required=False)
    state = serializers.ChoiceField(choices=ReconciliationState.choices, required=False)


class ReconciliationsViewSet(OperationsViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "list": KeyScope.ADMIN_RECONCILE,
        "create": KeyScope.ADMIN_RECONCILE,
        "retrieve": KeyScope.ADMIN_RECONCILE,
        "stop": KeyScope.ADMIN_RECONCILE,
    }
    project_only = frozenset(scopes)
    transactional = True
    query = {"list": ReconciliationFilterSerializer}

    @extend_schema(
        operation_id="admin_reconcile_list",
        summary="List reconciliations",
        responses=serializer_of(ReconciliationBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest first. A project's key gets the reconciliations of its own project only."""
        rows = reconciliations.visible_to(self.visible_project).filter(**self.query_values)
        return self.get_paginated_response(self._bodies(self.paginate_queryset(rows) or []))

    @extend_schema(
        operation_id="admin_reconcile_start",
        summary="Start a reconciliation",
        request=NewReconciliationSerializer,
        responses={201: serializer_of(ReconciliationBody)},
    )
    def create(self, request: Request) -> Response:
        """Workers compare page by page, within the account's request budget. 409
        `reconcile-running` while one of the same account and project is not over. A platform key
        sends `account` or `project`. A project's key compares its own project; on an account that
        it shares, it can start one every 15 minutes (409 `reconcile-too-soon`)."""
        body = self.parse_body(NewReconciliationSerializer)
        account, project = reconciliation_control.find_scope(
            own_project=self.visible_project,
            account_id=body.get("account"),
            project_id=body.get("project"),
        )
        row = reconciliation_control.start(
            request=NewReconciliation(
                account=account,
                project=project,
                kinds=tuple(dict.fromkeys(body.get("kinds", ()))),
                dry_run=body.get("dry_run", False),
                reason=body["reason"],
                is_by_key_of_project=not self.is_platform,
            ),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(self._bodies([row])[0], status=201)

    @extend_schema(
        operation_id="admin_reconcile_retrieve",
        summary="Show the progress of a reconciliation",
        responses=serializer_of(WholeReconciliationBody),
    )
    def retrieve(self, request: Request, reconciliation_id: str) -> Response:
        row = self._row(reconciliation_id)
        steps = list(reconciliations.steps(row))
        return Response(representation.whole_reconciliation(self._bodies([row])[0], steps))

    @extend_schema(
        operation_id="admin_reconcile_stop",
        summary="Stop a reconciliation",
        request=ReconciliationStopSerializer,
        responses=serializer_of(ReconciliationBody),
    )
    def stop(self, request: Request, reconciliation_id: str) -> Response:
        """It ends after the current page; what was repaired stays repaired. 409 `reconcile-over`
        if it is over already."""
        row = reconciliation_control.stop(
            row=self._row(reconciliation_id),
            actor=self.actor,
            reason=self.parse_body(ReconciliationStopSerializer)["reason"],
            at=timezone.now(),
        )
        return Response(self._bodies([row])[0])

    def _row(self, reconciliation_id: str) -> Reconciliation:
        return reconciliations.get(
            project=self.visible_project, reconciliation_id=reconciliation_id
        )

    def _bodies(self, rows: Sequence[Reconciliation]) -> Any:
        """The bodies of these rows. Two queries for any number of rows."""
        progress = reconciliations.progress_of(rows)
        counts = drift_reports.counts_of_runs([row.pk for row in rows if row.is_unfinished])
        return [
            representation.reconciliation(
                row, progress[row.pk], counts.get(row.pk, {}), is_for_platform=self.is_platform
            )
            for row in rows
        ]
