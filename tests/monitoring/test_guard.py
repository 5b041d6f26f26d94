"""``/metrics`` answers who has the token, also while the database or Redis is away."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from common import process_metrics, redis
from delivery.models import WebhookEndpoint
from events.log import sequencer
from projects.models import Project
from tests.events.log.recording import record
from tests.monitoring.scrapes import TOKEN, scrape
from tests.monitoring.slow_redis import delayed_redis
from tests.waiting import SilentServer

QUERIES = 19
"""Of one scrape, however much waits; two more are the savepoint's."""


@pytest.mark.django_db
def test_without_the_token_there_is_nothing(settings: Any) -> None:
    assert Client().get("/metrics").status_code == 404
    settings.METRICS_TOKEN = TOKEN
    for header in ("", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", "Bearer ü"):
        assert Client().get("/metrics", headers={"Authorization": header}).status_code == 404


@pytest.mark.django_db
def test_every_way_out_has_its_lag(project: Project) -> None:
    WebhookEndpoint.objects.create(project=project, url="https://example.com/", position=0)
    record(project, "cus_1", 1)
    sequencer.run()
    record(project, "cus_1", 2)
    figures = scrape()
    assert figures.value("tollgate_way_out_waiting", way="webhooks") == 1
    assert figures.value("tollgate_way_out_age_seconds", way="webhooks") >= 0
    assert figures.value("tollgate_way_out_waiting", way="mail") == 0
    assert figures.value("tollgate_log_age_seconds") >= 0
    assert figures.value("tollgate_webhook_endpoints", condition="working") == 1


@pytest.mark.django_db
def test_the_number_of_queries_depends_on_nothing(
    project: Project, other_project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    scrape()
    with django_assert_num_queries(QUERIES + 2):
        scrape()
    for tenant in (project, other_project):
        WebhookEndpoint.objects.create(project=tenant, url="https://example.com/", position=0)
        record(tenant, "cus_1", 1)
    sequencer.run()
    with django_assert_num_queries(QUERIES + 2):
        scrape()


@pytest.mark.django_db
def test_a_failed_query_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeats' table is missing, as in the middle of a restore."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE common_heartbeat RENAME TO common_heartbeat_away")
    figures = scrape()
    assert figures.value("tollgate_database_up") == 0
    assert figures.value("tollgate_log_age_seconds") == 0
    assert figures.value("tollgate_redis_up") == 1
    assert "tollgate_http_requests_total" in figures.names


@pytest.mark.django_db
def test_a_redis_that_is_slow_for_a_moment_hides_no_counter(settings: Any) -> None:
    """Not even while the breaker has other callers do without it: a counter that vanishes for one
    scrape is a gap in each graph."""
    url, before = settings.REDIS_URL, scrape()
    with delayed_redis(url, seconds=2 * redis.TIMEOUT) as settings.REDIS_URL:
        redis.breaker.trip()
        try:
            during = scrape()
        finally:
            redis.breaker.close()
            redis.client(process_metrics.PATIENCE).close()
    settings.REDIS_URL = url
    assert during.value("tollgate_redis_up") == 1
    assert before.samples.keys() <= during.samples.keys()


@pytest.mark.django_db
def test_a_redis_that_is_silent_leaves_the_gauges(
    settings: Any, silent_server: SilentServer
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_server.port}/0"
    try:
        figures = scrape()
    finally:
        redis.breaker.close()
    assert figures.value("tollgate_redis_up") == 0
    assert figures.value("tollgate_database_up") == 1
    assert figures.value("tollgate_chore_lag_seconds", task="webhooks.catch_up") == 0
    assert "tollgate_http_requests_total" not in figures.names
    assert "tollgate_processes" not in figures.names, "nobody knows; 0 would be wrong"
