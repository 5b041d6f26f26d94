"""A failing account, project or permission delays no other's work."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from billing.accounts import service as stripe_accounts
from billing.customers import stripe_copies
from billing.models import (
    Payment,
    StripeAccount,
    StripeCustomer,
    StripeIntent,
    SyncObject,
)
from billing.outbound import intents
from billing.payments import expiry
from billing.stripe.errors import StripePermissionMissing
from billing.sync import service as sync
from common import crypto, fair_queue
from common.models import BackOff
from projects.models import Customer, Project
from sandbox import accounts
from tests.back_offs import end_pauses
from tests.factories.projects import CustomerFactory, ProjectFactory
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop

MANY = 120
"""More than any run takes at once."""


@pytest.fixture
def broken(stripe: SandboxStripe) -> StripeAccount:
    """Another project's own account, whose key was revoked."""
    row = StripeAccount(
        project=ProjectFactory.create(),
        name="Broken",
        livemode=False,
        stripe_id="acct_1BrokenBroken000",
    )
    row.secret_key = crypto.encrypt("sk_test_revoked", context=row.key_context)
    row.save()
    return row


def request_sync(account: StripeAccount, kind: str, stripe_id: str) -> int:
    return sync.request_sync(account_id=account.pk, kind=kind, stripe_id=stripe_id)[0]


def applied(kind: str) -> int:
    return SyncObject.objects.filter(kind=kind, applied__gt=0).count()


def back_offs() -> set[tuple[str, str, str]]:
    return set(BackOff.objects.values_list("owner", "subject", "code"))


class TestSync:
    def test_a_missing_permission_delays_one_kind_only(
        self, stripe: SandboxStripe, shop: Shop
    ) -> None:
        """Sixty coupons that the key may not read, in front of forty customers."""
        stripe.fail("no_permission", path="/v1/coupons*", times=1_000_000)
        for number in range(60):
            request_sync(shop.account, "coupon", f"coupon_{number}")
        people = [stripe.v1.customers.create({"name": f"{number}"}).id for number in range(40)]
        for stripe_id in people:
            request_sync(shop.account, "customer", stripe_id)
        sync.drain(at=timezone.now())
        assert (applied("customer"), applied("coupon")) == (40, 0)
        assert back_offs() == {(shop.account.pk, "coupon.read", StripePermissionMissing.code)}
        assert not SyncObject.objects.filter(parked_at__isnull=False).exists()
        stripe.world.faults.clear()
        end_pauses()
        SyncObject.objects.update(next_try_at=Now())
        sync.drain(at=timezone.now())
        assert applied("coupon") == 60
        assert back_offs() == set()

    def test_a_refused_kind_is_asked_once_for_each_pause(
        self, stripe: SandboxStripe, shop: Shop
    ) -> None:
        stripe.fail("no_permission", path="/v1/coupons*", times=1_000_000)
        for number in range(30):
            request_sync(shop.account, "coupon", f"coupon_{number}")
        (fault,) = stripe.world.faults._plan  # how often it was hit
        for request_count in (1, 2, 3):
            sync.drain(at=timezone.now())
            sync.drain(at=timezone.now())
            assert 1_000_000 - fault.times == request_count
            end_pauses()
            SyncObject.objects.update(next_try_at=Now())
        assert BackOff.objects.get().failures == 3

    def test_a_claim_takes_turns_of_accounts_and_kinds(
        self, account: StripeAccount, broken: StripeAccount
    ) -> None:
        for number in range(50):
            request_sync(account, "coupon", f"coupon_{number}")
        for number in range(50):
            request_sync(account, "invoice", f"in_{number}")
        for number in range(3):
            request_sync(broken, "product", f"prod_{number}")
        taken = [(each.account, each.kind) for each in sync.claim_due(limit=8)]
        assert taken == [
            (account, "coupon"),
            (broken, "product"),
            (account, "invoice"),
            (broken, "product"),
            (account, "coupon"),
            (broken, "product"),
            (account, "invoice"),
            (account, "coupon"),
        ]

    def test_a_second_silent_kind_stops_the_account_and_one_does_not(
        self, stripe: SandboxStripe, shop: Shop
    ) -> None:
        for path in ("/v1/coupons*", "/v1/prices*"):
            stripe.fail("timeout_before", path=path, times=1_000_000)
        customer = stripe.v1.customers.create({}).id
        request_sync(shop.account, "coupon", "one")
        request_sync(shop.account, "customer", customer)
        sync.drain(at=timezone.now())
        assert {each[1] for each in back_offs()} == {"coupon.read"}
        assert applied("customer") == 1
        request_sync(shop.account, "price", "price_1")
        sync.drain(at=timezone.now())
        assert {each[1] for each in back_offs()} == {"coupon.read", "price.read", ""}
        request_sync(shop.account, "customer", customer)
        assert sync.drain(at=timezone.now()) == 0

    def test_another_key_of_the_account_is_tried_at_once(
        self, stripe: SandboxStripe, shop: Shop, broken: StripeAccount
    ) -> None:
        request_sync(broken, "coupon", "one")
        sync.drain(at=timezone.now())
        assert {each[1] for each in back_offs()} == {"coupon.read", ""}
        accounts.open_account(
            stripe.world, account_id=broken.stripe_id, secret_key="sk_test_replaced"
        )
        stripe_accounts.rotate_key(
            account=broken, secret_key="sk_test_replaced", actor="test", at=timezone.now()
        )
        SyncObject.objects.update(next_try_at=Now())
        assert sync.drain(at=timezone.now()) == 1
        assert applied("coupon") == 1


