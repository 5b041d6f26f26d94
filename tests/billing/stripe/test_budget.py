"""Stripe reads have a budget with two lanes, which is halved after a 429."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from billing.models import StripeAccount, StripeCustomer, SyncObject
from billing.stripe import budget, token_buckets
from billing.stripe.budget import Lane
from billing.stripe.token_buckets import BucketLimit, ProcessBucket
from billing.sync import interactive_reads, sync_queue
from billing.sync import service as sync
from common import context, redis
from common.errors import Unavailable
from tests.billing.sync.sync_rows import due_products
from tests.shop import Shop

RATE = 12
"""A bucket of six, two of them for interactive callers only."""


@pytest.fixture(autouse=True)
def _closed_breaker() -> Iterator[None]:
    redis.breaker.close()
    yield
    redis.breaker.close()


@pytest.fixture
def slow_account(account: StripeAccount, settings: Settings) -> StripeAccount:
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=RATE)
    return account


def granted_requests(account: StripeAccount, lane: Lane, *, kind: str = "") -> int:
    """How many requests may be sent at once."""
    count = 0
    while budget.take(account, lane, kind=kind) == 0:
        count += 1
    return count


def test_a_third_of_the_budget_is_kept_for_interactive_requests(
    slow_account: StripeAccount,
) -> None:
    assert granted_requests(slow_account, Lane.BACKGROUND) == 4
    assert granted_requests(slow_account, Lane.INTERACTIVE) == 2
    pause = budget.take(slow_account, Lane.INTERACTIVE)
    assert 0 < pause <= 1 / RATE
    assert budget.wait(slow_account, Lane.INTERACTIVE, patience=1)
    assert not budget.wait(slow_account, Lane.BACKGROUND, patience=0.01)


def test_a_429_halves_the_rate(slow_account: StripeAccount) -> None:
    granted_requests(slow_account, Lane.INTERACTIVE)
    budget.slow_down(slow_account)
    assert 1 / RATE < budget.take(slow_account, Lane.INTERACTIVE) <= 2 / RATE


def test_each_account_has_its_own_budget(
    slow_account: StripeAccount, account: StripeAccount
) -> None:
    granted_requests(slow_account, Lane.INTERACTIVE)
    other = StripeAccount(name="Another", livemode=False)
    assert budget.take(other, Lane.INTERACTIVE) == 0


def test_without_redis_each_process_has_a_small_budget(
    slow_account: StripeAccount, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert granted_requests(slow_account, Lane.INTERACTIVE) == 2
    assert budget.take(slow_account, Lane.BACKGROUND) > 0
    budget.slow_down(slow_account)
    assert budget.take(slow_account, Lane.INTERACTIVE) > 1 / (RATE / token_buckets.PROCESSES)


def test_an_object_without_budget_waits_and_does_not_fail(
    shop: Shop, account: StripeAccount, stripe_requests: list[str], settings: Settings
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=1)
    due_products(shop, 3)
    granted_requests(account, Lane.INTERACTIVE)
    stripe_requests.clear()
    sync.drain(at=timezone.now())
    assert stripe_requests == []
    rows = SyncObject.objects.filter(applied=0, attempts=0, parked_at=None, leased_until=None)
    assert rows.filter(next_try_at__lte=Now()).count() == 3


def test_an_exhausted_budget_does_not_delay_other_accounts(account: StripeAccount) -> None:
    """What an account without budget has to read does not stand in the way of others."""
    other = StripeAccount.objects.create(name="Another", livemode=True)
    for owner in (account, account, other):
        number = SyncObject.objects.count()
        sync.request_sync(account_id=owner.pk, kind="product", stripe_id=f"prod_{number}")
    lane = sync_queue.AccountKind(account.pk, "product")
    assert [each.account for each in sync_queue.claim_due(limit=1, without=[lane])] == [other]


def test_an_interactive_read_waits_for_the_budget(
    shop: Shop,
    slow_account: StripeAccount,
    alice: StripeCustomer,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    granted_requests(slow_account, Lane.INTERACTIVE)
    sync.now(
        account=slow_account, kind="customer", stripe_id=str(alice.stripe_id), at=timezone.now()
    )
    assert SyncObject.objects.get().applied == 1
    monkeypatch.setattr(interactive_reads, "INTERACTIVE_WAIT_SECONDS", 0.02)
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=1)
    granted_requests(slow_account, Lane.INTERACTIVE)
    with pytest.raises(Unavailable) as caught:
        sync.now(
            account=slow_account, kind="customer", stripe_id=str(alice.stripe_id), at=timezone.now()
        )
    assert caught.value.retry_after is not None
    row = SyncObject.objects.get()
    assert (row.requested, row.applied, row.leased_until, row.attempts) == (2, 1, None, 0)


def test_a_429_while_reading_slows_down(
    shop: Shop, slow_account: StripeAccount, alice: StripeCustomer
) -> None:
    sync.request_sync(account_id=slow_account.pk, kind="customer", stripe_id=str(alice.stripe_id))
    shop.stripe.fail("rate_limit", times=1)
    sync.drain(at=timezone.now())
    granted_requests(slow_account, Lane.INTERACTIVE)
    started_at = time.monotonic()
    pause = budget.take(slow_account, Lane.INTERACTIVE)
    background_pause = budget.take(slow_account, Lane.BACKGROUND)
    elapsed = time.monotonic() - started_at  # on a busy machine a part of the pause is over already
    assert background_pause - pause + elapsed > 3 / RATE  # two more tokens, at half the rate
    assert SyncObject.objects.get().attempts == 0


@pytest.mark.parametrize("has_redis", [True, False])
def test_one_project_leaves_half_of_a_shared_account_to_the_others(
    slow_account: StripeAccount, settings: Settings, has_redis: bool
) -> None:
    """Its own account is for it alone."""
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=4)
    if not has_redis:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
    granted = []
    for project_id in ("prj_greedy", "prj_modest"):
        token = context.tenant_id.set(project_id)
        granted.append(granted_requests(slow_account, Lane.INTERACTIVE))
        context.tenant_id.reset(token)
    assert granted == [1, 1]
    own_account = StripeAccount(name="Its own", livemode=False, project_id="prj_greedy")
    token = context.tenant_id.set("prj_greedy")
    assert granted_requests(own_account, Lane.INTERACTIVE) == 2
    context.tenant_id.reset(token)


def test_one_kind_of_object_leaves_the_rest_of_the_budget_to_others(
    slow_account: StripeAccount, settings: Settings
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_endpoint_reads=4)
    assert granted_requests(slow_account, Lane.INTERACTIVE, kind="invoice") == 2
    assert granted_requests(slow_account, Lane.INTERACTIVE, kind="subscription") == 2
    assert granted_requests(slow_account, Lane.INTERACTIVE) == 2


def test_a_project_leaves_half_of_each_kind_in_a_shared_account_to_the_others(
    slow_account: StripeAccount, settings: Settings
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_endpoint_reads=8)
    granted = []
    for project_id in ("prj_greedy", "prj_modest"):
        token = context.tenant_id.set(project_id)
        granted.append(granted_requests(slow_account, Lane.INTERACTIVE, kind="invoice"))
        context.tenant_id.reset(token)
    assert granted == [2, 2]


@pytest.mark.parametrize("kind", ["", "invoice"])
def test_a_third_of_a_projects_part_is_for_those_who_wait(
    slow_account: StripeAccount, settings: Settings, kind: str
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_test_reads=24, stripe_endpoint_reads=24)
    token = context.tenant_id.set("prj_both")
    assert granted_requests(slow_account, Lane.BACKGROUND, kind=kind) == 4
    assert granted_requests(slow_account, Lane.INTERACTIVE, kind=kind) == 2
    context.tenant_id.reset(token)


def test_refusals_that_come_together_halve_the_rate_once(slow_account: StripeAccount) -> None:
    granted_requests(slow_account, Lane.INTERACTIVE)
    for _ in range(5):
        budget.slow_down(slow_account)
    assert budget.take(slow_account, Lane.INTERACTIVE) <= 2 / RATE


@pytest.mark.parametrize(("seconds", "factor"), [(0, 0.5), (15, 0.75), (30, 1.0), (3600, 1.0)])
def test_the_rate_grows_back(seconds: int, factor: float) -> None:
    """Half of it is back after 30 seconds."""
    limit = BucketLimit("key", rate=10, size=5, floor=0)
    bucket = ProcessBucket(tokens=0, at=100)
    bucket.slow_down(now=100)
    bucket.at = 100.0 + seconds
    assert bucket.wait(limit, now=100.0 + seconds) == pytest.approx(1 / (10 * factor))


def test_a_rate_that_is_refused_again_and_again_keeps_an_eighth() -> None:
    limit = BucketLimit("key", rate=8, size=4, floor=0)
    bucket = ProcessBucket(tokens=0, at=0)
    for second in range(1, 11):
        bucket.slow_down(now=second)
    bucket.at = 10.0
    assert bucket.wait(limit, now=10.0) == pytest.approx(1.0)


def test_a_kind_without_budget_does_not_hold_up_others(
    shop: Shop, account: StripeAccount, settings: Settings
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_endpoint_reads=1)
    while budget.take(account, Lane.INTERACTIVE, kind="product") == 0:
        pass
    due_products(shop, 3)
    sync.request_sync(account_id=account.pk, kind="customer", stripe_id=str(shop.buyer().stripe_id))
    sync.drain(at=timezone.now())
    rows = SyncObject.objects.values_list("kind", "applied")
    assert sorted(rows) == [("customer", 1), *[("product", 0)] * 3]
