"""One SDK client per Stripe account, made on demand; there is no process-wide key.

The API version is pinned here, so a new SDK does not change what we send and read by itself.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import stripe
from django.conf import settings
from stripe import HTTPClient, StripeClient

from billing.stripe import account_pin, budget
from billing.stripe.answer_gate import AnswerGate
from billing.stripe.errors import StripeCredentialsRefused
from billing.stripe.transport import Transport
from common import crypto

if TYPE_CHECKING:
    from billing.models import StripeAccount

RESTRICTED = ("rk_test_", "rk_live_")
"""How restricted keys begin."""
API_VERSION = "2026-10-28.endive"
RETRIES = 0
"""The gate sends again what may pass, so the SDK does not."""
CONNECT_TIMEOUT = 3.0
"""Seconds; the time to wait for an answer is ``settings.BILLING.stripe_timeout``."""

stripe.enable_telemetry = False

_transport: HTTPClient | None = None
_network: Transport | None = None


def client_for(account: "StripeAccount") -> StripeClient:
    """A client that speaks for this account.

    Raises StripeCredentialsRefused without a key, StripeAccountMismatch for a key of another Stripe
    account, and what Stripe says when this process uses the key for the first time.
    """
    secret_key = _secret_key(account)
    client = client_with(secret_key, on_busy=partial(budget.slow_down, account))
    account_pin.check(account, secret_key, client)
    return client


def client_with(secret_key: str, *, on_busy: Callable[[], object] = lambda: None) -> StripeClient:
    """A client for a key that may belong to no stored account yet.

    ``on_busy`` is called whenever Stripe says that there were too many requests.
    """
    base = settings.BILLING.stripe_api_base
    return StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": base, "connect": base, "files": base, "meter_events": base},
        max_network_retries=RETRIES,
        http_client=AnswerGate(
            _transport or _over_the_network(),
            on_busy=on_busy,
            sleep=time.sleep if _transport is None else _at_once,
        ),
    )


def use_transport(transport: HTTPClient | None) -> None:
    """Send every request through this HTTP client instead, and again without a pause; None goes
    back to the network."""
    global _transport
    _transport = transport


def _at_once(seconds: float) -> None:
    """Another HTTP client than the network's has no need of pauses."""


def _over_the_network() -> Transport:
    """The process's own."""
    global _network
    if _network is None:
        _network = Transport(
            timeout=(CONNECT_TIMEOUT, settings.BILLING.stripe_timeout),
            places=settings.BILLING.stripe_concurrency,
        )
    return _network


def _secret_key(account: "StripeAccount") -> str:
    if account.secret_key:
        try:
            return crypto.decrypt(account.secret_key, context=account.key_context)
        except crypto.CannotDecrypt as error:
            raise StripeCredentialsRefused(
                "The stored secret key cannot be read any more: connect the account again."
            ) from error
    key = str(settings.BILLING.stripe_secret_key) if account.is_shared else ""
    if not key or is_live(key) != account.livemode:
        mode = "live" if account.livemode else "test"
        raise StripeCredentialsRefused(f"No secret key is set for the {mode} mode of this account.")
    return key


def secret_key_of(account: "StripeAccount") -> str:
    """The key in the clear: to be looked at here, never to be shown or kept. Raises
    StripeCredentialsRefused without a key."""
    return _secret_key(account)


def is_live(secret_key: str) -> bool:
    """Whether the key moves real money."""
    return secret_key.startswith(("sk_live_", "rk_live_"))


def _after_fork() -> None:
    """The parent's threads are not here: the places that they hold would never be given back."""
    global _network
    _network = None


os.register_at_fork(after_in_child=_after_fork)
