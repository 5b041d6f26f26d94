"""Fixtures of a stateful Stripe in process that delivers webhooks here, and of a shop that sells.

``stripe`` runs the real SDK against the sandbox and carries its webhooks, really signed, into the
real view. ``drain`` delivers and reads until nothing is due. ``clock`` moves both clocks.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from billing.accounts import service as stripe_accounts
from billing.models import Price, StripeAccount, StripeCustomer, StripeEndpoint
from billing.rollouts import worker as rollouts_worker
from billing.stripe.client import use_transport
from billing.sync import service as sync
from entitlements.models import Feature
from projects.models import Project
from sandbox.world import World
from tests.factories.entitlements import FeatureFactory, LimitFactory
from tests.prepared_world import (
    ADDRESS,
    PreparedWorld,
    billing_settings,
    connect,
    open_world,
    opened,
)
from tests.sandbox_stripe import Clock, SandboxStripe, standing_clock
from tests.shop import Shop

__all__ = ["Clock", "SandboxStripe"]

ROUNDS = 40
"""Of delivering and reading; what is still moving by then never stops."""
ANY_ROLLOUT = "SELECT EXISTS (SELECT FROM billing_rollout)"


@pytest.fixture(scope="module")
def prepared_world(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[PreparedWorld]:
    """What the tests of a module share, if they ask for it."""
    with open_world(django_db_blocker) as world:
        yield world


@pytest.fixture
def stripe(request: pytest.FixtureRequest, db: None, settings: Settings) -> Iterator[SandboxStripe]:
    """The platform's own Stripe account, with its endpoint registered."""
    if world := opened(request):
        with world.copy_of_stripe(in_present="clock" not in request.fixturenames) as copy:
            yield copy
        return
    sandbox = SandboxStripe(World(frozen_at=int(time.time())))
    settings.BILLING = billing_settings(sandbox.send_events_to(ADDRESS))
    connect(sandbox)
    yield sandbox
    use_transport(None)
    sandbox.world.close()


@pytest.fixture
def account(stripe: SandboxStripe) -> StripeAccount:
    """The platform's shared account, which ``stripe`` stands for."""
    return stripe_accounts.platform_default(livemode=False)


@pytest.fixture
def endpoint(stripe: SandboxStripe) -> StripeEndpoint:
    return stripe_accounts.platform_endpoint()


@pytest.fixture
def drain(stripe: SandboxStripe) -> Callable[[], None]:
    """Deliver and read until nothing moves any more."""
    return lambda: process_everything(stripe)


def process_everything(stripe: SandboxStripe) -> None:
    """Deliver and read until nothing moves any more."""
    for _ in range(ROUNDS):
        delivered = stripe.deliver()
        assert all(each.succeeded for each in delivered), delivered
        now = timezone.now()
        if not sync.drain(at=now) and not _roll_out(now) and not delivered:
            return
    raise AssertionError(f"Still moving after {ROUNDS} rounds.")


def _roll_out(at: datetime) -> int:
    """How many batches and moves of rollouts were done. Without a rollout no time is spent on the
    queries that look for one that is due."""
    with connection.cursor() as cursor:
        cursor.execute(ANY_ROLLOUT)
        (is_any,) = cursor.fetchone()
    return rollouts_worker.run_due(at=at) if is_any else 0


@pytest.fixture
def clock(stripe: SandboxStripe) -> Iterator[Clock]:
    """From here on time stands still unless moved."""
    with standing_clock(stripe.world) as clock:
        yield clock


@pytest.fixture
def shop(stripe: SandboxStripe, project: Project, account: StripeAccount) -> Shop:
    """A project's products and buyers in the platform's account."""
    return Shop(stripe, project, account)


@pytest.fixture
def sso(project: Project) -> Feature:
    return FeatureFactory.create(project=project, code="sso")


@pytest.fixture
def seats(project: Project) -> Feature:
    return LimitFactory.create(project=project, code="seats")


@pytest.fixture
def alice(shop: Shop) -> StripeCustomer:
    return shop.buyer("alice")


@pytest.fixture
def monthly(shop: Shop, sso: Feature, seats: Feature) -> Price:
    """29 dollars a month, for single sign-on and five seats."""
    return shop.price(shop.product("Pro", sso, (seats, 5)))


@pytest.fixture
def once(shop: Shop, sso: Feature) -> Price:
    """99 dollars once, for single sign-on."""
    return shop.price(shop.product("Lifetime", sso), amount=9900, interval="")
