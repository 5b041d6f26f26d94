"""Servers, databases and programs of a run, under ``var/bench``.

PostgreSQL and Valkey run durable, as with `make up`, and stop at the end. The filled database is
kept for the next run; `loaded.json` describes its content.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import redis
from psycopg import sql

from benchmarks import bulk_data, bulk_log
from benchmarks.measured_project import MeasuredProject
from benchmarks.sizes import RunSize
from devtools.embedded import CHECKOUT, development_secrets
from devtools.embedded.place import home_of
from devtools.embedded.servers import Servers
from devtools.processes import end, free_port
from devtools.stack.program import Program
from devtools.stack.programs import rpc, web
from devtools.stack.readiness import accepts, responds

VAR = CHECKOUT / "var" / "bench"
TEMPLATE = "migrated"
UNREACHED_LIMITS = {"RATE_LIMIT_REQUESTS": "1000000", "RATE_LIMIT_CHECKS": "1000000"}
"""Requests are counted as in production, and none is refused."""
READY_POLL_SECONDS = 0.05
LOADED_SIZES = ("crowd", "projects", "customers", "records", "events")
"""What decides the content of the filled database."""
SOURCES = ("bulk_data.py", "bulk_log.py", "measured_project.py")


@dataclass(frozen=True, slots=True)
class BenchDatabase:
    """A database with its own Redis database, served by the product on its own port."""

    name: str
    database_url: str
    redis_url: str
    port: int
    shop: MeasuredProject
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.database_url, autocommit=True)

    def forget(self) -> None:
        """Flush its Redis database."""
        client = redis.Redis.from_url(self.redis_url, protocol=2)
        client.flushdb()
        client.close()


class BenchServers:
    """A context that owns all servers and programs; it leaves no process running."""

    def __init__(self, size: RunSize, say: Callable[[str], None]) -> None:
        self.size = size
        self.say = say
        self.secrets: dict[str, str] = {}
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            VAR.mkdir(parents=True, exist_ok=True)
            self.secrets = development_secrets(VAR)
            self.servers = Servers(home_of(VAR), durable=True)
            undo.callback(self.servers.leave)
            self.servers.join()
            self._programs: list[Program] = []
            undo.callback(self._end)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()

    def fresh(self, name: str, number: int) -> BenchDatabase:
        """Create a database with the measured project and its one customer, and flush the Redis
        database of this number."""
        return self._world(name, number)

    def empty(self) -> BenchDatabase:
        """Create a database with the measured project only."""
        world = self.fresh("empty", 1)
        with world.connect() as connection:
            bulk_data.insert_measured_customers(connection, world.shop, self.size)
        return world

    def full(self) -> BenchDatabase:
        """A database with the measured project among others; loaded now or by an earlier run."""
        mark = VAR / "loaded.json"
        parameters = {
            "size": {name: getattr(self.size, name) for name in LOADED_SIZES},
            "from": _source_hash(),
        }
        loaded = json.loads(mark.read_text()) if mark.exists() else {}
        if loaded.get("wanted") == parameters and self._exists("full"):
            self.say("The filled database is there from an earlier run.")
            return self._world("full", 2, shop=MeasuredProject(**loaded["shop"]))
        mark.unlink(missing_ok=True)
        world = self.fresh("full", 2)
        started = time.monotonic()
        with world.connect() as connection:
            bulk_data.insert_measured_customers(connection, world.shop, self.size)
            bulk_data.insert_other_projects(connection, world.shop, self.size)
            bulk_log.insert_log(connection, world.shop, self.size)
        self.say(f"Filled a database in {time.monotonic() - started:.0f} s.")
        mark.write_text(json.dumps({"wanted": parameters, "shop": asdict(world.shop)}))
        return world

    def database(self, name: str) -> str:
        """Create a database. Returns its URL."""
        self._drop(name)
        self.servers.postgres.create(name)
        return self.servers.postgres.url(name)

    def kept(self, name: str, make: Callable[[str], None], *, of: str) -> str:
        """A database that is created once per ``of``. Returns its URL."""
        mark, url = VAR / f"{name}.made", self.servers.postgres.url(name)
        if mark.exists() and mark.read_text() == of and self._exists(name):
            return url
        mark.unlink(missing_ok=True)
        make(self.database(name))
        mark.write_text(of)
        return url

    def serve(self, world: BenchDatabase) -> Program:
        """Serve the database with the product, as the stack does."""
        return self.start(world.name, web(world.port), world.port, world.environment)

    def serve_again(
        self, world: BenchDatabase, suffix: str = "again", **environment: str
    ) -> BenchDatabase:
        """Serve the database a second time, with other environment variables."""
        second = replace(
            world,
            name=f"{world.name}-{suffix}",
            port=free_port(),
            environment={**world.environment, **environment},
        )
        self.serve(second)
        return second

    def serve_rpc(self, world: BenchDatabase) -> tuple[Program, int]:
        """Serve the database over gRPC, in one process. Returns it and its port."""
        port = free_port()
        program = self.start(
            f"{world.name}-rpc",
            rpc(port),
            port,
            world.environment,
            is_ready=lambda: accepts(port),
        )
        return program, port

    def start(
        self,
        name: str,
        command: list[str],
        port: int,
        environment: Mapping[str, str],
        *,
        is_ready: Callable[[], bool] | None = None,
    ) -> Program:
        """Start a server and wait until it is ready: by default, until it answers HTTP."""
        log = VAR / "log" / f"{name}.log"
        program = Program(name, command, log, is_ready or (lambda: responds(port)))
        self._programs.append(program)
        program.start(environment=environment, directory=CHECKOUT)
        deadline = time.monotonic() + 60
        while not program.is_ready():
            program.check()
            if time.monotonic() > deadline:
                raise program.failure("was not ready after a minute")
            time.sleep(READY_POLL_SECONDS)
        return program

    def stop(self, program: Program) -> None:
        """End a program before the run ends."""
        self._programs.remove(program)
        if program.process is not None:
            end(program.process, patience=15)

    def environment(self, database_url: str, redis_url: str) -> dict[str, str]:
        """Environment with production settings for these servers."""
        return {
            **os.environ,
            **self.secrets,
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "ALLOWED_HOSTS": "127.0.0.1",
            "PUBLIC_URL": "http://127.0.0.1",
            "TRUSTED_PROXIES": "none",
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",  # as in the image
            **UNREACHED_LIMITS,
        }

    def manage(self, world: BenchDatabase, *arguments: str) -> str:
        """What a command of manage.py prints on the database."""
        return run_python(["manage.py", *arguments], world.environment)

    def shell(self, world: BenchDatabase, code: str) -> str:
        """What this code prints in Django's shell on the database."""
        return self.manage(world, "shell", "-v", "0", "-c", code)

    def redis_url(self, database: int) -> str:
        return self.servers.valkey.url(database)

    def _world(self, name: str, number: int, shop: MeasuredProject | None = None) -> BenchDatabase:
        database_url, redis_url = self.servers.postgres.url(name), self.redis_url(number)
        environment = self.environment(database_url, redis_url)
        if shop is None:
            self.kept(TEMPLATE, self._migrate, of=_migrations_hash())
            self.copy(TEMPLATE, name)
        else:
            self._migrate(database_url)
        measured = shop or MeasuredProject(
            **json.loads(run_python(["-m", "benchmarks.measured_project"], environment))
        )
        world = BenchDatabase(name, database_url, redis_url, free_port(), measured, environment)
        world.forget()
        return world

    def _migrate(self, address: str) -> None:
        """Migrate a database."""
        environment = self.environment(address, self.redis_url(0))
        run_python(["manage.py", "migrate", "--verbosity", "0"], environment)

    def copy(self, template: str, name: str) -> str:
        """Create a database as a copy of one that nobody uses. Returns its URL."""
        self._drop(name)
        with psycopg.connect(self.servers.postgres.url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.servers.postgres.url(name)

    def _exists(self, name: str) -> bool:
        with psycopg.connect(self.servers.postgres.url("postgres")) as connection:
            rows = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            return rows.fetchone() is not None

    def _drop(self, name: str) -> None:
        with psycopg.connect(self.servers.postgres.url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(name)))

    def _end(self) -> None:
        end(*(one.process for one in self._programs if one.process), patience=15)


def run_python(arguments: list[str], environment: Mapping[str, str]) -> str:
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{run.stdout}\n{run.stderr}")
    return run.stdout


def _migrations_hash() -> str:
    """Hash of all migrations; another value makes a new template database."""
    files = sorted(CHECKOUT.glob("*/migrations/*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _source_hash() -> str:
    """Hash of the sources that decide the loaded data."""
    here = Path(__file__).parent
    text = b"".join((here / name).read_bytes() for name in SOURCES)
    return hashlib.sha256(text).hexdigest()[:16]
