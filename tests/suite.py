"""Everything that CI runs, with one summary: `python -m tests.suite [--without-tests | --fast]`.

The results stay in ``artifacts/``. ``--coverage [PATH …]`` runs tests and measures which
lines they run; ``--types`` checks the types alone.

First the database that the tests copy is migrated, and in a fresh checkout pytest compiles the
tests once for all workers. Then the tests run. The static checks begin at the same time as these,
as many at once as there are processors, and the last of them end beside the tests: no processor
waits for the check of types. The output of the static checks is shown only when they fail.
``--fast`` checks style and runs the tests that `tests/fast_selection.py` chooses.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests import template_cache
from tests.services import NOWHERE, ROOT

BIN = Path(sys.executable).parent
TIME_LIMIT = 45 * 60  # seconds for each command
KEEPS_NOTHING = "PYTHONDONTWRITEBYTECODE"
ARTIFACTS = ROOT / "artifacts"
"""What a run leaves; git ignores it."""


@dataclass(frozen=True)
class Check:
    """A command and its output."""

    name: str
    command: Sequence[str]


@dataclass(frozen=True)
class Result:
    """How a check ended; `output` is empty when it was shown already."""

    name: str
    passed: bool
    seconds: float
    output: str


def style_checks() -> list[Check]:
    return [
        Check(
            "format", (str(BIN / "ruff"), "format", "--check", "--output-format", "concise", ".")
        ),
        Check("style", (str(BIN / "ruff"), "check", "--output-format", "concise", ".")),
    ]


def static_checks() -> list[Check]:
    """The longest come first, so that none of them is waited for alone in the end."""
    manage = (sys.executable, "manage.py")
    return [
        types_check(),
        Check(
            "API schema",
            (*manage, "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull),
        ),
        Check("migrations", (*manage, "makemigrations", "--check", "--dry-run")),
        Check("layers", (str(BIN / "lint-imports"), "--no-logo")),
        *style_checks(),
    ]


def types_check() -> Check:
    return Check("types", (str(BIN / "mypy"), "--cache-dir", str(types_cache())))


def types_cache() -> Path:
    """mypy's cache, kept for all checkouts of this user: a file that has not changed is not checked
    again, wherever it lies (40 s of CPU become 3). mypy compares contents."""
    kept = Path(tempfile.gettempdir()) / f"tollgate-mypy-{os.geteuid()}"
    with suppress(FileExistsError):
        kept.mkdir(mode=0o700)
    return kept if template_cache.is_ours(kept) else ROOT / ".mypy_cache"


def preparations() -> list[Check]:
    """What is done only once: the database takes a second where an earlier run has migrated it,
    and is not needed for a server that was given from outside."""
    database = Check("database", (sys.executable, "-m", "tests.template"))
    compilation = Check("compilation", (sys.executable, "-m", "pytest", "--collect-only", "-qq"))
    return [
        *([] if os.environ.get("DATABASE_URL") else [database]),
        *([] if _is_compiled() else [compilation]),
    ]


def _is_compiled() -> bool:
    """Whether pytest has kept compiled tests of this checkout; those that changed are few."""
    return any((ROOT / "tests").glob("*/__pycache__/test_*-pytest-*.pyc"))


def all_tests() -> Check:
    """One worker more than processors works while the others wait for a program or a browser."""
    return _tests(_processors() + 1)


def fast_tests() -> Check:
    return _tests(_processors(), "-p", "tests.fast_selection")


def covered_tests(paths: Sequence[str]) -> Check:
    """Tests that also write which lines they ran: as XML, and as pages to look at."""
    report = ARTIFACTS / "coverage"
    options = ("--cov", f"--cov-report=xml:{report}.xml", f"--cov-report=html:{report}")
    return _tests(_processors(), *options, *paths)


def _processors() -> int:
    return max(2, min(os.cpu_count() or 2, 8))


def _tests(workers: int, *options: str) -> Check:
    """The slowest twenty are listed in the end; ``artifacts/junit.xml`` has the result of each."""
    arguments = (
        *("-n", str(workers), "--dist", "worksteal", "-q", "--durations=20"),
        *(f"--junitxml={ARTIFACTS / 'junit.xml'}", *options),
    )
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


def run_all(before: Sequence[Check], beside: Sequence[Check], tests: Check | None) -> list[Result]:
    """Run the tests after the checks ``before`` them. They run in any case: whoever broke the style
    wants to know what else is broken."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as processors:
        pending = [processors.submit(run, check, shown=False) for check in (*before, *beside)]
        for each in pending[: len(before)]:
            each.result()
        shown = [] if tests is None else [run(tests, shown=True)]
        return [*(each.result() for each in pending), *shown]


def report(results: Iterable[Result]) -> str:
    results = list(results)
    failures = [f"--- {one.name} ---\n{one.output.strip()}\n" for one in results if not one.passed]
    lines = [
        f"  {'ok  ' if one.passed else 'FAIL'}  {one.name:<12}{one.seconds:7.1f} s"
        for one in results
    ]
    return "\n".join(["", *failures, *lines, ""])


def main(arguments: Sequence[str]) -> int:
    if "--fast" in arguments:
        results = run_all(style_checks(), [], fast_tests())
    elif "--coverage" in arguments:
        paths = [argument for argument in arguments if argument != "--coverage"]
        results = run_all(preparations(), [], covered_tests(paths))
    elif "--types" in arguments:
        results = run_all([types_check()], [], None)
    elif "--without-tests" in arguments:
        results = run_all([], static_checks(), None)
    else:
        results = run_all(preparations(), static_checks(), all_tests())
    print(report(results), flush=True)  # noqa: T201
    return 0 if all(one.passed for one in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
