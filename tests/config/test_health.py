"""Probes report the true state quickly while other services are down."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from billing.models import StripeAccount
from billing.stripe.errors import StripeCredentialsRefused, StripePermissionMissing
from billing.sync.request_back_off import RequestBackOff
from common import heartbeats, redis
from common.chore_runs import HEARTBEAT
from common.ids import first_id, time_of
from common.models import Heartbeat
from config.health import gather
from config.schedule import POLLED, SCHEDULE
from delivery import ways_out
from delivery.models import WebhookEndpoint
from events.log import sequencer
from events.models import PendingEvent
from projects.models import Project
from tests.events.log.recording import record
from tests.waiting import SilentServer

CLIENT = Client(raise_request_exception=False)


@pytest.fixture(autouse=True)
def _closed_breaker() -> Iterator[None]:
    redis.breaker.close()
    yield
    redis.breaker.close()


@pytest.fixture
def warm(db: None) -> None:
    """The first probe of a process reads the migrations from disk, which takes a second or two."""
    probe("/ready")


def probe(path: str) -> tuple[int, dict[str, Any]]:
    answer = CLIENT.get(path)
    assert answer.headers["Content-Type"] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    return answer.status_code, answer.json()


def alive(*, seconds_ago: int = 0) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    heartbeats.beat_all(dict.fromkeys((heartbeats.PIPELINE, heartbeats.WORKER, *POLLED), at))


def test_liveness_asks_no_other_service() -> None:
    """No ``db`` mark: a query would fail this test."""
    assert probe("/live") == (200, {"status": "ok"})


@pytest.mark.django_db
def test_every_check_passes_on_a_healthy_system() -> None:
    alive()
    status, document = probe("/ready")

    assert (status, document["status"]) == (200, "ok")
    assert {name: check["status"] for name, check in document["checks"].items()} == {
        "database": "ok",
        "migrations": "ok",
        "inbound": "ok",
        "intents": "ok",
        "events": "ok",
        "usage": "ok",
        "stripe": "ok",
        "stripe_accounts": "ok",
        "stripe_budget": "ok",
        "queues": "ok",
        "stripe_keys": "ok",
        "pipeline": "ok",
        "worker": "ok",
        "chores": "ok",
        "mail": "ok",
        "webhooks": "ok",
        "redis": "ok",
    }
    assert document["checks"]["inbound"]["seconds"] == 0
    assert document["checks"]["worker"]["seconds"] < 5


@pytest.mark.django_db
def test_a_web_server_is_ready_before_the_first_worker() -> None:
    status, document = probe("/ready")

    assert (status, document["status"]) == (200, "degraded")
    assert document["checks"]["worker"] == {"status": "degraded", "detail": "never seen"}


@pytest.mark.django_db
def test_a_worker_without_heartbeat_is_reported() -> None:
    alive(seconds_ago=61)
    status, document = probe("/ready")

    assert (status, document["status"]) == (200, "degraded")
    assert document["checks"]["pipeline"]["status"] == "degraded"
    assert 61 <= document["checks"]["pipeline"]["seconds"] < 70


@pytest.mark.django_db
def test_each_periodic_task_shows_its_delay() -> None:
    """One that has not come to its end for minutes degrades the whole, and is named."""
    alive()
    now = timezone.now()
    heartbeats.beat(name="entitlements.expire_reservations", at=now - timedelta(seconds=294))
    heartbeats.beat(name="webhooks.catch_up", at=now - timedelta(seconds=640))
    check = probe("/health")[1]["checks"]["chores"]

    assert check["status"] == "degraded"
    assert check["detail"] == "entitlements.expire_reservations is 293 s late"
    assert 293 <= check["seconds"] < 300
    assert set(check["lags"]) == {entry["task"] for entry in SCHEDULE.values()} - {HEARTBEAT}
    assert 293 <= check["lags"]["entitlements.expire_reservations"] < 300
    assert 40 <= check["lags"]["webhooks.catch_up"] < 50
    assert check["lags"]["entitlements.expire_credits"] < 5
    assert check["lags"]["billing.reconcile"] == 0


@pytest.mark.django_db
def test_an_event_without_a_position_is_reported() -> None:
    alive()
    recorded_at = timezone.now() - timedelta(seconds=90)
    pending = PendingEvent.objects.create(event_id=first_id("evt", recorded_at), version=0)
    check = probe("/health")[1]["checks"]["events"]
    assert check["status"] == "degraded"
    assert check["seconds"] >= 89

    pending.delete()
    assert probe("/health")[1]["checks"]["events"] == {"status": "ok", "seconds": 0.0}


@pytest.mark.django_db
def test_a_polled_task_that_never_ran_is_late() -> None:
    alive()
    Heartbeat.objects.filter(name="entitlements.tell_due").delete()
    check = probe("/health")[1]["checks"]["chores"]

    assert check["detail"] == "entitlements.tell_due has never run"


@pytest.mark.django_db
def test_a_process_without_its_migrations_is_not_ready() -> None:
    alive()
    MigrationRecorder(connection).record_unapplied("common", "0001_initial")
    status, document = probe("/ready")

    assert (status, document["status"]) == (503, "away")
    assert document["checks"]["migrations"] == {
        "status": "away",
        "detail": "1 not applied: run manage.py migrate",
    }
    assert probe("/health")[0] == 200


@pytest.mark.usefixtures("warm")
def test_a_dead_redis_degrades(settings: Settings) -> None:
    alive()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    status, document = probe("/ready")

    assert (status, document["status"]) == (200, "degraded")
    assert document["checks"]["redis"] == {"status": "degraded"}
    assert document["checks"]["database"] == {"status": "ok"}


@pytest.mark.usefixtures("warm")
def test_a_frozen_redis_is_asked_once_and_degrades(
    settings: Settings, silent_server: SilentServer
) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_server.port}/0"
    _, document = probe("/ready")

    assert document["checks"]["redis"] == {"status": "degraded"}
    assert silent_server.connections == 1


@pytest.mark.django_db(transaction=True)
def test_without_a_database_the_process_is_live_and_not_ready() -> None:
    working = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict["PORT"] = "1"
    try:
        assert probe("/live")[0] == 200
        status, document = probe("/ready")
        assert (status, document["status"]) == (503, "away")
        assert document["checks"]["database"] == {"status": "away"}
        status, document = probe("/health")
        assert (status, document["status"]) == (200, "away")
    finally:
        connection.close()
        connection.settings_dict.update(working)


@pytest.mark.django_db
def test_health_names_the_version(settings: Settings) -> None:
    document = probe("/health")[1]

    assert document["version"] == settings.VERSION
    assert document["time"].endswith("Z")


def test_probes_allow_only_reads() -> None:
    answer = CLIENT.post("/live")

    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json()["code"] == "method-not-allowed"


@pytest.mark.django_db
def test_an_unreachable_stripe_is_reported_and_delays_nobody(account: StripeAccount) -> None:
    alive()
    back_off = RequestBackOff()
    back_off.record_failure(account.pk, "coupon.read", StripePermissionMissing("No coupons."))
    status, document = probe("/health")
    check = document["checks"]["stripe"]
    assert (status, check["status"]) == (200, "degraded")
    assert check["detail"] == "0 account(s) get no answer, 1 refuse some requests"

    RequestBackOff().record_failure(
        account.pk, "customer.read", StripeCredentialsRefused("No key.")
    )
    check = probe("/ready")[1]["checks"]["stripe"]
    assert check["detail"] == "1 account(s) get no answer, 0 refuse some requests"
    assert probe("/ready")[0] == 200


@pytest.mark.django_db
def test_webhooks_that_no_process_sends_degrade_the_service(project: Project) -> None:
    row = WebhookEndpoint.objects.create(project=project, url="https://example.com/", position=0)
    recorded = record(project, "cus_1", 1)
    sequencer.run()
    fresh = ways_out.all_ways(at=time_of(recorded) + timedelta(seconds=30))[-1]
    assert (fresh.name, fresh.waiting, fresh.age) == ("webhooks", 1, timedelta(seconds=30))
    late = gather(time_of(recorded) + timedelta(minutes=5))["webhooks"]
    assert (late.status, late.seconds) == ("degraded", 300.0)
    assert late.detail == "1 endpoints with work that no process does"

    # A receiver that is left alone for a while, and a disabled endpoint, are nobody's lag.
    row.breaker_until = time_of(recorded) + timedelta(hours=1)
    row.save()
    assert gather(time_of(recorded) + timedelta(minutes=5))["webhooks"].status == "ok"
    row.breaker_until, row.state = None, "disabled"
    row.save()
    assert gather(time_of(recorded) + timedelta(minutes=5))["webhooks"].status == "ok"
