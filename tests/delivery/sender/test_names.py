"""Lookups run in a bounded number of threads, and only one at a time for a name."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from delivery.sender.names import MAX_LOOKUP_THREADS, NameResolver
from tests.threads import run_in_a_loop


class BlockedLookups:
    """The system's resolver, which answers when it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hosts: list[str] = []
        self.released = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: int | None, **kwargs: Any) -> list[Any]:
        self.hosts.append(host)
        assert self.released.wait(60)
        if host.startswith("gone"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if host.startswith("odd"):
            raise UnicodeError("label too long")
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, ("192.0.2.1", 0)), (*stream, ("192.0.2.1", 0))]


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> BlockedLookups:
    return BlockedLookups(monkeypatch)


def test_jobs_that_wait_for_one_name_share_a_lookup(lookups: BlockedLookups) -> None:
    async def resolve() -> list[Any]:
        resolver = NameResolver(asyncio.get_running_loop())
        jobs = [asyncio.create_task(resolver.resolve("a.example")) for _ in range(5)]
        jobs.append(asyncio.create_task(resolver.resolve("gone.example")))
        jobs.append(asyncio.create_task(resolver.resolve("odd.example")))
        await asyncio.sleep(0.01)
        jobs.pop(0).cancel()  # the others still wait
        lookups.released.set()
        results: list[Any] = await asyncio.gather(*jobs)
        results.append(await resolver.resolve("a.example"))
        return results

    results = run_in_a_loop(resolve)
    assert results == [["192.0.2.1"]] * 4 + [[], []] + [["192.0.2.1"]]
    assert sorted(lookups.hosts) == ["a.example", "a.example", "gone.example", "odd.example"]


def test_so_many_names_are_looked_up_at_a_time(lookups: BlockedLookups) -> None:
    async def resolve() -> int:
        resolver = NameResolver(asyncio.get_running_loop())
        names = [f"{number}.example" for number in range(MAX_LOOKUP_THREADS + 10)]
        jobs = [asyncio.create_task(resolver.resolve(name)) for name in names]
        while len(lookups.hosts) < MAX_LOOKUP_THREADS:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # one too many would have begun
        amount = len(lookups.hosts)
        lookups.released.set()
        await asyncio.gather(*jobs)
        return amount

    assert run_in_a_loop(resolve) == MAX_LOOKUP_THREADS
    assert len(lookups.hosts) == MAX_LOOKUP_THREADS + 10
