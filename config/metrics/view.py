"""The address ``/metrics``, guarded by ``METRICS_TOKEN``."""

import hmac
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric

from common import process_metrics
from common.process_metrics import CallbackCollector
from config.metrics import server_gauges, work_gauges
from config.metrics.counters import collect_counters
from config.metrics.gauge import single
from projects.tenants import selectors as tenants

log = structlog.get_logger(__name__)

PATIENCE = "5s"
"""Longest time of one query of a scrape."""
DATABASE_GAUGES: tuple[Callable[[datetime], Iterable[Metric]], ...] = (
    work_gauges.gauge_ways_out,
    work_gauges.gauge_inbound,
    work_gauges.gauge_intents,
    work_gauges.gauge_stripe,
    work_gauges.gauge_queues,
    work_gauges.gauge_chores,
    server_gauges.gauge_database,
)
_last_project_ids: frozenset[str] = frozenset()
"""For scrapes while the database is away."""


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures, for a caller who sends ``METRICS_TOKEN``; without the setting the address does
    not exist. Answers, with fewer figures, while the database or Redis is away: those of the other
    are needed then, and ``tollgate_database_up`` or ``tollgate_redis_up`` is 0."""
    header = request.headers.get("Authorization", "")
    expected = f"Bearer {settings.METRICS_TOKEN}"
    if not settings.METRICS_TOKEN or not hmac.compare_digest(header.encode(), expected.encode()):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    families = list(collect(timezone.now()))
    registry.register(CallbackCollector(lambda: families))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def collect(at: datetime) -> Iterable[Metric]:
    """All families."""
    gauges = _database_gauges(at)
    process_metrics.shipper.ship()
    figures = process_metrics.read_figures(now=time.time())
    if figures is None:
        return [*gauges, *server_gauges.gauge_redis(None)]
    return chain(
        gauges,
        collect_counters(figures.sums, _last_project_ids),
        server_gauges.gauge_redis(server_gauges.read_redis()),
        server_gauges.gauge_processes(figures.states),
    )


def _database_gauges(at: datetime) -> list[Metric]:
    """Gauges from one short transaction. Those of a query that took too long are missing, and
    ``tollgate_database_up`` is 0."""
    global _last_project_ids
    gauges: list[Metric] = []
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [PATIENCE])
            _last_project_ids = frozenset(tenants.oldest_ids(limit=settings.METRICS_PROJECTS))
            for build in DATABASE_GAUGES:
                gauges.extend(build(at))
    except (DatabaseError, InterfaceError) as error:
        log.warning("metrics_without_database", error=type(error).__name__)
        return [*gauges, single("database_up", "1 if the database answers.", 0.0)]
    return [*gauges, single("database_up", "1 if the database answers.", 1.0)]
