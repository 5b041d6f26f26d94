"""Runs the tests of a guard in a copy of the code from which the guard was removed.

PostgreSQL and Valkey are started once. Each copy of the code has a database of its own, which is
made anew for each guard from the migrated template, and a Redis database of its own, which is
emptied before each guard.
"""

import compileall
import json
import os
import py_compile
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from devtools.embedded.servers import Servers
from tests import services
from tests.guards.catalog import ROOT, Guard

PASSED, FAILED = 0, 1
"""pytest's exit codes for "every test passed" and "some test failed"."""
TIME_LIMIT_SECONDS = 300
"""For the tests of one guard."""
BASELINE_SECONDS = 1800
FAILED_TEST = re.compile(r"^FAILED (.+?)(?: - (.*))?$", re.MULTILINE)
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--tb=short")
UNDEFINED_NAMES = (sys.executable, "-m", "ruff", "check", "-q", "--isolated", "--select", "F821")
DROP = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
LEFT_BEHIND = (
    "TABLE projects_project",
    "TABLE billing_stripeaccount",
    "TABLE common_backoff",
    "TABLE auth_user",
    "TABLE entitlements_signingkey",
    "TABLE events_auditentry",
)
"""Every row of a test hangs off one of these."""
CLONE = sql.SQL("CREATE DATABASE {} TEMPLATE {}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a removal; ``reason`` is the failed test and its error, or the defect."""

    guard: Guard
    noticed: bool
    reason: str


@contextmanager
def running_servers() -> Iterator[Servers]:
    """PostgreSQL and Valkey with a migrated template database, for the whole run."""
    servers, is_migrated = services.start()
    try:
        if not is_migrated:
            services.migrate_template(servers)
        yield servers
    finally:
        servers.leave()
        servers.discard()


class Bench:
    """A copy of the code below ``place``, with databases of its own on the servers, and a process
    that has collected the tests (:mod:`tests.guards.fork`)."""

    def __init__(self, place: Path, *, number: int, servers: Servers, tests: Sequence[str]) -> None:
        self.code = place / f"copy{number}"
        self.database = f"guards{number}"
        self.servers = servers
        self.redis_url = f"{servers.valkey.url().rpartition('/')[0]}/{number}"
        self._tests = tests
        self._process: Collected | None = None
        self._is_clean = False
        """Whether the databases were made without taking anything out."""
        _copy_code(self.code)
        compileall.compile_dir(
            self.code, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
        )
        servers.postgres.create(self.database)

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def try_removal(self, guard: Guard) -> Outcome:
        """Remove the guard, run its tests, and put it back."""
        if guard.count(self.code) != 1:
            return Outcome(guard, False, f"its code no longer stands once in {guard.file}")
        if self._process is None:
            self._process = Collected(self.code, self._environment(), self._tests)
        before = guard.remove(self.code)
        try:
            if message := self._broken(guard):
                return Outcome(guard, False, message)
            self._reset(guard)
            return self._run_tests(guard, before)
        finally:
            (self.code / guard.file).write_text(before)

    def _broken(self, guard: Guard) -> str:
        """Why the code without the guard is no program; empty when it is one."""
        if not guard.file.endswith(".py"):
            return ""
        check = subprocess.run(
            [*UNDEFINED_NAMES, str(self.code / guard.file)],
            capture_output=True,
            text=True,
            check=False,
        )
        return f"broken: {check.stdout.strip()[:200]}" if check.returncode else ""

    def _run_tests(self, guard: Guard, before: str) -> Outcome:
        assert self._process is not None
        after = (self.code / guard.file).read_text()
        answer = self._process.ask(
            {"file": guard.file, "before": before, "after": after, "tests": guard.tests}
        )
        if answer is None:
            self.close()
            self._is_clean = False
            return Outcome(guard, False, f"its tests did not end in {TIME_LIMIT_SECONDS} s")
        if "fresh" in answer:
            self._reset(guard)
            return self._run_fresh(guard)
        [(what, detail)] = answer.items()
        if what == "passed":
            return Outcome(guard, False, f"its tests pass without it ({detail})")
        return Outcome(guard, what == "call", detail if what == "call" else f"{what}: {detail}")

    def _run_fresh(self, guard: Guard) -> Outcome:
        """Run in a process of its own, for changes outside of function bodies."""
        try:
            code, output = _run(
                [*PYTEST, "-x", *guard.tests], self.code, self._environment(), TIME_LIMIT_SECONDS
            )
        except subprocess.TimeoutExpired:
            return Outcome(guard, False, f"its tests did not end in {TIME_LIMIT_SECONDS} s")
        failure = FAILED_TEST.search(output)
        if code == FAILED and failure:
            return Outcome(guard, True, f"{failure[1]}: {failure[2] or ''}")
        if code == PASSED:
            return Outcome(guard, False, "its tests pass without it")
        return Outcome(guard, False, f"pytest ended with {code}: {output[-400:]}")

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.servers.postgres.url(self.database),
            "REDIS_URL": self.redis_url,
            "TEST_TEMPLATE": self._template,
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "400",  # for the reason of a failure in the summary
        }

    @property
    def _template(self) -> str:
        return f"{self.database}_template"

    def _reset(self, guard: Guard) -> None:
        """Databases as of a fresh installation; without the guard where the database keeps it."""
        redis.Redis.from_url(self.redis_url).flushdb()
        if self._is_clean and not guard.sql and self._is_empty():
            return
        postgres = self.servers.postgres
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            for name in (f"test_{self.database}", self._template):
                connection.execute(DROP.format(sql.Identifier(name)))
            connection.execute(
                CLONE.format(sql.Identifier(self._template), sql.Identifier(services.TEMPLATE))
            )
        if guard.sql:
            with psycopg.connect(postgres.url(self._template)) as connection:
                connection.execute(guard.sql.encode())
        self._is_clean = not guard.sql

    def _is_empty(self) -> bool:
        """Whether the last tests have left nothing behind, as tests should."""
        try:
            with psycopg.connect(self.servers.postgres.url(f"test_{self.database}")) as connection:
                return not any(
                    connection.execute(f"SELECT EXISTS ({each})").fetchone() == (True,)
                    for each in LEFT_BEHIND
                )
        except psycopg.OperationalError:  # no test has asked for it yet
            return True


