"""Statements that lock several objects of the sync queue lock them in one order, so that none is
broken off as a deadlock."""

from collections.abc import Callable

import psycopg
import pytest
from django.db import transaction
from django.utils import timezone

from billing.models import SyncObject
from billing.models.sync_object import ObjectKind
from billing.sync import sync_queue
from billing.sync.sync_queue import SyncLease
from tests.shop import Shop
from tests.stops.blocking import beside, database_url

pytestmark = pytest.mark.django_db(transaction=True)

STRIPE_IDS = ("prod_3", "prod_1", "prod_2")
LOCK = "SELECT FROM billing_syncobject WHERE stripe_id = %s FOR UPDATE NOWAIT"


def _settle(leases: list[SyncLease]) -> None:
    settled = sync_queue.complete_unchanged_together(leases, at=timezone.now())
    assert settled == {lease.sync_id for lease in leases}


def _ask_again(leases: list[SyncLease]) -> None:
    rows = SyncObject.objects.filter(account_id=leases[0].account.pk, kind=ObjectKind.PRODUCT)
    with transaction.atomic():
        assert sync_queue.request_syncs(rows) == len(leases)


@pytest.mark.parametrize("work", [sync_queue.renew, _settle, _ask_again])
@pytest.mark.parametrize("turn", range(3))
def test_objects_are_locked_in_the_order_in_which_intake_locks_them(
    shop: Shop, work: Callable[[list[SyncLease]], None], turn: int
) -> None:
    for stripe_id in STRIPE_IDS[turn:] + STRIPE_IDS[:turn]:
        sync_queue.request_sync(
            account_id=shop.account.pk, kind=ObjectKind.PRODUCT, stripe_id=stripe_id
        )
    leases = sync_queue.claim_kind(account_id=shop.account.pk, kind="product", limit=9)
    assert len(leases) == len(STRIPE_IDS)
    with psycopg.connect(database_url()) as intake:
        intake.execute(LOCK, ["prod_1"])
        working = beside(lambda: work(leases))
        working.__enter__()
        for stripe_id in ("prod_2", "prod_3"):
            intake.execute(LOCK, [stripe_id])
        intake.commit()
        working.__exit__(None, None, None)
    assert SyncObject.objects.filter(kind="product", epoch=1).count() == len(STRIPE_IDS)
