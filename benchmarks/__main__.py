"""``python -m benchmarks [--quick] [--rounds N] [--seconds N] [--empty-only]`` (`make bench`).

Exit code 0 whatever the speed, 1 after wrong answers, 2 if it cannot run.
"""

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psycopg

from benchmarks import competition, raw, table, wrk
from benchmarks.figures import Figures
from benchmarks.measures import checks, console, consume, intake, usage
from benchmarks.place import VAR, Place, World
from benchmarks.sizes import FULL, QUICK, Size
from benchmarks.wrk import Load, NoLoadGenerator
from devtools.embedded import CHECKOUT

BATCHES = (100, 1000)
GUESS = {"rows": 100_000, "events": 6_000}
"""Rows and events per second to prepare: an upper limit of what is accepted."""


class Bench:
    """One run: databases, peers and measurements."""

    def __init__(self, place: Place, *, empty_only: bool) -> None:
        self.place, self.size = place, place.size
        self.figures = Figures()
        self.pages: dict[str, Sequence[float]] = {}
        self.worlds = [place.empty()] if empty_only else [place.empty(), place.full()]
        self.raw = place.database("bare")
        raw.reset(self.raw)
        for world in self.worlds:
            place.serve(world)
        self.bare = competition.bare(place, self.raw)
        self.fastapi = competition.fastapi(place)
        self.djstripe = competition.djstripe(place)

    def play(self) -> None:
        """Run every case once per round, then check what was stored."""
        self._wake()
        for number in range(self.size.rounds):
            for name, act in self._cases():
                say(f"round {number + 1} of {self.size.rounds}: {name}")
                act()
        for world in self.worlds:
            self._look(world)

    def _wake(self) -> None:
        """Warm each server for a second, uncounted: connections open and code is loaded."""
        for peer in filter(None, (self.bare, self.fastapi, self.djstripe)):
            checks.bare(peer.url, peer.key, 1)
        consume.bare(self.bare.url, 1)
        for world in self.worlds:
            checks.in_process(world, 1)
            consume.begin(world)

    def _cases(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("check", self._warm),
            ("check, kept in Redis or not at all", self._crowd),
            ("check, 100 at once", self._batch),
            ("usage", self._usage),
            ("consume", self._consume),
            ("webhook intake", self._intake),
        ]

    def _warm(self) -> None:
        seconds = self.size.seconds
        self._add(table.BARE, checks.bare(self.bare.url, "", seconds))
        for world in self.worlds:
            self._add(table.at(table.WARM, world.name), checks.in_process(world, seconds))
        if self.fastapi is not None:
            load = checks.bare(self.fastapi.url, self.fastapi.key, seconds)
            self._add(table.FASTAPI, load)
        if self.djstripe is not None:
            self._add(table.DJSTRIPE, checks.bare(self.djstripe.url, "", seconds))
        for world in self.worlds:
            self._add(table.at(table.COUNTED, world.name), checks.counted(world, seconds))

    def _crowd(self) -> None:
        seconds, crowd = self.size.seconds, self.size.crowd
        for world in self.worlds:
            load = checks.in_redis(world, seconds, crowd=crowd)
            self._add(table.at(table.REDIS, world.name), load)
        for world in self.worlds:
            self._add(table.at(table.COLD, world.name), checks.cold(world, seconds, crowd=crowd))

    def _batch(self) -> None:
        for world in self.worlds:
            load = checks.batch(world, self.size.seconds, size=100, at=VAR / "checks")
            self._add(table.at(table.BATCH, world.name), load)

    def _usage(self) -> None:
        seconds = self.size.seconds
        for kind, name in (("copy", table.COPY), ("json", table.JSON)):
            self.figures.add(name, raw.rows_per_second(self.raw, kind, seconds))
        for size in BATCHES:
            for world in self.worlds:
                load, rate, wrong = usage.ingest(
                    world, seconds, size=size, at=VAR / "usage", most=GUESS["rows"]
                )
                name = table.at(table.INGEST.format(size), world.name)
                self.figures.add(name, rate, wrong=wrong or _bad(load))

    def _consume(self) -> None:
        self._add(table.BARE_CONSUME, consume.bare(self.bare.url, self.size.seconds))
        for world in self.worlds:
            load, wrong = consume.consume(world, self.size.seconds)
            name = table.at(table.CONSUME, world.name)
            self.figures.add(name, load.per_second, wrong=_bad(load) or wrong)

    def _intake(self) -> None:
        seconds, secret = self.size.seconds, self.place.secrets["STRIPE_WEBHOOK_SECRETS"]
        body = intake.event("x", 1)
        self.figures.add(table.COMMITS, raw.commits_per_second(self.raw, seconds, body))
        if self.djstripe is not None:
            events = int(GUESS["events"] * seconds)
            djstripe_load = intake.deliver(
                self.djstripe.url,
                seconds,
                secret=secret,
                at=VAR / "events",
                events=events,
                path=competition.DJSTRIPE_WEBHOOK,
            )
            self._add(table.DJSTRIPE_INTAKE, djstripe_load)
        for world in self.worlds:
            load, rate, wrong = intake.receive(
                world, seconds, secret=secret, at=VAR / "events", most=GUESS["events"]
            )
            self.figures.add(table.at(table.INTAKE, world.name), rate, wrong=wrong or _bad(load))

    def _add(self, name: str, load: Load) -> None:
        self.figures.add(name, load.per_second, wrong=_bad(load))

    def _look(self, world: World) -> None:
        """Check answers and stored rows beyond the counts of each run."""
        say(f"looking whether everything is right: {world.name}")
        wrong = [*checks.mistakes(world, range(5)), *usage.mistakes(world)]
        wrong += consume.mistakes(world)
        self.figures.wrong += [f"{world.name}: {each}" for each in wrong]
        if world is self.worlds[-1]:
            self.pages = _pages(world)


