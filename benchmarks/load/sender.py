"""``python -m benchmarks.load.sender``: one process of the load, for a part of the tenants.

Reads its :class:`SenderTask` from the first line of standard input, and begins to send when the
second one brings the secrets of its tenants' endpoints. Prints lines of JSON: ``ready`` to receive
webhooks, its progress, ``sent`` when everything has been sent and answered, and the records of its
tenants when standard input ends.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.load.arrivals import Arrival, arrivals
from benchmarks.load.http_client import LoadClient
from benchmarks.load.kinds import LoadPath
from benchmarks.load.purchases import Purchases
from benchmarks.load.requests import TenantRequests
from benchmarks.load.tenants import LoadTenant
from benchmarks.load.webhook_receiver import WebhookReceiver
from config.server.files import allow_many_files

PROGRESS_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderTask:
    """What one process does: which tenants, where, and for how long."""

    tenants: list[LoadTenant]
    web_port: int
    sandbox_port: int
    receiver_port: int
    event_secret: str
    seconds: float
    rate: float
    run: str
    seed: int

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "SenderTask":
        tenants = [LoadTenant.from_json(each) for each in values["tenants"]]
        return cls(**{**values, "tenants": tenants})


class Sender:
    """The tenants of one process."""

    def __init__(self, task: SenderTask) -> None:
        self._task = task
        self._web, self._sandbox = LoadClient(task.web_port), LoadClient(task.sandbox_port)
        self._requests = [
            TenantRequests(tenant, self._web, task.event_secret, task.run)
            for tenant in task.tenants
        ]
        self._purchases = [Purchases(each, self._sandbox) for each in self._requests]
        self._under_way: set[asyncio.Task[None]] = set()
        self._sent = 0

    async def run(self) -> None:
        by_number = {each.tenant.number: each.record for each in self._requests}
        receiver = WebhookReceiver(by_number)
        async with await receiver.serve(self._task.receiver_port):
            say({"ready": True})
            secrets = orjson.loads(await _next_line())
            receiver.begin({int(number): secret for number, secret in secrets.items()})
            await self._send_all()
            say({"sent": self._sent})
            await _next_line()
            say({"records": {number: record.as_json() for number, record in by_number.items()}})
        await self._web.close()
        await self._sandbox.close()

    async def _send_all(self) -> None:
        """Start each request when it is due, whether others are answered or not."""
        begin = time.perf_counter()
        reported_at = begin
        task = self._task
        for arrival in arrivals(task.tenants, seconds=task.seconds, rate=task.rate, seed=task.seed):
            due = begin + arrival.at
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self._start(self._work(arrival, due))
            if time.perf_counter() - reported_at > PROGRESS_SECONDS:
                reported_at = time.perf_counter()
                say({"progress": self._sent, "waiting": len(self._under_way)})
        while self._under_way:
            await asyncio.wait(self._under_way, timeout=PROGRESS_SECONDS)
            say({"progress": self._sent, "waiting": len(self._under_way)})

    def _work(self, arrival: Arrival, due: float) -> Awaitable[None]:
        if arrival.path == LoadPath.CHECKOUT:
            return self._purchases[arrival.tenant].buy(due)
        return self._requests[arrival.tenant].by_path[arrival.path](due)

    def _start(self, work: Awaitable[None]) -> None:
        self._sent += 1
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


async def _next_line() -> str:
    """The next line of standard input; empty at its end."""
    return await asyncio.to_thread(sys.stdin.readline)


def say(line: dict[str, Any]) -> None:
    text = orjson.dumps(line, option=orjson.OPT_NON_STR_KEYS).decode()
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    allow_many_files()
    task = SenderTask.from_json(orjson.loads(sys.stdin.readline()))
    asyncio.run(Sender(task).run())


if __name__ == "__main__":
    main()