class TestIntents:
    def test_the_janitor_is_not_held_up_by_another_projects(
        self, shop: Shop, broken: StripeAccount
    ) -> None:
        assert broken.project is not None
        rows = [
            intent(broken.project, broken, "customer.update", f"cus_{number}")
            for number in range(MANY)
        ]
        mine = intent(shop.project, shop.account, "customer.update", shop.buyer().stripe_id)
        intents.finish_due(at=timezone.now())
        mine.refresh_from_db()
        assert mine.state == "done"
        assert {subject for _, subject, _ in back_offs()} == {"", "customer.update"}
        attempted_intents = StripeIntent.objects.across_projects().filter(
            pk__in=rows_of(rows), attempts__gt=0
        )
        assert attempted_intents.count() == 1

    def test_only_the_oldest_of_a_target_is_due(self, shop: Shop) -> None:
        """Many wait for one: they take nobody else's place."""
        buyer = shop.buyer()
        first = intent(shop.project, shop.account, "customer.update", buyer.stripe_id)
        StripeIntent.objects.across_projects().update(next_try_at=Now() + timedelta(hours=1))
        for _ in range(MANY):
            intent(shop.project, shop.account, "customer.update", buyer.stripe_id)
        other = intent(shop.project, shop.account, "customer.update", shop.buyer("bob").stripe_id)
        assert intents.finish_due(at=timezone.now()) == 1
        other.refresh_from_db()
        first.refresh_from_db()
        assert (other.state, first.state) == ("done", "planned")


class TestCustomerCopies:
    def test_a_hundred_customers_that_cannot_be_told_stop_nobody(
        self, shop: Shop, broken: StripeAccount
    ) -> None:
        assert broken.project is not None
        for number in range(MANY):
            stuck = CustomerFactory.create(project=broken.project, user_id=f"stuck-{number}")
            StripeCustomer.objects.create(project=broken.project, account=broken, customer=stuck)
            renamed(stuck)
        mine = renamed(shop.buyer().customer)
        stripe_copies.update_due(at=timezone.now())
        mine.refresh_from_db()
        assert mine.details_changed_at is None
        assert shop.stripe.v1.customers.retrieve(shop_id(mine)).name == "Renamed"

    def test_a_copy_that_waits_for_a_person_is_parked_and_shown(
        self, stripe: SandboxStripe, shop: Shop
    ) -> None:
        """Its change is parked among the intents: asking again changes nothing."""
        mine = renamed(shop.buyer().customer)
        stripe.fail("timeout_before", path="/v1/customers/*", times=3)
        stripe_copies.update_due(at=timezone.now())
        StripeIntent.objects.across_projects().update(state="parked")
        for _ in range(13):
            end_pauses()
            stripe_copies.update_due(at=timezone.now())
        row = BackOff.objects.get(queue="customer_copies")
        assert (row.owner, row.subject, row.failures) == (shop.project.pk, mine.pk, 12)
        assert row.parked_at is not None
        assert fair_queue.failures_by_queue()["customer_copies"].parked == 1
        StripeIntent.objects.across_projects().update(state="unknown", next_try_at=Now())
        intents.finish_due(at=timezone.now())
        assert fair_queue.resume(owner=shop.project.pk, queue="customer_copies") == 1
        stripe_copies.update_due(at=timezone.now())
        mine.refresh_from_db()
        assert mine.details_changed_at is None
        assert not BackOff.objects.exists()


class TestPayments:
    def test_payments_of_a_silent_account_do_not_fill_the_run(
        self, shop: Shop, broken: StripeAccount
    ) -> None:
        assert broken.project is not None
        stuck = CustomerFactory.create(project=broken.project)
        for number in range(MANY):
            payment(broken.project, broken, stuck, f"pi_{number}", hours=2)
        new_intent = shop.stripe.v1.payment_intents.create(
            {"amount": 500, "currency": "usd", "customer": shop.buyer().stripe_id or ""}
        )
        mine = payment(
            shop.project,
            shop.account,
            Customer.objects.for_project(shop.project).get(),
            new_intent.id,
        )
        expiry.expire_due(at=timezone.now())
        assert shop.stripe.v1.payment_intents.retrieve(new_intent.id).status == "canceled"
        mine.refresh_from_db()
        assert mine.expired_at is not None
        expiry.expire_due(at=timezone.now())
        leased = Payment.objects.for_project(broken.project).exclude(expiry_leased_until=None)
        assert leased.count() <= expiry.BATCH_SIZE, "the account is not asked while it waits"


def intent(
    project: Project, account: StripeAccount, operation: str, target: str | None
) -> StripeIntent:
    return StripeIntent.objects.for_project(project).create(
        account=account,
        operation=operation,
        purpose=f"{operation} {StripeIntent.objects.across_projects().count()}",
        subject="scus_1",
        target=target or "",
        params={"name": "New"},
        next_try_at=timezone.now() - timedelta(minutes=5),
    )


def rows_of(rows: list[StripeIntent]) -> list[str]:
    return [each.pk for each in rows]


def renamed(customer: Customer, name: str = "Renamed") -> Customer:
    customer.name, customer.details_changed_at = name, timezone.now()
    customer.save()
    return customer


def shop_id(customer: Customer) -> str:
    rows = StripeCustomer.objects.for_project(customer.project_id)
    return str(rows.get(customer=customer).stripe_id)


def payment(
    project: Project,
    account: StripeAccount,
    customer: Customer,
    stripe_id: str,
    *,
    hours: float = 1,
    **values: Any,
) -> Payment:
    return Payment.objects.for_project(project).create(
        account=account,
        customer=customer,
        stripe_id=stripe_id,
        type="intent",
        status="pending",
        amount=500,
        currency="usd",
        expires_at=timezone.now() - timedelta(hours=hours),
        **values,
    )
