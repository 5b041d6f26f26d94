"""Our protocols are right under every schedule, and the models detect wrong ones."""

import pytest

from tests.models import ordering, sync_queue, webhook_intake
from tests.models.ordering import Step
from tests.models.sync_queue import Protocol
from tests.models.webhook_intake import Design

DELIVERIES = (1, 2, 2, 3)
"""Three events, the second delivered twice."""


@pytest.mark.parametrize("name", ordering.RIGHT)
def test_ordering_is_right(name: str) -> None:
    tally = ordering.run(ordering.RIGHT[name], DELIVERIES)
    print(f"{name}: {tally}")  # noqa: T201  # the figure is the result
    assert tally.wrong == 0


def test_ordering_explores_every_schedule() -> None:
    assert ordering.run(ordering.RIGHT[ordering.OURS], DELIVERIES).schedules == 1_528_800


@pytest.mark.parametrize(("name", "steps"), ordering.WRONG.items())
def test_wrong_orderings_are_detected(name: str, steps: list[Step]) -> None:
    tally = ordering.run(steps, DELIVERIES)
    print(f"{name}: {tally}")  # noqa: T201
    assert tally.wrong > 0
    assert tally.example


def test_sync_queue_is_right() -> None:
    tally = sync_queue.run(sync_queue.OURS)
    print(f"ours: {tally}")  # noqa: T201
    assert (tally.wrong, tally.backwards) == (0, 0)
    assert tally.schedules > 1_000_000_000


def test_sync_queue_is_right_for_three_workers() -> None:
    tally = sync_queue.run(sync_queue.OURS, versions=2, again=(1,), workers=3, failures=0)
    assert (tally.wrong, tally.backwards) == (0, 0)


@pytest.mark.parametrize(("name", "protocol"), sync_queue.WRONG.items())
def test_wrong_sync_queues_are_detected(name: str, protocol: Protocol) -> None:
    tally = sync_queue.run(protocol, again=(), failures=0)
    print(f"{name}: {tally}")  # noqa: T201
    assert tally.wrong > 0
    assert tally.example


def test_webhook_intake_loses_no_event() -> None:
    tally = webhook_intake.run(webhook_intake.OURS)
    print(f"ours: {tally}")  # noqa: T201
    assert tally.wrong == 0
    assert tally.schedules > 100


@pytest.mark.parametrize(("name", "design"), webhook_intake.WRONG.items())
def test_wrong_webhook_intakes_are_detected(name: str, design: Design) -> None:
    tally = webhook_intake.run(design)
    print(f"{name}: {tally}")  # noqa: T201
    assert tally.wrong > 0
    assert tally.example
