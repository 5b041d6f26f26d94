"""One run of the benchmark: databases, peers and cases."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import peer_servers, postgres_baseline, report, stripe_stack
from benchmarks.bench_servers import VAR, BenchDatabase, BenchServers
from benchmarks.measurements import Measurements
from benchmarks.measures import (
    checks,
    console,
    consume,
    intake,
    process_costs,
    pull,
    rpc_checks,
    usage,
)
from benchmarks.measures.rpc_checks import CheckCost
from benchmarks.stripe_cases import StripeCases
from benchmarks.wrk import LoadResult
from devtools.embedded import CHECKOUT

BATCH_SIZES = (100, 1000)
WEBHOOK_FACTOR = 2
"""Webhooks are sent for so many times the seconds of other cases."""
RELAYED_PER_SECOND = 20_000
"""Events to prepare for the relay."""
MAX_PER_SECOND = {"rows": 100_000, "events": 6_000}
"""Rows and events per second to prepare: an upper limit of what is accepted."""


class Bench:
    """One run: databases, peers and measurements."""

    def __init__(self, servers: BenchServers, *, empty_only: bool) -> None:
        self.place, self.size = servers, servers.size
        self.figures = Measurements()
        self.pages: dict[str, Sequence[float]] = {}
        self.worlds = [servers.empty()] if empty_only else [servers.empty(), servers.full()]
        self.raw = servers.database("bare")
        postgres_baseline.reset_tables(self.raw)
        self.web = [servers.serve(world) for world in self.worlds]
        self.rpc, self.rpc_port = servers.serve_rpc(self.worlds[0])
        self.unlimited = servers.serve_again(self.worlds[0], RATE_LIMITS="off")
        self.plain = peer_servers.start_plain(servers)
        self.bare = peer_servers.start_bare(servers, self.raw)
        self.fastapi = peer_servers.start_fastapi(servers)
        self.djstripe = peer_servers.start_djstripe(servers)
        sandbox = stripe_stack.start_sandbox(servers)
        self.stripe = [
            StripeCases(servers, world, sandbox, self.figures)
            for world in self.worlds[: self.size.stripe_databases]
        ]
        self.stripe[0].start_peer()

    def play(self, *, only: Sequence[str]) -> None:
        """Run every case whose name contains one of ``only`` once per round, then check what was
        stored."""
        self._wake()
        cases = [(name, act) for name, act in self._cases() if any(text in name for text in only)]
        for number in range(self.size.rounds):
            for name, act in cases:
                self.place.say(f"round {number + 1} of {self.size.rounds}: {name}")
                act()
        for world in self.worlds:
            self._look(world)

    def _wake(self) -> None:
        """Warm each server for a second, uncounted: connections open and code is loaded."""
        for peer in filter(None, (self.plain, self.bare, self.fastapi, self.djstripe)):
            checks.check_peer(peer.url, peer.key, 1)
        consume.consume_at_peer(self.bare.url, 1)
        for world in self.worlds:
            checks.check_in_process(world, 1)
            consume.create_counters(world)
        for stripe in self.stripe:
            stripe.prepare()

    def _cases(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("check", self._warm),
            ("check, kept in Redis or not at all", self._crowd),
            ("check, 100 at once", self._batch),
            ("check, HTTP and gRPC", self._rpc),
            ("usage", self._usage),
            ("consume", self._consume),
            ("webhook intake", self._intake),
            ("relay, then pull of what it published", self._relay),
            ("webhooks out", self._webhooks),
            *(case for stripe in self.stripe for case in stripe.cases()),
            ("start and memory", self._processes),
        ]

    def _warm(self) -> None:
        seconds = self.size.seconds
        self._add(report.PLAIN, checks.check_peer(self.plain.url, "", seconds))
        self._add(report.BARE, checks.check_peer(self.bare.url, "", seconds))
        for world in self.worlds:
            self._add(
                report.case_name(report.WARM, world.name), checks.check_in_process(world, seconds)
            )
        self._add(report.UNLIMITED, checks.check_in_process(self.unlimited, seconds))
        if self.fastapi is not None:
            load = checks.check_peer(self.fastapi.url, self.fastapi.key, seconds)
            self._add(report.FASTAPI, load)
        if self.djstripe is not None:
            self._add(report.DJSTRIPE, checks.check_peer(self.djstripe.url, "", seconds))
        for world in self.worlds:
            self._add(
                report.case_name(report.COUNTED, world.name), checks.check_metered(world, seconds)
            )

    def _crowd(self) -> None:
        seconds, crowd = self.size.seconds, self.size.crowd
        for world in self.worlds:
            load = checks.check_in_redis(world, seconds, crowd=crowd)
            self._add(report.case_name(report.REDIS, world.name), load)
        for world in self.worlds:
            self._add(
                report.case_name(report.COLD, world.name),
                checks.check_cold(world, seconds, crowd=crowd),
            )

    def _batch(self) -> None:
        for world in self.worlds:
            load = checks.check_batch(world, self.size.seconds, size=100, at=VAR / "checks")
            self._add(report.case_name(report.BATCH, world.name), load)

    def _rpc(self) -> None:
        world, seconds = self.worlds[0], self.size.seconds
        cost = rpc_checks.check_over_http(world, self.web[0], seconds)
        self._add_cost(report.HTTP_CHECK, cost)
        for connections in rpc_checks.CONNECTIONS:
            cost = rpc_checks.check_over_grpc(
                world,
                self.rpc,
                seconds,
                port=self.rpc_port,
                connections=connections,
                at=VAR / "checks",
            )
            self._add_cost(report.GRPC_CHECK.format(connections), cost)

    def _add_cost(self, case: str, cost: CheckCost) -> None:
        name = report.case_name(case)
        self._add(name, cost.load)
        self.figures.add_cost(report.CHECK_CPU_US.format(name), cost.cpu)

    def _usage(self) -> None:
        seconds = self.size.seconds
        for kind, name in (("copy", report.COPY), ("json", report.JSON)):
            self.figures.add(name, postgres_baseline.rows_per_second(self.raw, kind, seconds))
        for size in BATCH_SIZES:
            for world in self.worlds:
                load, rate, wrong = usage.measure_ingest(
                    world, seconds, size=size, at=VAR / "usage", most=MAX_PER_SECOND["rows"]
                )
                name = report.case_name(report.INGEST.format(size), world.name)
                self.figures.add(name, rate, wrong=wrong or _error_text(load))

    def _consume(self) -> None:
        self._add(report.BARE_CONSUME, consume.consume_at_peer(self.bare.url, self.size.seconds))
        for world in self.worlds:
            load, wrong = consume.consume_at_product(world, self.size.seconds)
            name = report.case_name(report.CONSUME, world.name)
            self.figures.add(name, load.per_second, wrong=_error_text(load) or wrong)

    def _intake(self) -> None:
        seconds, secret = self.size.seconds, self.place.secrets["STRIPE_WEBHOOK_SECRETS"]
        body = intake.build_event("x", 1)
        self.figures.add(
            report.COMMITS, postgres_baseline.commits_per_second(self.raw, seconds, body)
        )
        if self.djstripe is not None:
            events = int(MAX_PER_SECOND["events"] * seconds)
            djstripe_load = intake.send_events(
                self.djstripe.url,
                seconds,
                secret=secret,
                at=VAR / "events",
                events=events,
                path=peer_servers.DJSTRIPE_WEBHOOK,
            )
            self._add(report.DJSTRIPE_INTAKE, djstripe_load)
        for world in self.worlds:
            load, rate, wrong = intake.measure_intake(
                world, seconds, secret=secret, at=VAR / "events", most=MAX_PER_SECOND["events"]
            )
            self.figures.add(
                report.case_name(report.INTAKE, world.name), rate, wrong=wrong or _error_text(load)
            )

    def _relay(self) -> None:
        events = str(RELAYED_PER_SECOND * self.size.seconds)
        for world in self.worlds:
            end = pull.latest(world)
            rates = _run_measure("benchmarks.measures.relay", world, world.shop.project, events)
            self.figures.add(report.case_name(report.XADD, world.name), rates["bare"])
            name = report.case_name(report.RELAY, world.name)
            self.figures.add(name, rates["relay"], wrong=rates["wrong"])
            self._pull(world, end)

    def _pull(self, world: BenchDatabase, end: str) -> None:
        """From the cursor before the relay's events, and from the middle of a long history."""
        seconds = self.size.seconds
        bare = pull.walk_by_sql(world, end, seconds)
        self.figures.add(report.case_name(report.PAGES, world.name), bare)
        cases = {report.PULL: end}
        if world.name == report.FULL:
            cases[report.PULL_MIDDLE] = pull.middle(world)
        for case, cursor in cases.items():
            result = pull.walk(world, cursor, seconds)
            name = report.case_name(case, world.name)
            self.figures.add(name, result.per_second, wrong=result.wrong)

    def _webhooks(self) -> None:
        seconds = str(WEBHOOK_FACTOR * self.size.seconds)
        for world in self.worlds:
            rates = _run_measure("benchmarks.measures.webhooks", world, seconds)
            self.figures.add(report.case_name(report.SENDER, world.name), rates["sender"])
            name = report.case_name(report.WEBHOOKS, world.name)
            self.figures.add(name, rates["webhooks"], wrong=rates["wrong"])

    def _processes(self) -> None:
        for world, web in zip(self.worlds, self.web, strict=True):
            process_costs.measure(self.place, world, web, self.figures)

    def _add(self, name: str, load: LoadResult) -> None:
        self.figures.add(name, load.per_second, wrong=_error_text(load))

    def _look(self, world: BenchDatabase) -> None:
        """Check answers and stored rows beyond the counts of each run."""
        self.place.say(f"looking whether everything is right: {world.name}")
        wrong = [*checks.find_mistakes(world, range(5)), *usage.find_mistakes(world)]
        wrong += consume.find_mistakes(world)
        self.figures.wrong += [f"{world.name}: {each}" for each in wrong]
        if world is self.worlds[-1]:
            self.pages = _measure_console(world)


def _measure_console(world: BenchDatabase) -> dict[str, Sequence[float]]:
    pages: dict[str, Sequence[float]] = _run_measure(console.__name__, world, world.shop.pattern)
    return pages


def _run_measure(module: str, world: BenchDatabase, *arguments: str) -> Any:
    """The result of a measurement in a process of its own, with Django."""
    run = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=CHECKOUT,
        env={**world.environment, "DJANGO_SETTINGS_MODULE": "config.settings.development"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


def _error_text(load: LoadResult) -> str:
    return f"{load.bad} of {load.requests} answers were not 2xx" if load.bad else ""
