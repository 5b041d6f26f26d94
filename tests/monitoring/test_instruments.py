"""What happens is counted: requests, cached decisions, chores and differences."""

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import StripeCustomer
from billing.operations import reconciliation
from common.chore_metrics import measured
from config.fast_path import answer_cached_check
from config.wsgi import application
from entitlements.cache.local import local_cache
from projects.models import Project
from tests.api_client import ApiClient
from tests.factories.projects import key_of
from tests.monitoring.scrapes import Scrape, scrape
from tests.wsgi_calls import ASK, CHECK, WsgiAnswer, wsgi_environ

pytestmark = pytest.mark.usefixtures("empty_sums")
REQUESTS, DURATION = "tollgate_http_requests_total", "tollgate_http_request_duration_seconds"
LOOKUPS = "tollgate_entitlement_cache_lookups_total"


def requests_of(figures: Scrape, route: str) -> dict[str, float]:
    """Number of requests of a route by status."""
    return {
        dict(labels)["status"]: value
        for (name, labels), value in figures.samples.items()
        if name == REQUESTS and dict(labels)["route"] == route and value
    }


def test_requests_are_counted_by_pattern_and_status(api: ApiClient) -> None:
    api.get("/customers/alice@example.com")
    api.get("/customers/bob@example.com")
    Client().get("/health")
    Client().get("/nothing/here")
    Client().generic("BREW", "/live")
    figures = scrape()
    route = "/api/v1/customers/{user_id}"
    assert requests_of(figures, route) == {"404": 2}
    assert requests_of(figures, "/health") == {"200": 1}
    assert requests_of(figures, "unmatched") == {"404": 1}
    assert figures.value(REQUESTS, method="other", route="/live") == 1
    assert figures.value(f"{DURATION}_count", route=route) == 2
    assert figures.value(f"{DURATION}_bucket", route=route, le="+Inf") == 2
    assert figures.value(f"{DURATION}_sum", route=route) > 0
    assert "alice" not in str(figures.samples)


@pytest.mark.usefixtures("sso")
def test_the_fast_path_counts_under_the_same_names(project: Project) -> None:
    """Once by Django, twice before it, once in the event loop."""
    key = key_of(project)
    Client().get(ASK, headers={"Authorization": f"Bearer {key}"})
    environ = wsgi_environ("GET", ASK, HTTP_AUTHORIZATION=f"Bearer {key}")
    assert WsgiAnswer(application, environ).status_code == 200
    assert WsgiAnswer(application, environ).status_code == 200
    assert answer_cached_check(environ, lambda _: []) is not None
    refused = wsgi_environ("POST", "/webhooks/stripe/no-such-token", b"{}", CONTENT_LENGTH="2")
    assert WsgiAnswer(application, refused).status_code == 404
    figures = scrape()
    assert requests_of(figures, CHECK) == {"200": 4}
    assert figures.value(f"{DURATION}_count", route=CHECK, method="GET") == 4
    assert figures.value(f"{DURATION}_bucket", route=CHECK, le="+Inf") == 4
    buckets = [figures.value(f"{DURATION}_bucket", route=CHECK, le=le) for le in ("0.001", "10.0")]
    assert buckets == sorted(buckets)
    assert requests_of(figures, "/webhooks/stripe/{token}") == {"404": 1}


@pytest.mark.usefixtures("sso")
def test_decisions_are_counted_by_where_they_came_from(project: Project) -> None:
    environ = wsgi_environ("GET", ASK, HTTP_AUTHORIZATION=f"Bearer {key_of(project)}")
    WsgiAnswer(application, environ)  # from the database
    WsgiAnswer(application, environ)  # from this process
    answer_cached_check(environ, lambda _: [])  # from this process, in the event loop
    local_cache.drop_all()
    WsgiAnswer(application, environ)  # from Redis
    figures = scrape()
    sources = ("database", "process", "redis")
    assert [figures.value(LOOKUPS, source=source) for source in sources] == [1, 2, 1]


def test_runs_of_chores_are_counted_with_their_time() -> None:
    with measured("tests.count"):
        pass
    with pytest.raises(LookupError), measured("tests.count"):
        raise LookupError
    figures = scrape()
    runs = "tollgate_chore_runs_total"
    assert figures.value(runs, task="tests.count", outcome="done") == 1
    assert figures.value(runs, task="tests.count", outcome="failed") == 1
    assert figures.value("tollgate_chore_run_seconds_total", task="tests.count") > 0


def test_differences_of_the_nightly_pass_are_counted(alice: StripeCustomer) -> None:
    reconciliation.run_nightly(at=timezone.now())
    figures = scrape()
    name = "tollgate_reconcile_differences_total"
    assert figures.value(name, result="healed") == 1
    assert figures.count(name, result="open") == 0
