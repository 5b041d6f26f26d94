"""No order of reads, writes and messages makes a process's local copies stale for long."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from common.redis import breaker
from entitlements.cache.local import MAX_AGE_SECONDS
from tests.models.cache_process import Process, entry, orders, stale


@pytest.fixture(autouse=True)
def redis_is_there():
    breaker.close()
    yield
    assert not breaker.is_open


Step = Callable[[Process], Iterator[None]]
READS, WRITES, HEARS = Process.reader, Process.writer, Process.listener
LOSES, BREAKS, SLEEPS = Process.loser, Process.breaker, Process.sleeper
TURNS: dict[Step, int] = {READS: 3, WRITES: 1, HEARS: 1, LOSES: 1, BREAKS: 2, SLEEPS: 1}


def lives(actors: Sequence[Step], *, careless: bool = False) -> Iterator[Process]:
    """The process after every order in which these can happen, with and without a copy at first."""
    for order in orders(tuple(TURNS[actor] for actor in actors)):
        for is_warm in (False, True):
            process = Process(careless=careless)
            if is_warm:
                process.copies.keep("ada", "sso", entry(1), begun=process.copies.begin_read())
            playing = [actor(process) for actor in actors]
            for index in order:
                next(playing[index], None)
            process.ends()
            yield process


class TestCopies:
    """In front of Redis: a message takes a copy away for good, and without one it ages."""

    @pytest.mark.parametrize(
        "actors",
        [
            pytest.param([READS, WRITES, HEARS], id="a slow reader and a change"),
            pytest.param([READS, READS, WRITES, HEARS], id="two readers"),
            pytest.param([READS, WRITES, HEARS, WRITES, HEARS], id="two changes"),
            pytest.param([READS, WRITES, BREAKS], id="a connection that breaks"),
            pytest.param([READS, WRITES, BREAKS, HEARS], id="a message after it is back"),
        ],
    )
    def test_what_a_message_took_away_is_not_shown_again(self, actors: list[Step]) -> None:
        assert stale(lives(actors))[0] == 0

    @pytest.mark.parametrize(
        "actors", [[READS, WRITES, LOSES, SLEEPS], [READS, READS, WRITES, LOSES, SLEEPS]]
    )
    def test_without_the_message_it_is_shown_for_less_than_a_second(
        self, actors: list[Step]
    ) -> None:
        assert 0 <= stale(lives(actors))[1] < MAX_AGE_SECONDS <= 1

    def test_nothing_is_kept_while_nobody_is_heard(self) -> None:
        process = Process(is_heard=False)
        for _ in process.reader():
            pass
        assert process.copies.find("ada", "sso") is None

    def test_a_reader_that_does_not_say_when_it_began_is_found_stale(self) -> None:
        assert stale(lives([READS, WRITES, HEARS], careless=True))[0] > 0
