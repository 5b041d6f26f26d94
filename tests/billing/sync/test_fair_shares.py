"""Projects that share a Stripe account are read in turns, however much one of them has due."""

import random
from collections.abc import Sequence

import pytest
from django.db import connection

from benchmarks import skewed_tenants
from benchmarks.skewed_tenants import ClaimedObject
from billing.models import StripeAccount, SyncObject
from billing.sync import sync_queue
from projects.models import Project
from tests.shop import Shop

pytestmark = pytest.mark.django_db

SIZES = [60, 12, 6, *[2] * 17]
"""Objects of the giant, of two in the middle, and of small tenants."""


def claim_in_turns(
    account: StripeAccount, *, knows: bool, batch: int = len(SIZES)
) -> Sequence[ClaimedObject]:
    SyncObject.objects.all().delete()
    connection.ensure_connection()
    skewed_tenants.insert_due_objects(
        connection.connection, SIZES, account_id=account.pk, knows=knows
    )
    claimed, _ = skewed_tenants.claim_all(batch=batch)
    return claimed


def test_every_tenant_gets_its_turn_before_anyone_gets_the_next(shop: Shop) -> None:
    claimed = claim_in_turns(shop.account, knows=True)
    assert len(claimed) == sum(SIZES)
    first_round = [each.tenant for each in claimed[: len(SIZES)]]
    assert sorted(first_round) == list(range(len(SIZES)))
    last = skewed_tenants.last_places(claimed)
    assert max(last[tenant] for tenant in range(3, len(SIZES))) < 2 * len(SIZES)
    assert last[0] == sum(SIZES) - 1


def test_more_tenants_than_places_take_turns_from_claim_to_claim(shop: Shop) -> None:
    """By age the giant and those with the oldest objects would have every claim's first places."""
    random.seed(12)
    claimed = claim_in_turns(shop.account, knows=True, batch=4)
    last = skewed_tenants.last_places(claimed)
    assert last[0] == sum(SIZES) - 1
    assert max(last[tenant] for tenant in range(3, len(SIZES))) < 0.7 * sum(SIZES)
    of_the_giant = [each.place for each in claimed if each.tenant == 0]
    assert of_the_giant[10] > 40


def test_objects_of_unknown_projects_are_read_in_the_order_in_which_they_fell_due(
    shop: Shop,
) -> None:
    claimed = claim_in_turns(shop.account, knows=False)
    assert {each.tenant for each in claimed[:20]} == {0}


def test_an_object_joins_the_lane_of_its_project(shop: Shop, other_project: Project) -> None:
    """When a request names it first; a later request does not move it."""

    def lane(stripe_id: str, project_id: str) -> str:
        sync_id, _ = sync_queue.request_sync(
            account_id=shop.account.pk, kind="customer", stripe_id=stripe_id, project_id=project_id
        )
        return SyncObject.objects.get(pk=sync_id).lane

    assert lane("cus_1", "") == ""
    assert lane("cus_1", shop.project.pk) == shop.project.pk
    assert lane("cus_1", other_project.pk) == shop.project.pk
    assert lane("cus_2", other_project.pk) == other_project.pk
