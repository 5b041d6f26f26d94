"""The catch-up finds events in Stripe's list that were never delivered."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from billing.models import Price, StripeAccount, StripeCustomer, Subscription, SyncObject
from billing.sync import service as sync
from common import crypto
from common.models import BackOff
from sandbox import accounts
from sandbox.deliveries import DeliveryMode
from tests.back_offs import end_pauses
from tests.factories.projects import ProjectFactory
from tests.sandbox_stripe import Clock, SandboxStripe
from tests.shop import Shop
from webhooks.models import InboundEvent
from webhooks.services.catch_up import catch_up, catch_up_everywhere

Drain = Callable[[], None]
DROP_ALL = DeliveryMode(drop=1.0)


def requests_by_object() -> dict[str, int]:
    return dict(SyncObject.objects.values_list("stripe_id", "requested"))


def test_a_dropped_event_is_found_and_read(
    stripe: SandboxStripe, shop: Shop, alice: StripeCustomer, monthly: Price
) -> None:
    stripe_id = shop.subscribe(alice, monthly)
    stripe.deliver(DROP_ALL)
    assert not SyncObject.objects.exists()
    assert catch_up(account=shop.account, at=timezone.now()) > 0
    sync.drain(at=timezone.now())
    assert Subscription.objects.for_project(shop.project).get().stripe_id == stripe_id
    assert not InboundEvent.objects.exists()


def test_a_received_event_is_not_read_again(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    before = requests_by_object()
    assert catch_up(account=shop.account, at=timezone.now()) == 0
    assert requests_by_object() == before


def test_each_run_starts_an_hour_before_the_last_position(
    stripe: SandboxStripe, clock: Clock, shop: Shop, alice: StripeCustomer
) -> None:
    account = shop.account
    made_at = clock.now
    clock.advance(minutes=10)
    catch_up(account=account, at=clock.now)
    sync.drain(at=clock.now)
    account.refresh_from_db()
    assert account.events_seen_until == made_at
    clock.advance(minutes=30)
    assert catch_up(account=account, at=clock.now) == 0
    clock.advance(hours=3)
    stripe.v1.customers.update(str(alice.stripe_id), {"name": "Alice"})
    stripe.deliver(DROP_ALL)
    assert catch_up(account=account, at=clock.now) == 1
    account.refresh_from_db()
    assert account.events_seen_until == clock.now


def test_an_older_event_that_stripe_lists_late_is_found(
    stripe: SandboxStripe, clock: Clock, shop: Shop, alice: StripeCustomer, monthly: Price
) -> None:
    """Stripe's list may be up to an hour behind: what was made first may appear last."""
    account = shop.account
    clock.advance(minutes=10)
    stripe.v1.customers.update(str(alice.stripe_id), {"name": "Alice"})
    stripe.deliver(DROP_ALL)
    StripeAccount.objects.filter(pk=account.pk).update(
        events_seen_until=clock.now + timedelta(minutes=55)
    )
    clock.advance(minutes=56)
    account.refresh_from_db()

    assert catch_up(account=account, at=clock.now) > 0
    assert str(alice.stripe_id) in requests_by_object()


def test_an_object_that_was_read_since_is_left_alone(
    stripe: SandboxStripe, clock: Clock, shop: Shop, alice: StripeCustomer
) -> None:
    """It is within the overlap of every run for an hour; one read is enough."""
    clock.advance(minutes=1)
    stripe.v1.customers.update(str(alice.stripe_id), {"name": "Alice"})
    stripe.deliver(DROP_ALL)
    clock.advance(minutes=10)
    assert catch_up(account=shop.account, at=clock.now) > 0
    sync.drain(at=clock.now)
    clock.advance(minutes=10)
    assert catch_up(account=shop.account, at=clock.now) == 0


def test_events_older_than_thirty_days_are_not_requested(
    stripe: SandboxStripe, clock: Clock, shop: Shop, alice: StripeCustomer
) -> None:
    stripe.deliver(DROP_ALL)
    clock.advance(days=20)
    stripe.v1.customers.update(str(alice.stripe_id), {"name": "Alice"})
    stripe.deliver(DROP_ALL)
    clock.advance(days=20)
    assert catch_up(account=shop.account, at=clock.now) == 1


def test_one_account_that_fails_does_not_stop_the_others(
    stripe: SandboxStripe, shop: Shop, alice: StripeCustomer
) -> None:
    broken = StripeAccount(project=ProjectFactory.create(), name="a", livemode=False)
    broken.secret_key = crypto.encrypt("sk_test_wrong", context=broken.key_context)
    broken.save()
    stripe.deliver(DROP_ALL)
    assert catch_up_everywhere(at=timezone.now()) > 0
    broken.refresh_from_db()
    assert broken.events_seen_until is None


