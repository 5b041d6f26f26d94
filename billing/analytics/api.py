"""``/metrics/project/{id}/…`` and ``/metrics/…``: subscriptions, MRR and money by period."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.analytics import bodies, project_reports, revenue_reports, subscription_reports
from billing.analytics import selectors as stored
from billing.analytics.bodies import (
    ProjectTotalsBody,
    RevenueMetricsBody,
    SubscriptionMetricsBody,
)
from billing.analytics.period_sums import MetricsRequest
from billing.analytics.periods import DateRange, MetricsPeriod
from billing.analytics.utc_days import DAY, day_of
from common.api.bodies import serializer_of
from common.api.serializers import CurrencyField, StrictSerializer
from projects.keys.api.project_path import ProjectPathViewSet
from projects.keys.scopes import PLATFORM, KeyScope

MAX_DAYS = 400
FIRST_DAY = date(2010, 1, 1)
"""No day before it: Stripe has no older objects."""
DEFAULT_DAYS = {MetricsPeriod.DAY: 30, MetricsPeriod.WEEK: 12 * 7}


@extend_schema_field({"type": "string", "pattern": "^[a-z]{3}$"})
class CurrencyFilterField(CurrencyField):
    """A currency as a query parameter: the document does not list 140 codes for each of them."""


class MetricsDaysSerializer(StrictSerializer):
    currency = CurrencyFilterField(
        required=False, help_text="Only this currency: ISO 4217, lower case."
    )

    def get_fields(self) -> dict[str, Any]:
        """``from`` is a word of Python, so the two days are added here."""
        return {
            **super().get_fields(),
            "from": serializers.DateField(
                required=False,
                help_text="First day, such as 2026-11-01. If absent: 30 days, 12 weeks or 12 "
                "months before `to`.",
            ),
            "to": serializers.DateField(
                required=False,
                help_text="First day after the last one; tomorrow if absent, and at most. At "
                "most 400 days after `from`.",
            ),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Put the days into ``days``."""
        period = MetricsPeriod(attrs.get("period", MetricsPeriod.DAY))
        tomorrow = day_of(timezone.now()) + DAY
        before = attrs.pop("to", tomorrow)
        if not FIRST_DAY < before <= tomorrow:
            raise serializers.ValidationError(
                {"to": [f"A day from {FIRST_DAY + DAY} to tomorrow, {tomorrow}."]}
            )
        first = attrs.pop("from", None) or _default_first(period, before)
        if not max(before - MAX_DAYS * DAY, FIRST_DAY) <= first < before:
            raise serializers.ValidationError({"from": ["A day from 1 to 400 days before `to`."]})
        return {**attrs, "period": period, "days": DateRange(first, before)}


class MetricsQuerySerializer(MetricsDaysSerializer):
    period = serializers.ChoiceField(
        choices=MetricsPeriod.choices,
        default=MetricsPeriod.MONTH,
        help_text="Calendar periods in UTC; weeks begin on Monday.",
    )


class LivemodeSerializer(StrictSerializer):
    livemode = serializers.ChoiceField(
        choices=["true", "false"],
        default="true",
        help_text="Live projects or test projects; they are never added.",
    )


class PlatformMetricsQuerySerializer(LivemodeSerializer, MetricsQuerySerializer):
    pass


class ProjectTotalsQuerySerializer(LivemodeSerializer, MetricsDaysSerializer):
    pass


