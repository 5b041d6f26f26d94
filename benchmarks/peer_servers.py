"""The peers that the product is compared with, each on its own port."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import orjson
import psycopg
import redis

from benchmarks.bench_servers import BenchServers
from benchmarks.environments import EnvironmentUnavailable, find_python
from benchmarks.stripe_account import StripeAccount
from devtools.embedded import CHECKOUT
from devtools.processes import free_port
from devtools.stack.program import Program
from devtools.stack.programs import WEB_WORKERS, peer

HERE = Path(__file__).resolve().parent
DJSTRIPE = "benchmarks.peers.dj"
DJSTRIPE_TEMPLATE = "djstripe_made"
DJSTRIPE_WEBHOOK = "/stripe/webhook/6a6f7a2e-5f0c-4f6e-9d43-0d1c5b7a9e11/"
INVOICES_SQL = "SELECT count(*) FROM djstripe_invoice WHERE id = ANY(%s)"
FEATURES = 20
CUSTOMERS = 1000


@dataclass(frozen=True, slots=True)
class Peer:
    """URL and API key of a peer."""

    url: str
    key: str


@dataclass(frozen=True, slots=True)
class DjStripeProcessing:
    """dj-stripe that processes events: its port, database and program."""

    port: int
    database_url: str
    program: Program

    def find_mistake(self, invoice_ids: list[str]) -> str:
        """An error text if not each of these invoices is stored."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(INVOICES_SQL, [invoice_ids]).fetchone()
        stored = row[0] if row else 0
        return "" if stored == len(invoice_ids) else f"{stored} of {len(invoice_ids)} invoices"


def start_bare(servers: BenchServers, database_url: str) -> Peer:
    """Django views without middleware, on the product's server."""
    port = free_port()
    environment = servers.environment(database_url, servers.redis_url(0))
    servers.start("bare", peer(port, "benchmarks.peers.bare:application"), port, environment)
    return Peer(f"http://127.0.0.1:{port}", "")


def start_plain(servers: BenchServers) -> Peer:
    """A WSGI callable without Django, on the product's server."""
    port = free_port()
    command = peer(port, "benchmarks.peers.plain:application")
    servers.start("plain", command, port, servers.environment("", ""))
    return Peer(f"http://127.0.0.1:{port}", "")


def start_fastapi(servers: BenchServers) -> Peer | None:
    """FastAPI with decisions in Redis; None if it cannot be installed."""
    try:
        python = find_python("fastapi")
    except EnvironmentUnavailable as error:
        servers.say(f"FastAPI is left out: {error}")
        return None
    key, url, port = "sk_live_bench", servers.redis_url(3), free_port()
    _fill_redis(url, key)
    command = [
        *(python, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(WEB_WORKERS), "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "error", "--lifespan", "off"),
        *("--app-dir", str(CHECKOUT), "benchmarks.peers.fast:app"),
    ]
    servers.start("fastapi", command, port, {**servers.environment("", url), "VIRTUAL_ENV": ""})
    return Peer(f"http://127.0.0.1:{port}", key)


def start_djstripe(servers: BenchServers) -> Peer | None:
    """dj-stripe with 1,000 subscribed customers; None if it cannot be installed."""
    try:
        python = find_python("djstripe")
    except EnvironmentUnavailable as error:
        servers.say(f"dj-stripe is left out: {error}")
        return None

    url = _create_djstripe_database(servers, python, "djstripe")
    port = free_port()
    command = [python, *peer(port, f"{DJSTRIPE}:application")[1:]]
    servers.start("djstripe", command, port, _own_environment(servers, url))
    return Peer(f"http://127.0.0.1:{port}", "")


def start_djstripe_processing(
    servers: BenchServers, account: StripeAccount
) -> DjStripeProcessing | None:
    """dj-stripe with its own handlers, whose Stripe is this account of the
    sandbox; None if it cannot be installed."""
    try:
        python = find_python("djstripe")
    except EnvironmentUnavailable as error:
        servers.say(f"dj-stripe is left out: {error}")
        return None
    url, port = _create_djstripe_database(servers, python, "djstripe_processing"), free_port()
    environment = {
        **_own_environment(servers, url),
        "STRIPE_API_HOST": f"http://127.0.0.1:{account.port}",
        "STRIPE_TEST_SECRET_KEY": account.secret_key,
    }
    command = [python, *peer(port, f"{DJSTRIPE}:application")[1:]]
    program = servers.start("djstripe-processing", command, port, environment)
    return DjStripeProcessing(port, url, program)


def _create_djstripe_database(servers: BenchServers, python: str, name: str) -> str:
    """A copy of the database that dj-stripe has made once. Returns its URL."""

    def make(url: str) -> None:
        servers.say("Making dj-stripe's tables, once …")
        subprocess.run(
            [python, "-m", DJSTRIPE],
            cwd=CHECKOUT,
            env=_own_environment(servers, url),
            check=True,
            capture_output=True,
        )

    servers.kept(DJSTRIPE_TEMPLATE, make, of=(HERE / "peers" / "dj.py").read_text())
    return servers.copy(DJSTRIPE_TEMPLATE, name)


def _own_environment(servers: BenchServers, url: str) -> dict[str, str]:
    """Environment of a program with its own Django settings."""
    environment = servers.environment(url, "")
    del environment["DJANGO_SETTINGS_MODULE"]
    return environment


def _fill_redis(url: str, key: str) -> None:
    """Store 20 features per customer, 2 kB of JSON each."""
    client = redis.Redis.from_url(url, protocol=2)
    client.flushdb()
    client.set(f"key:{hashlib.sha256(key.encode()).hexdigest()}", orjson.dumps({"tenant": "t"}))
    names = ["sso", *(f"feature_{number}" for number in range(1, FEATURES))]
    item = {"enabled": True, "type": "metered", "limit": 1000, "used": 7}
    features = {name: {**item, "resets_at": "2030-01-01T00:00:00Z"} for name in names}
    for user in range(CUSTOMERS):
        body = {"customer": f"u{user}", "plan": "pro", "version": 7, "features": features}
        client.set(f"ent:t:u{user}", orjson.dumps(body))
    client.close()
