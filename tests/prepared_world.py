"""A world that the tests of a module share: built once, and the same for each of them.

A world is rows and a sandbox of Stripe. A module asks for one with
``pytestmark = pytest.mark.usefixtures("prepared_world")``. Its own fixtures of scope "module" build
on it, through ``prepared_world.tenant`` or with rows. The rows are in a transaction that is rolled
back after the module's last test. Each test works in a savepoint of it, on a copy of the sandbox
and with empty caches: what one test does, no other sees. ``project`` and ``stripe`` are then the
world's, and so is everything that is built on them.

Tests with ``transaction=True`` cannot share a world: they stand in modules of their own.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from django.conf import settings
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from billing import endpoint_cache
from billing.accounts import service as stripe_accounts
from billing.stripe import account_pin
from billing.stripe.client import client_for, use_transport
from common import redis
from entitlements.cache.local import local_cache
from projects.keys import key_cache
from projects.models import Project
from projects.sign_in import jwks
from sandbox.world import DEFAULT_SECRET_KEY, World
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant
from tests.factories.projects import ProjectFactory, key_of
from tests.sandbox_stripe import SandboxStripe
from tests.transactions import rolled_back

ADDRESS = "https://tollgate.example/webhooks/stripe"
_opened: list["PreparedWorld"] = []


@dataclass(frozen=True)
class PreparedWorld:
    """The project Acme and its neighbour Borealis, who sell through the platform's account."""

    stripe: SandboxStripe
    tenant: Tenant
    """Acme's back end, which builds what the tests share."""

    def project(self, slug: str = "acme") -> Project:
        """The project as it was prepared, of which nothing is cached."""
        drop_caches()
        return Project.objects.get(slug=slug)

    @contextmanager
    def copy_of_stripe(self, *, in_present: bool) -> Iterator[SandboxStripe]:
        """The sandbox as it was prepared, for one test: at the time of that or in the present."""
        now = self.stripe.world.clock.now()
        if in_present:
            now = max(now, int(time.time()))
        copy = SandboxStripe(World(frozen_at=now))
        copy.world.store.clear()
        copy.world.store.write(self.stripe.world.store.items())
        drop_caches()
        use_transport(copy.transport)
        yield copy
        use_transport(self.stripe.transport)
        copy.world.close()


@contextmanager
def forgotten(stripe: SandboxStripe) -> Iterator[None]:
    """Whatever happens inside, to rows and at Stripe, is forgotten before the test goes on. Time
    does not move inside."""
    with rolled_back(), stripe.unchanged():
        yield
    drop_caches()


@contextmanager
def shared_rows(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Rows that are written inside are there for every test inside, and gone in the end."""
    with blocker.unblock(), rolled_back():
        yield
    drop_caches()


@contextmanager
def open_world(blocker: DjangoDbBlocker) -> Iterator[PreparedWorld]:
    """A world that is gone in the end."""
    with shared_rows(blocker):
        stripe = SandboxStripe(World(frozen_at=int(time.time())))
        secret = stripe.send_events_to(ADDRESS)
        with override_settings(BILLING=billing_settings(secret)):
            connect(stripe)
            project = ProjectFactory.create(name="Acme", slug="acme")
            ProjectFactory.create(name="Borealis", slug="borealis")
            _opened.append(PreparedWorld(stripe, Tenant(ApiClient(key_of(project)), stripe)))
            yield _opened[-1]
            _opened.pop()
            use_transport(None)
    stripe.world.close()


def opened(request: pytest.FixtureRequest) -> PreparedWorld | None:
    """The world that this test shares with others, if one is open."""
    marker = request.node.get_closest_marker("django_db")
    is_alone = marker is not None and marker.kwargs.get("transaction", False)
    assert not (_opened and is_alone), "A test that commits cannot share a world."
    return _opened[-1] if _opened else None


def billing_settings(webhook_secret: str) -> object:
    """The settings of a service that uses the sandbox."""
    return replace(
        settings.BILLING,
        stripe_secret_key=DEFAULT_SECRET_KEY,
        stripe_webhook_secrets=(webhook_secret,),
    )


def connect(stripe: SandboxStripe) -> None:
    """Speak to this sandbox from now on, as a process does that starts."""
    use_transport(stripe.transport)
    endpoint_cache.cache.drop_all()  # of a test whose rows are gone
    account_pin.forget()  # the key of a test before
    client_for(stripe_accounts.platform_default(livemode=False))


def drop_caches() -> None:
    """Forget copies of rows that were rolled back."""
    redis.client().flushdb()
    local_cache.drop_all()
    key_cache.cache.drop_all()
    endpoint_cache.cache.drop_all()
    jwks.forget_all()
