"""Old signals are deleted, ``/health`` shows late ones, a wrong setting stops the start."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from environ import Env

from delivery import ways_out
from delivery.conf import TemporalSettings
from delivery.models import WorkflowSignal
from delivery.signals import planner, retention
from projects.models import Project
from tests.delivery.signals.payments import NOW, pay, send, states
from tests.delivery.signals.temporal_server import TemporalServer

NAMES = ("ADDRESS", "API_KEY", "TLS", "TLS_CA", "TLS_CERT", "TLS_KEY")


@pytest.mark.django_db
def test_old_signals_are_deleted_unless_they_are_planned(
    project: Project, temporal: TemporalServer
) -> None:
    temporal.gone.add("order-8")
    pay(project)
    pay(project, "order-8")
    send()
    pay(project, "order-9")
    planner.run(at=NOW)
    assert retention.drop_old(at=NOW + retention.KEPT) == 0
    assert retention.drop_old(at=NOW + retention.KEPT + timedelta(seconds=1)) == 2
    assert states(project) == [("planned", "")]


@pytest.mark.django_db
def test_health_shows_late_and_parked_signals(project: Project, temporal: TemporalServer) -> None:
    assert lag(NOW) == (0, timedelta(), 0)
    pay(project)
    planner.run(at=NOW)
    assert lag(NOW + timedelta(seconds=90)) == (1, timedelta(seconds=90), 0)
    WorkflowSignal.objects.for_project(project).update(state="parked")
    check = Client().get("/health").json()["checks"]["signals"]
    assert (check["status"], check["detail"]) == ("degraded", "1 parked")


@pytest.mark.django_db
def test_health_says_nothing_without_a_server() -> None:
    assert "signals" not in [way.name for way in ways_out.all_ways(at=NOW)]
    assert "signals" not in Client().get("/health").json()["checks"]


def lag(at: datetime) -> tuple[int, timedelta, int]:
    way = next(way for way in ways_out.all_ways(at=at) if way.name == "signals")
    return way.waiting, way.age, way.stuck


def parse(monkeypatch: pytest.MonkeyPatch, **variables: str) -> TemporalSettings:
    for name in NAMES:
        monkeypatch.delenv(f"TEMPORAL_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"TEMPORAL_{name}", value)
    return TemporalSettings.from_env(Env())


def test_signals_are_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(monkeypatch) == TemporalSettings()


def test_a_key_or_a_certificate_turns_tls_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not parse(monkeypatch, ADDRESS="temporal:7233").tls
    with_key = parse(monkeypatch, ADDRESS="acme.tmprl.cloud:7233", API_KEY="secret")
    assert (with_key.tls, with_key.api_key) == (True, "secret")
    assert "secret" not in repr(with_key)
    pem = tmp_path / "client.pem"
    pem.write_text("PEM")
    files = {"TLS_CERT": str(pem), "TLS_KEY": str(pem)}
    with_files = parse(monkeypatch, ADDRESS="temporal:7233", **files)
    assert (with_files.tls, with_files.tls_cert, with_files.tls_ca) == (True, b"PEM", b"")


@pytest.mark.parametrize(
    "variables",
    [
        {"ADDRESS": "https://temporal:7233"},
        {"ADDRESS": "temporal"},
        {"ADDRESS": "temporal:7233", "API_KEY": "secret", "TLS": "false"},
        {"ADDRESS": "temporal:7233", "TLS_CA": "/nowhere.pem"},
    ],
)
def test_a_wrong_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    with pytest.raises(ImproperlyConfigured):
        parse(monkeypatch, **variables)
