"""Everything that CI runs, with one summary: `python -m tests.suite [--without-tests]`.

The static checks run beside the tests, and their output is shown only when they fail.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.services import NOWHERE, ROOT

BIN = Path(sys.executable).parent
TIME_LIMIT = 45 * 60  # seconds for each command
KEEPS_NOTHING = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Check:
    """A command and what it keeps."""

    name: str
    command: Sequence[str]


@dataclass(frozen=True)
class Result:
    """How a check ended; `output` is empty when it was shown already."""

    name: str
    passed: bool
    seconds: float
    output: str


def static_checks() -> list[Check]:
    manage = (sys.executable, "manage.py")
    return [
        Check(
            "format", (str(BIN / "ruff"), "format", "--check", "--output-format", "concise", ".")
        ),
        Check("style", (str(BIN / "ruff"), "check", "--output-format", "concise", ".")),
        Check("layers", (str(BIN / "lint-imports"), "--no-logo")),
        Check("migrations", (*manage, "makemigrations", "--check", "--dry-run")),
        Check(
            "API schema",
            (*manage, "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull),
        ),
        Check("types", (str(BIN / "mypy"),)),
    ]


def behaviour() -> Check:
    workers = max(2, min(os.cpu_count() or 2, 8))
    arguments = ("-n", str(workers), "--dist", "worksteal", "-q")
    return Check("tests", (sys.executable, "-m", "pytest", *arguments))


def run(check: Check, *, shown: bool) -> Result:
    """Run the command to its end. What is shown as it comes gets the environment as it is;
    the others load the settings but speak to no server."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            check.command,
            cwd=ROOT,
            env=_environment() if shown else {**_environment(), **NOWHERE},
            stdin=subprocess.DEVNULL,
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        passed, output = False, f"No end after {TIME_LIMIT // 60} minutes."
    else:
        passed, output = done.returncode == 0, done.stdout or ""
    return Result(check.name, passed, time.monotonic() - started, output)


def _environment() -> dict[str, str]:
    """Compiled code is kept: a hundred processes read the same files."""
    return {name: value for name, value in os.environ.items() if name != KEEPS_NOTHING}


def run_all(*, with_tests: bool) -> list[Result]:
    with ThreadPoolExecutor(max_workers=1 if with_tests else os.cpu_count()) as beside:
        static = [beside.submit(run, check, shown=False) for check in static_checks()]
        shown = [run(behaviour(), shown=True)] if with_tests else []
        return [*(future.result() for future in static), *shown]


def report(results: Iterable[Result]) -> str:
    results = list(results)
    failures = [f"--- {one.name} ---\n{one.output.strip()}\n" for one in results if not one.passed]
    lines = [
        f"  {'ok  ' if one.passed else 'FAIL'}  {one.name:<12}{one.seconds:7.1f} s"
        for one in results
    ]
    return "\n".join(["", *failures, *lines, ""])


def main(arguments: Sequence[str]) -> int:
    results = run_all(with_tests="--without-tests" not in arguments)
    print(report(results), flush=True)  # noqa: T201
    return 0 if all(one.passed for one in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
