"""Failures of objects, accounts and Stripe park or delay only what they concern."""

from django.utils import timezone

from billing.models import StripeAccount, SyncObject
from billing.sync import service as sync
from common import crypto
from common.logs import ERROR_LENGTH
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.sync.sync_rows import end_waits, make_unstorable, request_sync, row
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop


def test_an_unstorable_object_is_parked_after_five_tries(shop: Shop) -> None:
    product = shop.product("Poison")
    price = shop.price(product)
    make_unstorable(shop, product)
    poison = request_sync(shop.account, str(price.stripe_id), "price")
    for attempt in range(5):
        good = shop.product(f"Good {attempt}")
        shop.stripe.v1.products.update(str(good.stripe_id), {"name": f"Better {attempt}"})
        request_sync(shop.account, str(good.stripe_id))
        assert row(poison).parked_at is None
        sync.drain(at=timezone.now())
        good.refresh_from_db()
        assert good.name == f"Better {attempt}"
        assert row(poison).attempts == attempt + 1
        assert row(poison).leased_until is None
        end_waits(pk=poison)
    parked = row(poison)
    assert parked.parked_at is not None
    assert parked.state == "parked"
    assert parked.last_error.startswith("ProgrammingError: pgtrigger: Cannot update rows")
    assert sync.drain(at=timezone.now()) == 0


def test_pauses_grow_and_events_do_not_shorten_them(shop: Shop) -> None:
    product = shop.product("Poison")
    price = shop.price(product)
    make_unstorable(shop, product)
    poison = request_sync(shop.account, str(price.stripe_id), "price")
    pauses = []
    for _ in range(4):
        sync.drain(at=timezone.now())
        due = row(poison).next_try_at
        pauses.append((due - timezone.now()).total_seconds())
        request_sync(shop.account, str(price.stripe_id), "price")
        assert row(poison).next_try_at == due
        end_waits(pk=poison)
    for pause, least in zip(pauses, (1, 5, 25, 125), strict=True):
        assert least - 0.5 < pause < least * 1.5 + 0.5


def test_an_outage_parks_nothing(stripe: SandboxStripe, account: StripeAccount) -> None:
    sync_id = request_sync(account, "prod_1")
    for _ in range(7):
        stripe.fail("error_before", method="GET", times=3)
        assert sync.drain(at=timezone.now()) == 1
        end_waits()
    sync_object = row(sync_id)
    assert (sync_object.attempts, sync_object.parked_at, sync_object.state) == (0, None, "waiting")
    assert sync_object.last_error.startswith("StripeFailed")
    sync.drain(at=timezone.now())
    assert row(sync_id).state == "foreign"


def test_an_unreachable_account_is_asked_once_per_batch(
    stripe: SandboxStripe, account: StripeAccount
) -> None:
    for number in range(10):
        request_sync(account, f"prod_{number}")
    stripe.fail("error_before", method="GET", times=3)
    assert sync.drain(at=timezone.now()) == 10
    assert {each.state for each in SyncObject.objects.all()} == {"waiting"}
    assert stripe.world.faults.describe() == []


def test_a_refused_key_parks_nothing(stripe: SandboxStripe, project: Project) -> None:
    account = StripeAccount(project=project, name="wrong key", livemode=False)
    account.secret_key = crypto.encrypt("sk_test_wrong", context=account.key_context)
    account.save()
    sync_id = request_sync(account, "prod_1")
    for _ in range(6):
        sync.drain(at=timezone.now())
        end_waits()
    assert (row(sync_id).attempts, row(sync_id).parked_at) == (0, None)
    assert row(sync_id).last_error.startswith("StripeCredentialsRefused")


def test_errors_are_kept_without_secrets(account: StripeAccount) -> None:
    sync_id = request_sync(account, "prod_1")
    (claim,) = sync.claim_due(limit=1)
    error = ValueError("key sk_test_abcdef123456 of ada@example.com\0 is bad" + "x" * 5000)
    sync.fail(claim, error, at=timezone.now())
    last_error = row(sync_id).last_error
    assert last_error.startswith("ValueError: key [redacted] of [redacted]\ufffd is bad")
    assert len(last_error) == ERROR_LENGTH


def test_a_slow_batch_is_handed_back(shop: Shop) -> None:
    """When half of the lease is gone, the rest is for others."""
    names = [str(shop.product(f"P{number}").stripe_id) for number in range(6)]
    for name in names:
        request_sync(shop.account, name)

    def clock() -> float:
        return 0.0 if SyncObject.objects.filter(applied=1).count() < 2 else 99.0

    assert sync.drain(at=timezone.now(), clock=clock) == 6
    states = [each.state for each in SyncObject.objects.order_by("id")]
    assert states == ["applied", "applied", "waiting", "waiting", "waiting", "waiting"]
    assert not SyncObject.objects.filter(leased_until__isnull=False).exists()
    assert sync.drain(at=timezone.now()) == 4


def test_a_parked_object_has_one_event_until_it_has_recovered(shop: Shop) -> None:
    product = shop.product("Poison")
    price = shop.price(product)
    make_unstorable(shop, product)
    for _ in range(2):
        poison = request_sync(shop.account, str(price.stripe_id), "price")
        for _ in range(5):
            sync.drain(at=timezone.now())
            end_waits(pk=poison)
        assert row(poison).state == "parked"
    (parked,) = outbox_events.events(shop.project, "stripe_object.")
    assert (parked.type, parked.subject, parked.previous) == ("stripe_object.parked", price.pk, {})
    since = parked.data["out_of_date_since"]
    assert parked.data == {
        "kind": "price",
        "stripe_id": price.stripe_id,
        "id": price.pk,
        "reason": "The object could not be stored. An operator has to look at it.",
        "out_of_date_since": since,
    }
    with shop.stripe.world.transaction() as tx:
        (at_stripe,) = tx.list_objects("price")
        at_stripe["unit_amount"] = price.unit_amount
    for _ in range(2):
        request_sync(shop.account, str(price.stripe_id), "price")
        sync.drain(at=timezone.now())
    _, recovered = outbox_events.events(shop.project, "stripe_object.")
    assert recovered.type == "stripe_object.recovered"
    assert recovered.data == {**parked.data, "reason": None, "out_of_date_since": None}
    assert recovered.previous == {"out_of_date_since": since}
