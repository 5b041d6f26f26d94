"""A key of another Stripe account reads, writes and applies nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.utils import timezone
from pytest_django import Settings

from billing.accounts import service as stripe_accounts
from billing.catalog import service as catalog
from billing.catalog.catalog_requests import ProductRequest
from billing.models import (
    Price,
    Product,
    ReconcileRun,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SyncObject,
)
from billing.models.sync_object import ObjectKind
from billing.operations import reconciliation
from billing.operations.reconcile_pass import ReconcilePass
from billing.stripe import account_pin
from billing.stripe.account_pin import StripeAccountMismatch
from billing.stripe.client import client_for
from billing.stripe.errors import StripeCredentialsRefused
from billing.sync import service as sync
from config import health
from events.models import OutboxEvent
from projects.models import Project
from sandbox import accounts
from sandbox.world import DEFAULT_ACCOUNT, DEFAULT_SECRET_KEY
from tests.billing import outbox_events
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop
from webhooks.services import catch_up

Drain = Callable[[], None]
STRANGE, ELSEWHERE = "sk_test_strange_account", "acct_1StrangeStrange0"
SPARE = "rk_test_platform_spare"


@pytest.fixture
def use_key(stripe: SandboxStripe, settings: Settings) -> Callable[[str], None]:
    """The platform is started anew with this key in its environment."""
    accounts.open_account(stripe.world, account_id=ELSEWHERE, secret_key=STRANGE)
    accounts.open_account(stripe.world, account_id=DEFAULT_ACCOUNT, secret_key=SPARE)

    def use(secret_key: str) -> None:
        settings.BILLING = replace(settings.BILLING, stripe_secret_key=secret_key)
        account_pin.forget()

    return use


def test_a_test_key_opens_no_live_account(stripe: SandboxStripe) -> None:
    account = stripe_accounts.platform_default(livemode=True)
    with pytest.raises(StripeCredentialsRefused, match="live mode"):
        client_for(account)
    account.refresh_from_db()
    assert account.stripe_id == ""


def test_the_account_is_pinned_at_first_use(stripe: SandboxStripe) -> None:
    StripeAccount.objects.all().delete()
    account = stripe_accounts.platform_default(livemode=False)
    assert account.stripe_id == ""
    client_for(account)
    stored = StripeAccount.objects.get(pk=account.pk)
    assert (account.stripe_id, stored.stripe_id) == (DEFAULT_ACCOUNT, DEFAULT_ACCOUNT)


def test_stripe_is_asked_once_for_each_key_and_process(
    account: StripeAccount, stripe: SandboxStripe, use_key: Callable[[str], None]
) -> None:
    use_key(SPARE)
    client_for(account)
    stripe.fail("error_before", path="/v1/account", times=9)
    client_for(account)
    account_pin.forget()
    with pytest.raises(Exception, match="Stripe had an error"):
        client_for(account)


def test_a_key_of_another_account_repairs_nothing(
    shop: Shop,
    alice: StripeCustomer,
    monthly: Price,
    drain: Drain,
    use_key: Callable[[str], None],
) -> None:
    """One reconcile with it once canceled every subscription and deleted every customer."""
    shop.subscribe(alice, monthly)
    drain()
    failures: list[tuple[str, type[Exception]]] = []
    count = OutboxEvent.objects.across_projects().count()
    use_key(STRANGE)
    plan = ReconcilePass(
        purpose="test",
        at=timezone.now(),
        on_failure=lambda what, error: failures.append((what, type(error))),
    )
    reconciliation.begin(plan, [shop.account], laws=False)
    assert reconciliation.work_on(plan, [shop.account])
    assert failures == [(str(shop.account), StripeAccountMismatch)]
    assert list(ReconcileRun.objects.values_list("compared", "found").distinct()) == [(0, 0)]
    assert Subscription.objects.for_project(shop.project).get().status == "active"
    assert Price.objects.for_project(shop.project).get().active
    assert Product.objects.for_project(shop.project).get().active
    assert StripeCustomer.objects.for_project(shop.project).get().deleted_at is None
    assert OutboxEvent.objects.across_projects().count() == count
    assert outbox_events.types(shop.project, "subscription.canceled") == []


def test_no_event_is_applied_and_none_is_lost(
    shop: Shop,
    alice: StripeCustomer,
    monthly: Price,
    drain: Drain,
    use_key: Callable[[str], None],
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    drain()
    use_key(STRANGE)
    sync.request_sync(account_id=shop.account.pk, kind=ObjectKind.SUBSCRIPTION, stripe_id=stripe_id)
    sync.drain(at=timezone.now())
    row = SyncObject.objects.get(stripe_id=stripe_id)
    assert (row.state, row.attempts) == ("waiting", 0)
    assert "another Stripe account" in row.last_error
    with pytest.raises(StripeAccountMismatch):
        catch_up.catch_up(account=shop.account, at=timezone.now())
    use_key(DEFAULT_SECRET_KEY)
    assert stripe_accounts.check_keys() == 0
    SyncObject.objects.update(next_try_at=timezone.now())
    drain()
    assert Subscription.objects.for_project(shop.project).get().status == "active"
    assert {row.state for row in SyncObject.objects.all()} == {"applied"}


def test_nothing_is_written_with_a_key_of_another_account(
    project: Project, shop: Shop, use_key: Callable[[str], None], stripe: SandboxStripe
) -> None:
    use_key(STRANGE)
    with pytest.raises(StripeAccountMismatch) as refused:
        catalog.create_product(
            project=project,
            request=ProductRequest(name="Pro"),
            idempotency_key="",
            actor="test",
            at=timezone.now(),
        )
    assert (refused.value.status, refused.value.code) == (503, "stripe-account-mismatch")
    assert list(stripe.client(STRANGE).v1.products.list().data) == []


def test_health_reports_a_wrong_account_until_the_right_key_is_back(
    account: StripeAccount, use_key: Callable[[str], None]
) -> None:
    assert health.gather(timezone.now())["stripe_accounts"].status == "ok"
    use_key(STRANGE)
    stripe_accounts.check_keys()
    account.refresh_from_db()
    assert (account.stripe_id, account.mismatched_stripe_id) == (DEFAULT_ACCOUNT, ELSEWHERE)
    assert account.mismatched_at is not None
    check = health.gather(timezone.now())["stripe_accounts"]
    assert (check.status, check.detail) == (
        "degraded",
        "1 secret key(s) of another Stripe account: nothing is read",
    )
    use_key(SPARE)
    stripe_accounts.check_keys()
    now = StripeAccount.objects.get(pk=account.pk)
    assert (now.mismatched_stripe_id, now.mismatched_at) == ("", None)
    assert health.gather(timezone.now())["stripe_accounts"].status == "ok"


def test_an_account_with_customers_is_not_pinned_to_one_that_does_not_know_them(
    account: StripeAccount, alice: StripeCustomer, use_key: Callable[[str], None]
) -> None:
    """An installation that is older than the pin, and its key is wrong already."""
    StripeAccount.objects.update(stripe_id="")
    use_key(STRANGE)
    account.refresh_from_db()
    with pytest.raises(StripeAccountMismatch):
        client_for(account)
    account.refresh_from_db()
    assert (account.stripe_id, account.mismatched_stripe_id) == ("", ELSEWHERE)
    use_key(SPARE)
    client_for(account)
    account.refresh_from_db()
    assert (account.stripe_id, account.mismatched_stripe_id) == (DEFAULT_ACCOUNT, "")
