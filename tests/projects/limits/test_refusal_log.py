"""A flood of refusals costs a few log lines a minute, which tell of every refusal."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from projects.limits.callers import AddressKind
from projects.limits.limiter import Limiter
from projects.limits.refusal_log import LOG_SECONDS, MAX_CALLERS, OTHERS, RefusalLog
from projects.limits.token_bucket import Limit, Quota, TokenBucket


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def key(name: str) -> Quota:
    return Quota((TokenBucket(Limit("key", f"key:{name}:requests", 1.0, 5.0), at=0.0),))


def address(number: int) -> Quota:
    return Limiter().quota_of_address(f"192.0.2.{number}", AddressKind.ANONYMOUS)


def lines_of(refusals: RefusalLog, quota: Quota, times: int) -> list[Any]:
    with capture_logs() as lines:
        for _ in range(times):
            refusals.count(quota)
        refusals.report()
    return lines


def line(caller: str, refused: int) -> dict[str, Any]:
    return {
        "event": "requests_over_limit",
        "log_level": "info",
        "limit": "key",
        "caller": f"key:{caller}:requests",
        "refused": refused,
    }


def test_a_flood_is_one_line_at_once_and_one_a_minute(clock: Clock) -> None:
    refusals = RefusalLog(clock)
    assert lines_of(refusals, key("one"), 1000) == [line("one", 1)]
    clock.now = LOG_SECONDS - 1
    assert lines_of(refusals, key("one"), 500) == []
    clock.now = LOG_SECONDS
    assert lines_of(refusals, key("two"), 1) == [line("two", 1), line("one", 1499)]
    clock.now = 2 * LOG_SECONDS
    assert lines_of(refusals, key("two"), 0) == []
    clock.now = 3 * LOG_SECONDS
    assert lines_of(refusals, key("one"), 3) == [line("one", 1)], "first again after a quiet minute"


def test_the_last_refusals_are_logged_when_the_process_ends(clock: Clock) -> None:
    refusals = RefusalLog(clock)
    lines_of(refusals, key("one"), 3)
    with capture_logs() as lines:
        refusals.report(is_last=True)
    assert lines == [line("one", 2)]


def test_many_addresses_share_a_line_and_hide_no_key(clock: Clock) -> None:
    refusals = RefusalLog(clock)
    with capture_logs() as lines:
        for number in range(250):
            refusals.count(address(number))
        refusals.count(key("one"))
    callers = [each["caller"] for each in lines]
    assert len(callers) == MAX_CALLERS + 2
    assert callers[MAX_CALLERS:] == [OTHERS, "key:one:requests"]
    assert not any("192.0.2" in caller for caller in callers)
    clock.now = LOG_SECONDS
    with capture_logs() as lines:
        refusals.report()
    assert [(each["caller"], each["refused"]) for each in lines] == [
        (OTHERS, 250 - MAX_CALLERS - 1)
    ]
    assert lines_of(refusals, address(1), 1)[0]["caller"] != OTHERS, "room again"