def test_a_month_without_events_is_caught_up(
    stripe: SandboxStripe, clock: Clock, shop: Shop, alice: StripeCustomer, monthly: Price
) -> None:
    """Not one webhook arrives, and the catch-up alone keeps the mirror right."""
    shop.subscribe(alice, monthly)
    catch_up(account=shop.account, at=clock.now)
    sync.drain(at=clock.now)
    clock.advance(days=31)
    stripe.deliver(DROP_ALL)
    catch_up(account=shop.account, at=clock.now)
    sync.drain(at=clock.now)
    item = Subscription.objects.for_project(shop.project).get().items.get()
    assert item.period_start < clock.now < item.period_end


def many_events(stripe: SandboxStripe, count: int) -> None:
    """Events that nobody delivered."""
    for number in range(count):
        stripe.v1.products.create({"name": f"{number}"})
    stripe.deliver(DROP_ALL)


def test_each_page_is_committed_on_its_own(stripe: SandboxStripe, shop: Shop) -> None:
    """Stripe stops answering behind the first page: the next run does not begin anew."""
    many_events(stripe, 250)
    stripe.fail("timeout_before", path="/v1/events", skip=1, times=3)
    catch_up_everywhere(at=timezone.now())
    shop.account.refresh_from_db()
    assert SyncObject.objects.filter(kind="product").count() == 100
    assert not shop.account.events_seen_until
    end_pauses()
    assert catch_up(account=shop.account, at=timezone.now()) == 150
    assert SyncObject.objects.filter(kind="product", requested=1).count() == 250
    finished = StripeAccount.objects.get(pk=shop.account.pk)
    assert finished.events_seen_until is not None
    assert finished.events_page_end == ""


def test_accounts_take_turns_and_resume_after_the_time_limit(
    stripe: SandboxStripe, shop: Shop
) -> None:
    """One account with a thousand events in front of one with a single one."""
    many_events(stripe, 1001)
    accounts.open_account(
        stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key="sk_test_own"
    )
    own = StripeAccount(
        project=ProjectFactory.create(), name="o", livemode=False, stripe_id="acct_1OwnOwnOwnOwnOwn"
    )
    own.secret_key = crypto.encrypt("sk_test_own", context=own.key_context)
    own.save()
    stripe.client("sk_test_own").v1.products.create({"name": "Own"})
    seconds = iter(range(0, 1000, 16))
    catch_up_everywhere(at=timezone.now(), clock=lambda: next(seconds))
    read = dict.fromkeys([shop.account.pk, own.pk], 0)
    for account_id in SyncObject.objects.values_list("account_id", flat=True):
        read[account_id] += 1
    assert read == {shop.account.pk: 500, own.pk: 0}, "the time was up"
    seconds = iter(range(0, 1000, 16))
    catch_up_everywhere(at=timezone.now(), clock=lambda: next(seconds))
    assert SyncObject.objects.filter(account=own).count() == 1, "it has waited longest"
    for _ in range(2):
        catch_up_everywhere(at=timezone.now())
    assert SyncObject.objects.filter(account=shop.account).count() == 1001
    shop.account.refresh_from_db()
    assert shop.account.events_page_end == ""


def test_an_account_without_the_permission_backs_off(stripe: SandboxStripe, shop: Shop) -> None:
    stripe.fail("no_permission", path="/v1/events", times=1_000)
    for _ in range(3):
        catch_up_everywhere(at=timezone.now())
    (fault,) = stripe.world.faults.describe()
    assert fault["times"] == 999
    row = BackOff.objects.get()
    assert (row.owner, row.subject) == (shop.account.pk, "event.read")


def test_a_cursor_that_stripe_has_forgotten_is_dropped(stripe: SandboxStripe, shop: Shop) -> None:
    many_events(stripe, 3)
    StripeAccount.objects.filter(pk=shop.account.pk).update(events_page_end="evt_forgotten")
    shop.account.refresh_from_db()
    assert catch_up(account=shop.account, at=timezone.now()) == 3


def test_an_account_has_one_reader_at_a_time(stripe: SandboxStripe, shop: Shop) -> None:
    """Another worker is between two of its pages; ninety seconds later it is taken for dead."""
    many_events(stripe, 3)
    now = timezone.now()
    begun = now - timedelta(seconds=10)
    StripeAccount.objects.filter(pk=shop.account.pk).update(
        events_read_at=begun, events_page_end="evt_forgotten"
    )

    assert catch_up_everywhere(at=now) == 0
    assert catch_up_everywhere(at=begun + timedelta(seconds=91)) == 3


def test_events_of_connected_accounts_are_never_read_as_the_platforms(
    stripe: SandboxStripe, shop: Shop, alice: StripeCustomer
) -> None:
    """Their objects have ids of another account: the platform's key would find nothing there."""
    stripe.deliver(DROP_ALL)
    with stripe.world.transaction() as tx:
        for event in tx.list_objects("event"):
            event["account"] = "acct_1Connected00000"
    assert catch_up(account=shop.account, at=timezone.now()) == 0
    assert not SyncObject.objects.exists()
