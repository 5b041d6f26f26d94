"""A bus on a server of its own, which a test may stop, freeze, fill and empty."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from delivery.bus import relay
from delivery.bus.streams import StreamsBus
from delivery.conf import BusSettings
from devtools.embedded.valkey import Valkey
from tests.delivery.bus import effects
from tests.delivery.bus.streams import Streams


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path, durable=False, password=secrets.token_hex(8))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def streams(valkey: Valkey, settings: Settings) -> Iterator[Streams]:
    """The streams as a consumer sees them."""
    settings.BUS = BusSettings(url=valkey.url(), length=1000, project_length=1000)
    seen = Streams(valkey)
    yield seen
    seen.close()


@pytest.fixture
def bus(streams: Streams, settings: Settings) -> StreamsBus:
    relay._looked_at.clear()
    return StreamsBus(settings.BUS)


@pytest.fixture
def effect_table(db: None) -> Iterator[None]:
    effects.create_table()
    yield
    effects.drop_table()
