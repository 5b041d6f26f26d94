"""The guide's backup and restore: what Stripe knows and the copy does not comes back, once."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection, connections
from django.utils import timezone
from psycopg.sql import SQL, Identifier

from billing.models import Payment, Price, Refund, StripeCustomer
from devtools.embedded.programs import postgres_programs
from entitlements.decisions.selectors import decisions
from tests.billing.operations.reconcile_command import Drain, run
from tests.deploy.guide import blocks, section
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

pytestmark = pytest.mark.django_db(transaction=True)
RESTORED, ORIGINAL = "tollgate_restored", "tollgate_original"
DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


def run_block(block: str, folder: Path) -> None:
    """Run the commands of the guide on the database of this test."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    subprocess.run(
        ["sh", "-eu", "-c", block],
        cwd=folder,
        env={
            "PATH": f"{postgres_programs(folder)}:{os.environ['PATH']}",
            "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}",
            "RESTORED_URL": f"{server}/{RESTORED}",
        },
        check=True,
        capture_output=True,
        text=True,
    )


@contextmanager
def switched_to_restored() -> Iterator[None]:
    """As an operator who writes RESTORED_URL into DATABASE_URL and starts everything anew. The
    database of the tests comes back afterwards: a restored one writes its conditions otherwise."""
    name = connection.settings_dict["NAME"]
    rename_databases((name, ORIGINAL), (RESTORED, name))
    try:
        yield
    finally:
        rename_databases((name, RESTORED), (ORIGINAL, name))


def rename_databases(*pairs: tuple[str, str]) -> None:
    """Rename databases that nobody may be connected to."""
    connections.close_all()
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        for old, new in pairs:
            admin.execute(DISCONNECT, [old])
            admin.execute(
                SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(old), Identifier(new))
            )


@pytest.fixture(autouse=True)
def _drop_restored() -> Iterator[None]:
    yield
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(RESTORED)))


def may_sign_on(shop: Shop, user_id: str) -> bool:
    at = timezone.now()
    return decisions.check(project=shop.project, user_id=user_id, feature="sso", at=at).allowed


def charges(stripe: SandboxStripe) -> int:
    with stripe.world.transaction() as tx:
        return len(list(tx.list_objects("charge")))


def test_a_restored_copy_learns_from_stripe_what_happened_since(
    shop: Shop,
    alice: StripeCustomer,
    monthly: Price,
    once: Price,
    stripe: SandboxStripe,
    drain: Drain,
    tmp_path: Path,
) -> None:
    (backup,) = blocks(section("operations.md", "Backup"))
    restore, *_ = blocks(section("operations.md", "Restore"))
    bob = shop.buyer("bob")
    shop.subscribe(alice, monthly)
    drain()
    tmp_path.chmod(0o755)
    run_block(backup, tmp_path)

    subscription = shop.subscribe(bob, monthly)  # after the backup: a purchase, a refund, an end
    shop.complete(shop.checkout(alice, once))
    payment = shop.pay(alice)
    stripe.v1.refunds.create({"payment_intent": payment, "amount": 100})
    drain()
    assert may_sign_on(shop, "bob")
    charged = charges(stripe)
    run_block(restore, tmp_path)
    with switched_to_restored():
        assert not may_sign_on(shop, "bob"), "the copy is older than his purchase"
        assert may_sign_on(shop, "alice")
        printed, code = run("--dry-run")
        assert code == 1
        assert f"subscription {subscription}: not mirrored" in printed
        printed, code = run()
        assert code == 0, printed
        drain()
        assert may_sign_on(shop, "bob")
        assert (
            Payment.objects.for_project(shop.project).get(stripe_id=payment).amount_refunded == 100
        )
        assert Refund.objects.for_project(shop.project).count() == 1
        printed, code = run("--dry-run")
        assert code == 0, printed
        assert "0 difference(s)" in printed
        assert charges(stripe) == charged, "nobody has paid twice"
