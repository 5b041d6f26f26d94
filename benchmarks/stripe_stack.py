"""The product beside the Stripe sandbox: a database, its web server, and a worker when a measure
needs one.

Sellers are projects with Stripe accounts of their own, whose customers and subscriptions are
created at Stripe and then imported. The worker runs during a case only, so that no other case
shares the machine with it.
"""

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from benchmarks import adopted_customers, stripe_events, subscribers
from benchmarks.bench_servers import BenchDatabase, BenchServers, run_python
from benchmarks.stripe_account import StripeAccount, control
from benchmarks.subscribers import Subscriber
from devtools.demo.people import Tenant
from devtools.demo.web import Api
from devtools.processes import free_port
from devtools.stack.program import Program
from devtools.stack.programs import worker
from devtools.stack.readiness import takes_tasks

RETURN_ORIGIN = "http://localhost:3000"
METRICS_TOKEN = "of_the_benchmark"  # noqa: S105  # of a server on this machine for some minutes
FEATURE = "pro"
DUE_SQL = """
SELECT count(*) FROM billing_syncobject JOIN billing_stripeaccount AS account
ON account.id = account_id WHERE account.project_id IS NOT NULL AND applied < requested
"""
FORGET_INTAKE_SQL = """
UPDATE billing_syncobject SET applied = requested FROM billing_stripeaccount AS account
WHERE account.id = account_id AND account.project_id IS NULL AND applied < requested
"""
"""The intake case sends events about objects that exist nowhere."""
STUCK_SQL = """
SELECT count(*) FROM billing_syncobject JOIN billing_stripeaccount AS account
ON account.id = account_id WHERE account.project_id = ANY(%s)
AND (parked_at IS NOT NULL OR foreign_at IS NOT NULL)
"""
PATIENCE_SECONDS = 180.0


@dataclass(slots=True)
class Seller:
    """A project with a Stripe account of its own, one product, and customers."""

    project: str
    key: str
    account: StripeAccount
    webhook_path: str
    price: str
    price_stripe_id: str
    customers: list[Subscriber]


class StripeStack:
    """A database that is served with the sandbox as its Stripe."""

    def __init__(self, servers: BenchServers, world: BenchDatabase, sandbox_port: int) -> None:
        self.servers, self.sandbox_port = servers, sandbox_port
        self.secret = servers.secrets["STRIPE_WEBHOOK_SECRETS"]
        self.tag = secrets.token_hex(4)
        self.sellers = 0
        environment = {
            "STRIPE_API_BASE": f"http://127.0.0.1:{sandbox_port}",
            "METRICS_TOKEN": METRICS_TOKEN,
        }
        self.world = servers.serve_again(world, "stripe", **environment)
        words = servers.manage(self.world, "create_platform_key", "--name", "benchmark").split()
        platform_key = next(word for word in words if word.startswith("tg_platform_"))
        self._platform = Tenant(Api(self.world.url, platform_key))

    def open_sellers(self, counts: Sequence[int]) -> list[Seller]:
        """Register a seller for each of these numbers of customers. Their subscriptions are not
        known to the product yet."""
        self.servers.say(f"{self.world.name}: {sum(counts):,} subscribers are created at Stripe")
        sellers = [self._open_seller(count) for count in counts]
        projects = [seller.project for seller in sellers if seller.customers]
        if projects:
            self.servers.say(f"{self.world.name}: the product imports them")
            run_python(["-m", adopted_customers.__name__, *projects], self.world.environment)
        return sellers

    @contextmanager
    def worker(self, **environment: str) -> Iterator[Program]:
        """Run a worker as the stack does, with these variables."""
        with self.world.connect() as connection:
            connection.execute(FORGET_INTAKE_SQL)
        program = self.servers.start(
            f"{self.world.name}-worker",
            worker(),
            0,
            {**self.world.environment, **environment},
            is_ready=lambda: takes_tasks(self.world.redis_url),
        )
        try:
            yield program
        finally:
            self.servers.stop(program)

    def tell_all(self, sellers: Sequence[Seller]) -> list[str]:
        """Send an event about every subscription of these sellers, and wait until all are applied.
        Returns error texts."""
        wrong = [
            stripe_events.send_all(
                self.world.port,
                seller.webhook_path,
                [
                    stripe_events.build_event("customer.subscription.created", one.subscription)
                    for one in seller.customers
                ],
                secret=self.secret,
            )
            for seller in sellers
        ]
        return [each for each in (*wrong, self.wait_until_idle()) if each]

    def wait_until_idle(self) -> str:
        """Wait until nothing of the sellers is due. Returns an error text if that takes too
        long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self.world.connect() as connection:
            while row := connection.execute(DUE_SQL).fetchone():
                if row[0] == 0:
                    return ""
                if time.monotonic() > deadline:
                    return f"{row[0]} objects are still due after {PATIENCE_SECONDS:.0f} s"
                time.sleep(0.05)
        return ""

    def _open_seller(self, count: int) -> Seller:
        self.sellers += 1
        name = f"Seller {self.tag} {self.sellers}"
        project = self._platform.post(
            "/projects", {"name": name, "return_origins": [RETURN_ORIGIN]}
        )
        tenant = Tenant(Api(self.world.url, project["key"]["secret"]))
        account = self._open_account()
        connected = self._platform.post(
            f"/projects/{project['id']}/stripe-account",
            {"secret_key": account.secret_key, "signing_secret": self.secret},
        )
        price = _sell(tenant)
        return Seller(
            project=project["id"],
            key=project["key"]["secret"],
            account=account,
            webhook_path=urlsplit(connected["webhook_url"]).path,
            price=price["id"],
            price_stripe_id=price["stripe_id"],
            customers=subscribers.create_many(account, price=price["stripe_id"], count=count),
        )

    def _open_account(self) -> StripeAccount:
        key = f"sk_test_{secrets.token_hex(12)}"
        control(self.sandbox_port, "/accounts", {"secret_key": key})
        return StripeAccount(self.sandbox_port, key)


def start_sandbox(servers: BenchServers) -> int:
    """Start a sandbox that sends no events. Returns its port."""
    port = free_port()
    key = servers.secrets["STRIPE_SECRET_KEY"]
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--secret-key", key]
    servers.start("sandbox", command, port, servers.environment("", ""))
    return port


def find_stuck(connection: psycopg.Connection[Any], sellers: Sequence[Seller]) -> list[str]:
    """An error text if objects of these sellers were put aside."""
    projects = [seller.project for seller in sellers]
    row = connection.execute(STUCK_SQL, [projects]).fetchone()
    return [f"{row[0]} objects are parked or foreign"] if row and row[0] else []


def cpu_seconds(program: Program) -> float:
    """CPU time of a program with its running children."""
    return sum(_cpu_seconds(process) for process in family(program))


def family(program: Program) -> list[psutil.Process]:
    """The program's process and all below it."""
    assert program.process is not None
    return [program.process, *program.process.children(recursive=True)]


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _sell(tenant: Tenant) -> Any:
    """A monthly price that gives the feature."""
    tenant.post("/features", {"code": FEATURE, "name": "Pro"})
    product = tenant.post(
        "/products", {"name": "Pro", "features": [{"feature": FEATURE, "value": True}]}
    )
    amount = {"amount": 2_900, "currency": "usd"}
    return tenant.post(
        "/prices", {"product": product["id"], "unit_amount": amount, "interval": "month"}
    )
