"""``make load``: many tenants, a mixed load, and what came of it.

Starts the whole product as `make up` does, on data of its own in var/load, registers tenants of
four kinds over the API, sends checks, consumption, usage, lists, checkouts that are paid in the
Stripe sandbox, and Stripe's events, and receives the tenants' webhooks. Prints tables and writes
them to var/load/results.md. The exit code is 1 if stored data is wrong or a queue does not become
empty; it does not depend on speed.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import psutil

from benchmarks.load import backlog, correctness, memory
from benchmarks.load.fairness import path_results
from benchmarks.load.memory import MemorySeries
from benchmarks.load.progress import ProgressBar
from benchmarks.load.results import LoadResults, render_markdown
from benchmarks.load.sender import SenderTask
from benchmarks.load.sender_processes import SenderProcesses
from benchmarks.load.tenant_record import all_errors
from benchmarks.load.tenants import LoadTenant, listen, register_tenants
from config.server.files import allow_many_files
from devtools.embedded import CHECKOUT, development_secrets
from devtools.embedded.place import home_of
from devtools.embedded.record import ServerRecord
from devtools.processes import free_port
from devtools.stack import AlreadyRunning, ProgramFailed, Stack

VAR = CHECKOUT / "var" / "load"
SENDERS = 2
SAMPLE_SECONDS = 5.0
DRAIN_SECONDS = 180.0
SEED = 12


class LoadRun:
    """One run on a running stack."""

    def __init__(self, stack: Stack, *, tenants: int, seconds: float, rate: float) -> None:
        self.stack = stack
        self.count = tenants
        self.seconds = seconds
        self.rate = rate
        self.memory: dict[str, MemorySeries] = {}
        self.ports = [free_port() for _ in range(SENDERS)]
        self._programs = _processes(stack)

    def play(self) -> LoadResults:
        """Register, send, wait for the queues, compare."""
        tenants = self._register()
        began_at, before = datetime.now(UTC), os.getloadavg()[0]
        with SenderProcesses(self._tasks(tenants)) as senders:
            while not senders.are_at("ready"):
                time.sleep(0.1)
            during = self._send(senders, self._listen(tenants))
            passed, left = backlog.drain(
                self.stack.environment["DATABASE_URL"], patience=DRAIN_SECONDS, say=say
            )
            records = senders.finish()
        say("Comparing what is stored with what was sent …")
        return LoadResults(
            began_at=began_at,
            tenants=len(tenants),
            seconds=self.seconds,
            load_average=(before, during),
            paths=path_results(records.values()),
            memory=self.memory,
            errors=all_errors(records.values()),
            drained_seconds=passed,
            left=left,
            mistakes=correctness.find_mistakes(self.stack.web_url, tenants, records),
        )

    def _register(self) -> list[LoadTenant]:
        output = self.stack.manage("create_platform_key", "--name", "load")
        key = next(word for word in output.split() if word.startswith("tg_platform_"))
        bar, tenants = ProgressBar("tenants", self.count), []
        for tenant in register_tenants(self.stack.web_url, key, count=self.count):
            tenants.append(tenant)
            bar.show(len(tenants))
        bar.close()
        return tenants

    def _listen(self, tenants: Sequence[LoadTenant]) -> dict[int, str]:
        """Create the tenants' endpoints, each at its load process. Returns their secrets."""
        urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        return {
            tenant.number: listen(self.stack.web_url, tenant, urls[place % SENDERS])
            for place, tenant in enumerate(tenants)
        }

    def _tasks(self, tenants: Sequence[LoadTenant]) -> list[SenderTask]:
        run = f"{int(time.time()):x}"
        return [
            SenderTask(
                tenants=list(tenants[place::SENDERS]),
                web_port=self.stack.web_port,
                sandbox_port=self.stack.sandbox_port,
                receiver_port=port,
                event_secret=development_secrets(self.stack.var)["STRIPE_WEBHOOK_SECRETS"],
                seconds=self.seconds,
                rate=self.rate,
                run=run,
                seed=SEED + place,
            )
            for place, port in enumerate(self.ports)
        ]

    def _send(self, senders: SenderProcesses, secrets: Mapping[int, str]) -> float:
        """Send, and sample memory meanwhile. Returns the load average of the machine near the
        middle."""
        begun, sampled, loads = time.monotonic(), 0.0, [os.getloadavg()[0]]
        bar = ProgressBar("load", self.seconds)
        senders.begin(secrets)
        while not senders.are_at("sent"):
            passed = time.monotonic() - begun
            if passed - sampled >= SAMPLE_SECONDS and passed <= self.seconds:
                sampled = passed
                memory.sample(self.memory, self._programs, at=passed)
                loads.append(os.getloadavg()[0])
            sent, waiting = senders.total("progress"), senders.total("waiting")
            bar.show(passed, f"{sent:,} sent, {waiting} under way")
            self.stack.check()
            time.sleep(0.5)
        bar.close()
        return loads[len(loads) // 2]


def _processes(stack: Stack) -> dict[str, psutil.Process]:
    """The programs and servers of the stack, by name."""
    processes: dict[str, psutil.Process] = {
        each.name: each.process for each in stack.programs if each.process
    }
    for name in ("postgres", "valkey"):
        record = ServerRecord.read(home_of(stack.var) / f"{name}.json")
        process = record.process() if record else None
        if process is not None:
            processes[name] = process
    return processes


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    allow_many_files()
    say("Starting PostgreSQL, Valkey, the Stripe sandbox and all programs …")
    try:
        with Stack(VAR, afresh=True) as stack:
            results = LoadRun(
                stack, tenants=options.projects, seconds=options.minutes * 60, rate=options.rate
            ).play()
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except (AlreadyRunning, ProgramFailed) as error:
        say(str(error))
        return 2
    text = render_markdown(results)
    (VAR / "results.md").write_text(text)
    print(text)
    return 0 if results.is_right else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="How long the load lasts.")
    parser.add_argument("--projects", type=int, default=120, help="How many tenants.")
    parser.add_argument("--rate", type=float, default=1, help="Part of the usual rates.")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
