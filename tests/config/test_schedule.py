"""Every scheduled task exists, and its messages expire before the next one."""

from types import SimpleNamespace
from typing import Any

import pytest

from config.celery import app
from config.poller import Poller
from config.schedule import LANES, POLLED, RELAYED, SCHEDULE, lane_of


def test_every_scheduled_task_exists() -> None:
    """A message that names no task would wake nobody."""
    app.loader.import_default_modules()

    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)


def test_an_unread_scheduled_message_expires_before_the_next_one() -> None:
    assert all(entry["options"]["expires"] <= entry["schedule"] for entry in SCHEDULE.values())


def test_every_polled_chore_has_a_lane() -> None:
    assert {"relay", "billing", "entitlements", "delivery"} == LANES
    assert set(POLLED) >= RELAYED
    assert {lane_of(task) for task in POLLED if task not in RELAYED} == LANES - {"relay"}


@pytest.mark.parametrize(
    ("lanes", "chores"),
    [
        (LANES, set(POLLED)),
        ({"relay"}, set(RELAYED)),
        ({"billing", "relay"}, {each for each in POLLED if each.startswith("billing.")} | RELAYED),
    ],
)
def test_a_worker_polls_the_chores_of_its_lanes(
    lanes: set[str], chores: set[str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads that store heartbeats and prove that it lives are in every worker."""
    settings.WORKER_LANES = frozenset(lanes)
    monkeypatch.setattr("config.poller.POLLED", dict.fromkeys(POLLED, 60.0))
    tasks = {name: SimpleNamespace(run=lambda: None) for name in POLLED}
    worker = SimpleNamespace(app=SimpleNamespace(tasks=tasks))
    poller = Poller(worker)
    poller.start(worker)
    poller.stop(worker)
    assert {each.name for each in poller._threads} == {
        f"poll {name}" for name in {*chores, "record", "liveness"}
    }