def _default_first(period: MetricsPeriod, before: date) -> date:
    """The first day of as many periods as are shown without ``from``."""
    if period in DEFAULT_DAYS:
        return max(before - timedelta(days=DEFAULT_DAYS[period]), FIRST_DAY)
    last = before - DAY
    month = last.year * 12 + last.month - 1 - 11
    return max(date(month // 12, month % 12 + 1, 1), FIRST_DAY)


class ProjectMetricsViewSet(ProjectPathViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "subscriptions": KeyScope.METRICS_READ,
        "revenue": KeyScope.METRICS_READ,
    }
    project_only = frozenset({"subscriptions", "revenue"})
    query = {"subscriptions": MetricsQuerySerializer, "revenue": MetricsQuerySerializer}

    @extend_schema(
        operation_id="metrics_project_subscriptions",
        summary="Show a project's subscriptions and MRR by period",
        responses=serializer_of(SubscriptionMetricsBody),
    )
    def subscriptions(self, request: Request, project_id: str) -> Response:
        """Rows by period and currency, oldest first. Past due subscriptions are not in the MRR.
        A day is counted ten minutes after its end; until then it has no row. Today is counted
        live."""
        metrics_request, at = self._metrics_request(), timezone.now()
        report = subscription_reports.report(metrics_request, at=at)
        body = bodies.subscription_metrics(
            metrics_request, report, project_id=self.project.pk, livemode=self.project.livemode
        )
        return Response(body)

    @extend_schema(
        operation_id="metrics_project_revenue",
        summary="Show a project's money by period",
        responses=serializer_of(RevenueMetricsBody),
    )
    def revenue(self, request: Request, project_id: str) -> Response:
        """Rows by period and currency, oldest first; a period without money has none. A refund
        that fails later, and a dispute that is won, are taken off their old day within an hour, or
        within a day if they are older than 35 days."""
        metrics_request, at = self._metrics_request(), timezone.now()
        report = revenue_reports.report(metrics_request, at=at)
        body = bodies.revenue_metrics(
            metrics_request, report, project_id=self.project.pk, livemode=self.project.livemode
        )
        return Response(body)

    def _metrics_request(self) -> MetricsRequest:
        return MetricsRequest(project_ids=[self.project.pk], **self.query_values)


class PlatformViewSet(ProjectPathViewSet):
    @property
    def is_live(self) -> bool:
        """The mode that the caller asks for."""
        is_live: bool = self.query_values["livemode"] == "true"
        return is_live

    def metrics_request(self, project_ids: Collection[str]) -> MetricsRequest:
        """What the caller asks for, about these projects."""
        values = {name: value for name, value in self.query_values.items() if name != "livemode"}
        return MetricsRequest(project_ids=project_ids, **values)


class PlatformMetricsViewSet(PlatformViewSet):
    scopes: ClassVar[dict[str, str]] = {"subscriptions": PLATFORM, "revenue": PLATFORM}
    query = {
        "subscriptions": PlatformMetricsQuerySerializer,
        "revenue": PlatformMetricsQuerySerializer,
    }

    @extend_schema(
        operation_id="metrics_subscriptions",
        summary="Show subscriptions and MRR of all projects by period",
        responses=serializer_of(SubscriptionMetricsBody),
    )
    def subscriptions(self, request: Request) -> Response:
        """The sums over all live or all test projects; only platform keys. See
        `/metrics/project/{id}/subscriptions`."""
        metrics_request, at = self._request_of_all(), timezone.now()
        report = subscription_reports.report(metrics_request, at=at)
        body = bodies.subscription_metrics(
            metrics_request, report, project_id=None, livemode=self.is_live
        )
        return Response(body)

    @extend_schema(
        operation_id="metrics_revenue",
        summary="Show the money of all projects by period",
        responses=serializer_of(RevenueMetricsBody),
    )
    def revenue(self, request: Request) -> Response:
        """The sums over all live or all test projects; only platform keys. See
        `/metrics/project/{id}/revenue`."""
        metrics_request, at = self._request_of_all(), timezone.now()
        report = revenue_reports.report(metrics_request, at=at)
        body = bodies.revenue_metrics(
            metrics_request, report, project_id=None, livemode=self.is_live
        )
        return Response(body)

    def _request_of_all(self) -> MetricsRequest:
        return self.metrics_request(stored.project_ids(livemode=self.is_live))


class ProjectTotalsViewSet(PlatformViewSet):
    scopes: ClassVar[dict[str, str]] = {"list": PLATFORM}
    query = {"list": ProjectTotalsQuerySerializer}

    @extend_schema(
        operation_id="metrics_projects",
        summary="List projects with their metrics",
        responses=serializer_of(ProjectTotalsBody)(many=True),
    )
    def list(self, request: Request) -> Response:
        """Newest project first: subscriptions, MRR and money of each over all days from `from` to
        `to`, by currency; only platform keys. The last 30 days if both are absent."""
        page = self.paginate_queryset(stored.projects(livemode=self.is_live)) or []
        metrics_request = self.metrics_request([project.pk for project in page])
        at = timezone.now()
        subscriptions = project_reports.report_subscriptions(metrics_request, at=at)
        revenue = project_reports.report_revenue(metrics_request, at=at)
        return self.get_paginated_response(
            [
                bodies.project_totals(
                    project,
                    subscriptions=subscriptions.get(project.pk, []),
                    revenue=revenue.get(project.pk, []),
                )
                for project in page
            ]
        )