def _pages(world: World) -> dict[str, Sequence[float]]:
    run = subprocess.run(
        [sys.executable, "-m", console.__name__, world.shop.pattern],
        cwd=CHECKOUT,
        env={**world.environment, "DJANGO_SETTINGS_MODULE": "config.settings.development"},
        capture_output=True,
        text=True,
        check=True,
    )
    pages: dict[str, Sequence[float]] = json.loads(run.stdout.splitlines()[-1])
    return pages


def _bad(load: Load) -> str:
    return f"{load.bad} of {load.requests} answers were not 2xx" if load.bad else ""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    size = _size(options)
    try:
        wrk.demand()
    except NoLoadGenerator as error:
        say(str(error))
        return 2
    load = os.getloadavg()[0]
    with Place(size, say) as place:
        bench = Bench(place, empty_only=options.empty_only)
        bench.play()
        postgres = place.servers.postgres.url("postgres")
        report = table.markdown(
            bench.figures,
            size=size,
            machine=_machine(postgres, load),
            pages=bench.pages,
            now=datetime.now(UTC),
        )
    print(report)
    (VAR / "results.md").write_text(report)
    for each in bench.figures.wrong:
        say(f"WRONG: {each}")
    return 1 if bench.figures.wrong else 0


def _size(options: argparse.Namespace) -> Size:
    size = QUICK if options.quick else FULL
    changes = {name: getattr(options, name) for name in ("rounds", "seconds")}
    return dataclasses.replace(size, **{k: v for k, v in changes.items() if v is not None})


def _machine(database_url: str, load: float) -> str:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        f"PostgreSQL {row[0] if row else '?'}, load {load:.1f} before"
    )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A look, with little data.")
    parser.add_argument("--rounds", type=int, help="How often every case is run.")
    parser.add_argument("--seconds", type=int, help="How long each of them runs.")
    parser.add_argument("--empty-only", action="store_true", help="Without the filled database.")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
