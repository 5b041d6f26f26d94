"""Run a Celery worker as a process on the test's database, and make work for it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from django.db import connection
from django.utils import timezone

from entitlements.consumption import reservations
from entitlements.models import Reservation
from entitlements.models.feature import FeatureKind
from projects.models import Project
from tests.factories.entitlements import FeatureFactory, draft_fact, state
from tests.factories.projects import CustomerFactory
from tests.factories.usage import MeterFactory
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


@contextmanager
def worker(*, broker: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker of one pool process, with no secret key for Stripe; ended with all its children."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--skip-checks", "-A", "config", "worker"),
                *("--concurrency=1", "--without-gossip", "--without-mingle", "--loglevel=INFO"),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": _database_url(),
                "REDIS_URL": broker,
                "STRIPE_SECRET_KEY": "",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def until(holds: Callable[[], bool], *, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for it, but not for longer than the worker lives."""

    def is_so() -> bool:
        assert process.poll() is None, f"the worker ended:\n{log.read_text()[-4000:]}"
        return holds()

    wait_until(is_so, lambda: f"in vain:\n{log.read_text()[-4000:]}")


def overdue_reservation(project: Project, code: str) -> str:
    """Create a reservation that expired five minutes ago; return its id."""
    now = timezone.now()
    meter = MeterFactory.create(project=project, code=code)
    feature = FeatureFactory.create(
        project=project, code=code, kind=FeatureKind.METERED, meter=meter, period="month"
    )
    customer = CustomerFactory.create(project=project, user_id=f"user-{code}")
    since = now - timedelta(hours=1)
    state(customer, draft_fact(feature, 10, starts_at=since), at=since)
    reservation_result = reservations.reserve(
        project=project,
        user_id=customer.user_id,
        feature=code,
        amount=4,
        lifetime=timedelta(minutes=5),
        at=now - timedelta(minutes=10),
    )
    assert reservation_result.reservation is not None
    return str(reservation_result.reservation.pk)


def is_given_back(reservation_id: str) -> bool:
    return (
        Reservation.objects.across_projects()
        .filter(pk=reservation_id, expired_at__isnull=False)
        .exists()
    )


def _database_url() -> str:
    at = connection.settings_dict
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
