"""``python -m benchmarks [--quick] [--rounds N] [--seconds N] [--empty-only] [--only TEXT …]``
(`make bench`).

Exit code 0 whatever the speed, 1 after wrong answers, 2 if it cannot run.
"""

import argparse
import dataclasses
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg

from benchmarks import h2load, report, wrk
from benchmarks.bench import Bench
from benchmarks.bench_servers import VAR, BenchServers
from benchmarks.h2load import H2loadMissing
from benchmarks.sizes import FULL, QUICK, RunSize
from benchmarks.wrk import WrkMissing


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    size = _size(options)
    try:
        wrk.check_installed()
        h2load.check_installed()
    except (WrkMissing, H2loadMissing) as error:
        log(str(error))
        return 2
    load = os.getloadavg()[0]
    with BenchServers(size, log) as servers:
        bench = Bench(servers, empty_only=options.empty_only)
        bench.play(only=options.only)
        postgres = servers.servers.postgres.url("postgres")
        results = report.render_markdown(
            bench.figures,
            size=size,
            machine=_describe_machine(postgres, load),
            pages=bench.pages,
            now=datetime.now(UTC),
        )
    print(results)
    (VAR / "results.md").write_text(results)
    for each in bench.figures.wrong:
        log(f"WRONG: {each}")
    return 1 if bench.figures.wrong else 0


def _size(options: argparse.Namespace) -> RunSize:
    size = QUICK if options.quick else FULL
    changes = {name: getattr(options, name) for name in ("rounds", "seconds")}
    return dataclasses.replace(size, **{k: v for k, v in changes.items() if v is not None})


def _describe_machine(database_url: str, load: float) -> str:
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
    parser.add_argument(
        "--only", nargs="+", default=[""], help="Run cases whose names contain one."
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
