"""Every write, killed at every point under every fault of Stripe, makes one object within a minute.

The process dies by an exception that nothing catches, raised from the database's own hook or from
the SDK's transport. Time is simulated: the leases and pauses of the intent are moved into the past
and the janitor is told a later time.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from billing.models import StripeIntent
from billing.models.stripe_intent import OPEN, IntentState
from billing.outbound import intents
from billing.stripe.client import use_transport
from billing.stripe.errors import StripeObjectMissing, StripeRefused, StripeUnavailable
from billing.stripe.write_operations import WRITES
from common.models import BackOff
from tests.back_offs import end_pauses
from tests.chaos.write_bench import Bench, Case
from tests.chaos.write_recipes import RECIPES
from tests.sandbox_stripe import OutsideTransactions
from tests.shop import Shop

POINTS = (
    "before it is planned",
    "after it is planned",
    "before it is sent",
    "before the answer comes",
    "before the answer is kept",
    "after it is done",
)
FAULTS = {
    "": 0,
    "rate_limit": 3,
    "lock_timeout": 3,
    "key_in_use": 3,
    "error_before": 1,
    "error_after": 1,
    "timeout_before": 3,
    "timeout_after": 3,
    "reset_before": 3,
    "reset_after": 3,
}
"""How often in a row, so that the two retries of the gate do not hide it."""
SAVED = ("error_before", "error_after")
IN_FULL = ("refund.create", "subscription.update")
"""One that makes and one that changes."""
A_MINUTE = 60
LAG = 60
"""Seconds more for what makes an object and met an error that Stripe saves under the key: its
absence is proven only by a list that is old enough (``intent_resolution.LIST_LAG``)."""
SWEEP = 1
"""Seconds until a worker has looked at what is due."""


class Crash(BaseException):
    """The process is gone."""


class Process(OutsideTransactions):
    """What runs until it dies at ``point``."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.point = ""
        self._has_sent = False

    @contextmanager
    def dies(self, point: str) -> Iterator[None]:
        self.point, self._has_sent = point, False
        try:
            with connection.execute_wrapper(self._execute):
                yield
        except Crash:
            transaction.set_rollback(False)  # it died before a statement: nothing to undo
        finally:
            self.point = ""

    def request(self, *args: Any, **kwargs: Any) -> tuple[str, int, Mapping[str, str]]:
        self._die("before it is sent")
        self._has_sent = True
        try:
            return super().request(*args, **kwargs)
        finally:
            self._die("before the answer comes")

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('INSERT INTO "billing_stripeintent"'):
            self._die("before it is planned")
        if sql.lstrip().startswith(
            ('UPDATE "billing_stripeintent"', "UPDATE billing_stripeintent")
        ):
            self._die("after it is planned")
            if self._has_sent:
                self._die("before the answer is kept")
            if 'SET "answered_at"' in sql:
                self._die("after it is done")
        return execute(sql, params, many, context)

    def _die(self, point: str) -> None:
        if point == self.point:
            raise Crash


def start_write(shop: Shop, operation: str, case: Case, at: datetime) -> None:
    if case.row is not None:
        intents.create_object(case.row, operation=operation, params=case.params, at=at)
        return
    intents.change_object(
        project_id=shop.project.pk,
        account=shop.account,
        operation=operation,
        subject=shop.project.pk,
        target=case.target,
        params=case.params,
        request=case.request,
        at=at,
    )


def intent_of(operation: str, earlier_ids: set[str]) -> StripeIntent | None:
    rows = StripeIntent.objects.across_projects().filter(operation=operation)
    return rows.exclude(pk__in=earlier_ids).first()


def let_pass(intent: StripeIntent) -> float:
    """Wait until it is due and free, by the database's clock; the seconds that takes."""
    now = timezone.now()
    pauses = BackOff.objects.values_list("retry_at", flat=True)
    wait = max(intent.next_try_at, intent.leased_until or now, now, *pauses) - now
    wait += timedelta(seconds=SWEEP)
    StripeIntent.objects.across_projects().filter(pk=intent.pk).update(
        next_try_at=F("next_try_at") - wait, leased_until=F("leased_until") - wait
    )
    end_pauses()
    return wait.total_seconds()


def finish(intent: StripeIntent, at: datetime) -> float:
    """Seconds until the janitor has brought it to its end."""
    passed = 0.0
    while intent.state in OPEN and passed <= A_MINUTE + LAG:
        passed += let_pass(intent)
        assert intents.finish_due(at=at + timedelta(seconds=passed)) == 1
        intent.refresh_from_db()
    return passed


@pytest.mark.django_db
@pytest.mark.parametrize("operation", sorted(WRITES))
def test_every_write_is_done_once_whatever_happens(shop: Shop, operation: str) -> None:
    process = Process(shop.stripe.world)
    use_transport(process)
    bench, earlier_ids = Bench(shop), set[str]()
    for point, fault in cases(operation):
        description = (operation, point, fault)
        case, at = RECIPES[operation](bench), timezone.now()
        for method in ("POST", "DELETE") if fault else ():
            shop.stripe.fail(fault, method=method, times=FAULTS[fault])
        with process.dies(point):
            try:
                start_write(shop, operation, case, at)
            except (StripeUnavailable, StripeRefused, StripeObjectMissing):
                assert fault or case.is_refused, description
        intent = intent_of(operation, earlier_ids)
        passed = 0.0
        if intent is not None:
            passed = finish(intent, at)
            makes_anew = case.row is not None and fault in SAVED
            assert passed <= A_MINUTE + LAG * makes_anew, description
            assert intent.state in (IntentState.DONE, IntentState.FAILED), description
        shop.stripe.world.faults.clear()
        assert case.done() == (intent is not None and not case.is_refused), description
        ask_again(shop, operation, case, at + timedelta(seconds=passed))
        assert case.done() == (not case.is_refused), description
        earlier_ids |= {row.pk for row in StripeIntent.objects.across_projects()}


def cases(operation: str) -> list[tuple[str, str]]:
    """Every pair of a point and a fault, or a third of them that differs between operations, so
    that each operation meets each point and each fault."""
    offset = 0 if operation in IN_FULL else sorted(RECIPES).index(operation)
    return [
        (point, fault)
        for first, point in enumerate(POINTS)
        for second, fault in enumerate(FAULTS)
        if operation in IN_FULL or (first + second + offset) % 3 == 0
    ]


def ask_again(shop: Shop, operation: str, case: Case, at: datetime) -> None:
    """The tenant's next try; Stripe may refuse to end a second time what a lost try has ended."""
    try:
        start_write(shop, operation, case, at)
    except (StripeRefused, StripeObjectMissing):
        assert case.target, operation
        return
    if case.row is not None:
        assert case.row.stripe_id, operation


def test_every_write_has_a_recipe() -> None:
    assert set(RECIPES) == set(WRITES)
    assert sum(len(cases(operation)) for operation in RECIPES) >= 400
