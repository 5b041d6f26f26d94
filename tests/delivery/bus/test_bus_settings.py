"""Settings of the bus stop the start when they are wrong."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from environ import Env

from delivery.bus import buses
from delivery.conf import BusSettings


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> BusSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return BusSettings.from_env(Env(), url="redis://default:6379/0")


def test_development_has_a_bus_unless_it_is_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).url == "redis://default:6379/0"
    assert load(monkeypatch, BUS_URL="").url == ""


def test_production_has_none_unless_it_is_configured() -> None:
    assert BusSettings.from_env(Env()).url == ""
    assert buses.configured() == []


def test_all_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(
        monkeypatch,
        BUS_URL="rediss://bus:6379/1",
        BUS_LENGTH="5000",
        BUS_PROJECT_LENGTH="1000",
        KAFKA_SERVERS="one:9092,two:9092",
        KAFKA_TOPIC="billing",
        KAFKA_OPTIONS='{"security.protocol": "SSL"}',
    ) == BusSettings(
        url="rediss://bus:6379/1",
        length=5000,
        project_length=1000,
        kafka_servers="one:9092,two:9092",
        kafka_topic="billing",
        kafka_options={"security.protocol": "SSL"},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUS_URL", "http://redis"),
        ("BUS_LENGTH", "999"),
        ("BUS_LENGTH", "many"),
        ("BUS_PROJECT_LENGTH", "-1"),
        ("KAFKA_OPTIONS", "[]"),
        ("KAFKA_OPTIONS", "{"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        load(monkeypatch, **{name: value})


def test_kafka_needs_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="KAFKA_TOPIC"):
        load(monkeypatch, KAFKA_SERVERS="one:9092", KAFKA_TOPIC=" ")
