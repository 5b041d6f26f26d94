"""Requests that arrive while a transaction runs share the next one, unless it takes long."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

from common.request_threads import Threads
from config.server.request_batches import MAX_RUNNING, RequestBatches
from tests.server.test_threads import play
from tests.waiting import PATIENCE


class Transactions:
    """What is executed: each transaction lasts until it is let go."""

    def __init__(self, threads: Threads) -> None:
        self.batches = RequestBatches(threads, self._execute, owner=lambda _: "owner", lane="test")
        self.executed: list[list[int]] = []
        self.running = 0
        self.most_running = 0
        self._may_end = threading.Semaphore(0)
        self._lock = threading.Lock()

    def _execute(self, requests: Sequence[int]) -> list[bytes | None]:
        with self._lock:
            self.executed.append(list(requests))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        assert self._may_end.acquire(timeout=PATIENCE)
        with self._lock:
            self.running -= 1
        return [b"%d" % request for request in requests]

    def begin(self, *requests: int) -> "asyncio.Future[list[bytes | None]]":
        return asyncio.gather(*map(self.batches.answer, requests))

    def let_go(self, count: int = 1) -> None:
        self._may_end.release(count)

    async def wait_for(self, number: int) -> None:
        """Until so many transactions have begun."""
        async with asyncio.timeout(PATIENCE):
            while len(self.executed) < number:
                await asyncio.sleep(0.0005)


def play_with(story: Callable[[Transactions], Awaitable[None]]) -> Transactions:
    async def run(threads: Threads) -> Transactions:
        transactions = Transactions(threads)
        await story(transactions)
        return transactions

    return play(run)


def test_what_arrives_during_a_quick_transaction_shares_the_next() -> None:
    async def story(transactions: Transactions) -> None:
        transactions.let_go(9)
        answers = [transactions.begin(number) for number in range(20)]
        assert await asyncio.gather(*answers) == [[b"%d" % number] for number in range(20)]

    assert play_with(story).executed == [list(range(20))]


def test_beside_a_long_transaction_another_one_runs() -> None:
    async def story(transactions: Transactions) -> None:
        stuck = transactions.begin(0)
        await transactions.wait_for(1)
        others = transactions.begin(1, 2, 3)
        await transactions.wait_for(2)  # though nobody has let the first go
        late = transactions.begin(4)
        transactions.let_go(3)
        assert await stuck == [b"0"]
        assert await others == [b"1", b"2", b"3"]
        assert await late == [b"4"]

    transactions = play_with(story)
    assert transactions.executed == [[0], [1, 2, 3], [4]]
    assert transactions.most_running == MAX_RUNNING


def test_what_arrives_when_the_last_transaction_ends_begins_at_once() -> None:
    async def story(transactions: Transactions) -> None:
        transactions.let_go(50)
        for number in range(50):
            assert await transactions.begin(number) == [b"%d" % number]

    assert play_with(story).executed == [[number] for number in range(50)]