class Collected:
    """The process that has collected the tests and forks to run some."""

    def __init__(self, place: Path, environment: dict[str, str], tests: Sequence[str]) -> None:
        requests, asking = os.pipe()
        answering, answers = os.pipe()
        self._process = subprocess.Popen(
            [*PYTEST, "-p", "tests.guards.fork", "-p", "no:cacheprovider", *tests],
            cwd=place,
            env={**environment, "GUARDS_PIPES": f"{requests},{answers}"},
            pass_fds=[requests, answers],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(requests)
        os.close(answers)
        self._requests, self._answers = os.fdopen(asking, "w"), os.fdopen(answering)
        if self._answer() is None:
            raise RuntimeError("The tests cannot be collected: see pytest --collect-only.")

    def ask(self, request: dict[str, Any]) -> dict[str, str] | None:
        """The answer to the request; None when there is none in time."""
        print(json.dumps(request), file=self._requests, flush=True)
        return self._answer()

    def close(self) -> None:
        """End it with the children that it has."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._requests.close()
        self._answers.close()

    def _answer(self) -> dict[str, Any] | None:
        ready, _, _ = select.select([self._answers], [], [], TIME_LIMIT_SECONDS)
        line = self._answers.readline() if ready else ""
        answer: dict[str, Any] | None = json.loads(line) if line else None
        return answer


def passes_with_every_guard(guards: Sequence[Guard], *, workers: int) -> bool:
    """Run each test of the guards once, in the code as it is."""
    tests = sorted({test for guard in guards for test in guard.tests})
    command = [*PYTEST, "-n", str(workers), "--dist", "worksteal", *tests]
    code, output = _run(command, ROOT, {**os.environ}, BASELINE_SECONDS)
    if code != PASSED:
        print(output[-3000:])  # noqa: T201
    return code == PASSED


def _run(
    command: Sequence[str], place: Path, environment: dict[str, str], seconds: int
) -> tuple[int, str]:
    """Exit code and output. Raises TimeoutExpired, after its whole group of processes has ended."""
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, output


def _copy_code(copy: Path) -> None:
    """The files that git knows, as they are in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
