"""A pytest plugin that runs the suite on a real PostgreSQL and a real Valkey.

They start once, before Django reads its settings, in the process that was asked to run the tests;
xdist's workers inherit the addresses. A template database is migrated once and each worker copies
it. `DATABASE_URL` or `REDIS_URL` from outside is used as it is. `TOLLGATE_TEST_SERVICES=0` starts
nothing, and so does a run of the sandbox's tests alone, which need neither: a test that does
need them finds nobody at their addresses.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from devtools.embedded.place import can_reach
from devtools.embedded.postgres import DATABASE
from devtools.embedded.servers import Servers
from tests import pgbouncer, template_cache

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "tollgate-test-"
TEMPLATE = "template_tollgate"
WITHOUT_SERVICES = (ROOT / "tests" / "sandbox",)
NOWHERE = {
    "DJANGO_SETTINGS_MODULE": "config.settings.test",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}

_header = pytest.StashKey[str]()
_servers = pytest.StashKey[Servers]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    os.environ["DJANGO_SETTINGS_MODULE"] = NOWHERE["DJANGO_SETTINGS_MODULE"]
    if _wants_services(early_config):
        _start(early_config)
    for name, value in NOWHERE.items():
        os.environ[name] = os.environ.get(name) or value
    yield


def pytest_report_header(config: pytest.Config) -> str | None:
    return config.stash.get(_header, None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[object]) -> None:
    """Give each worker its own Redis database: 1, 2, … (0 is for a run without workers)."""
    base = os.environ.get("REDIS_URL", "").rpartition("/")[0]
    for number, spec in enumerate(specs, start=1):
        if base:
            spec.env["REDIS_URL"] = f"{base}/{number}"  # type: ignore[attr-defined]  # execnet is untyped


def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(_servers, None)
    if servers is not None:
        servers.leave()
        servers.discard()


def _wants_services(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    if os.environ.get("TOLLGATE_TEST_SERVICES") == "0" or options.help or options.version:
        return False
    paths = [Path(argument.partition("::")[0]).resolve() for argument in options.file_or_dir]
    return not paths or any(not _is_serviceless(path) for path in paths)


def _is_serviceless(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in WITHOUT_SERVICES)


def _start(config: pytest.Config) -> None:
    needs_database = not os.environ.get("DATABASE_URL")
    needs_redis = not os.environ.get("REDIS_URL")
    if not (needs_database or needs_redis):
        return
    started = time.perf_counter()
    servers, is_migrated = start()
    config.stash[_servers] = servers
    config.add_cleanup(servers.leave)
    database_url, redis_url = servers.urls()
    if needs_redis:
        os.environ["REDIS_URL"] = redis_url
    if needs_database:
        os.environ["DATABASE_URL"] = database_url
        if not is_migrated:
            migrate_template(servers)
            os.environ["DATABASE_URL"] = servers.postgres.url()
        os.environ["TEST_TEMPLATE"] = TEMPLATE
        _put_pooler_in_front(config, servers)
    seconds = time.perf_counter() - started
    config.stash[_header] = f"services: PostgreSQL and Valkey, migrated in {seconds:.1f} s"


def _put_pooler_in_front(config: pytest.Config, servers: Servers) -> None:
    """With DATABASE_POOLER, run the tests behind PgBouncer."""
    if os.environ.get("DATABASE_POOLER"):
        stack = ExitStack()
        config.add_cleanup(stack.close)
        url = os.environ["DATABASE_URL"]
        pooled = pgbouncer.pooler(servers.home, database_url=url)
        os.environ["DATABASE_URL"] = stack.enter_context(pooled)


def start() -> tuple[Servers, bool]:
    """New servers, joined; and whether their template database is migrated already."""
    sweep()
    home = new_home()
    is_migrated = template_cache.restore(home)
    servers = Servers(home, durable=False)
    servers.join()
    return servers, is_migrated


def new_home() -> Path:
    """A fresh directory that PostgreSQL's account can reach, wherever TMPDIR points."""
    parent = Path(tempfile.gettempdir())
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent if can_reach(parent) else "/tmp"))
    home.chmod(0o755)
    return home


def lay_migrated_database(home: Path) -> None:
    """Lay the kept, migrated database into a new home of servers, so that a stack which starts
    there has nothing to migrate. Without a kept one the home stays empty."""
    if not template_cache.restore(home):
        return
    servers = Servers(home, durable=False)
    servers.postgres.start()
    try:
        with psycopg.connect(servers.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {DATABASE}")
            connection.execute(f"ALTER DATABASE {TEMPLATE} RENAME TO {DATABASE}")
    finally:
        servers.postgres.durable = True  # asks for a checkpoint instead of dropping everything
        servers.postgres.stop()


def sweep() -> None:
    """Stop the servers of runs that were killed, and delete what they left."""
    for parent in {tempfile.gettempdir(), "/tmp"}:
        for home in Path(parent).glob(f"{PREFIX}*"):
            if not os.access(home, os.W_OK):
                continue
            abandoned = Servers(home, durable=False)
            if abandoned.are_abandoned():
                abandoned.discard()


def migrate_template(servers: Servers) -> None:
    """Make the template database and keep a copy for later runs; the port may change."""
    servers.postgres.create(TEMPLATE)
    run = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0", "--skip-checks"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": NOWHERE["DJANGO_SETTINGS_MODULE"],
            "DATABASE_URL": servers.postgres.url(TEMPLATE),
            "DATABASE_POOLER": "",
            "REDIS_URL": servers.valkey.url(),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise pytest.UsageError(f"manage.py migrate failed:\n{run.stdout}{run.stderr}")
    _keep_template(servers)


def _keep_template(servers: Servers) -> None:
    """Save the cluster as it is on disk after a clean stop, then go on with it."""
    postgres = servers.postgres
    postgres.durable = True  # asks for a checkpoint instead of dropping everything
    postgres.stop()
    postgres.durable = False
    template_cache.save(servers.home)
    postgres.start()
