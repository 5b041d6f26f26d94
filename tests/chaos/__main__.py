"""Everything long, then a table: ``python -m tests.chaos [--histories N] [--kills N] …``.

Runs the tests of chaos at these lengths, removes each guard (``--without-guards`` does not), and
prints figures beside targets. Ends with 1 if a test fails, a figure misses its target, or the
removal of a guard goes unnoticed.
"""

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.figures import FILE
from tests.chaos.report import load, render
from tests.services import ROOT

TEST_SECONDS = 4 * 3600
"""After which a test hangs."""
WORKERS = 2


def main(arguments: Sequence[str]) -> int:
    chosen = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="tollgate-chaos-") as directory:
        file = Path(directory) / "figures.jsonl"
        codes = [_run_tests(chosen, file)]
        if not chosen.without_guards:
            codes.append(_run("-m", "tests.guards"))
        figures = load(file)
    print(f"\n{render(figures)}")  # noqa: T201
    is_met = bool(figures) and all(each.is_met for each in figures)
    return int(any(codes) or not is_met)


def _parse(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--histories", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=200, help="of each process, in each run")
    parser.add_argument("--readers", type=int, default=500, help="who wait in one web process")
    parser.add_argument("--without-guards", action="store_true")
    parser.add_argument("paths", nargs="*", default=["tests/chaos"])
    return parser.parse_args(arguments)


def _run_tests(chosen: Namespace, figures: Path) -> int:
    return _run(
        *("-m", "pytest", *chosen.paths, "-q"),
        *("-n", str(WORKERS), "--dist", "worksteal"),
        *("-o", f"faulthandler_timeout={TEST_SECONDS}"),
        TOLLGATE_HISTORIES=str(chosen.histories),
        TOLLGATE_KILLS=str(chosen.kills),
        TOLLGATE_READERS=str(chosen.readers),
        **{FILE: str(figures)},
    )


def _run(*command: str, **environment: str) -> int:
    environment = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
