"""``/metrics`` for Prometheus: how far every way out is behind.

All figures come from the database at each scrape, so it does not matter which process answers.
"""

import hmac
from collections.abc import Iterable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from delivery import ways_out
from events.log import selectors as event_log


class LagCollector(Collector):
    """The gauges of the ways out, and of the log itself."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now = timezone.now()
        labels = ["way", "target"]
        waiting = GaugeMetricFamily(
            "tollgate_way_out_waiting", "What is not dealt with yet.", labels=labels
        )
        age = GaugeMetricFamily(
            "tollgate_way_out_age_seconds", "Age of the oldest of it.", labels=labels
        )
        stuck = GaugeMetricFamily(
            "tollgate_way_out_parked", "What waits for a person.", labels=labels
        )
        for way in ways_out.all_ways(at=now):
            values = [way.name, way.title]
            waiting.add_metric(values, way.waiting)
            age.add_metric(values, way.age.total_seconds())
            stuck.add_metric(values, way.stuck)
        oldest = event_log.oldest_pending()
        numbering = GaugeMetricFamily(
            "tollgate_log_age_seconds",
            "Age of the oldest event that has no position in the log.",
            value=max((now - oldest).total_seconds(), 0.0) if oldest else 0.0,
        )
        return [waiting, age, stuck, numbering]


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures, for whoever sends ``METRICS_TOKEN``; without one they are not there."""
    header = request.headers.get("Authorization", "")
    expected = f"Bearer {settings.METRICS_TOKEN}"
    if not settings.METRICS_TOKEN or not hmac.compare_digest(header.encode(), expected.encode()):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LagCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
