"""One SDK client per Stripe account, created on demand; there is no process-wide key.

The API version is pinned here, so that a new version of the SDK changes nothing that we send or
read.
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
from billing.stripe.errors import StripeCredentialsRefused, StripeNotConfigured
from billing.stripe.transport import Transport
from common import crypto

if TYPE_CHECKING:
    from billing.models import StripeAccount

RESTRICTED = ("rk_test_", "rk_live_")
"""Prefixes of restricted keys."""
API_VERSION = "2026-10-28.endive"
RETRIES = 0
"""The gate retries, so the SDK does not."""
CONNECT_TIMEOUT = 3.0
"""Seconds; the timeout for the answer is ``settings.BILLING.stripe_timeout``."""

stripe.enable_telemetry = False

_transport: HTTPClient | None = None
_network: Transport | None = None


def client_for(account: "StripeAccount") -> StripeClient:
    """A client with this account's key.

    Raises StripeNotConfigured without a key, StripeAccountMismatch for a key of another Stripe
    account, and Stripe's own errors when this process uses the key for the first time.
    """
    secret_key = secret_key_of(account)
    client = client_with(secret_key, on_busy=partial(budget.slow_down, account))
    account_pin.check(account, secret_key, client)
    return client


def client_with(secret_key: str, *, on_busy: Callable[[], object] = lambda: None) -> StripeClient:
    """A client with a key that may not belong to a stored account yet.

    ``on_busy`` is called for each answer "too many requests".
    """
    base = settings.BILLING.stripe_api_base
    return StripeClient(
        secret_key,
        stripe_version=API_VERSION,
        base_addresses={"api": base, "connect": base, "files": base, "meter_events": base},
        max_network_retries=RETRIES,
        http_client=AnswerGate(
            _transport or _network_transport(),
            on_busy=on_busy,
            sleep=time.sleep if _transport is None else _skip_pause,
        ),
    )


def use_transport(transport: HTTPClient | None) -> None:
    """Send every request with this HTTP client, and retry without pauses. None restores the
    network."""
    global _transport
    _transport = transport


def _skip_pause(seconds: float) -> None:
    """Replaces ``time.sleep``: only the network needs pauses between tries."""


def _network_transport() -> Transport:
    """The transport of this process, shared by all accounts."""
    global _network
    if _network is None:
        _network = Transport(
            timeout=(CONNECT_TIMEOUT, settings.BILLING.stripe_timeout),
            max_concurrent=settings.BILLING.stripe_concurrency,
        )
    return _network


def secret_key_of(account: "StripeAccount") -> str:
    """Decrypt the account's secret key. Never show or store it.

    Raises StripeNotConfigured when there is no key, or none for the account's mode, and
    StripeCredentialsRefused when the stored key cannot be decrypted.
    """
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
        raise StripeNotConfigured(
            f"No secret key is set for the {mode} mode of this account. Connect a Stripe account "
            "with POST /projects/{id}/stripe-account, or ask the operators to set the platform's "
            "key. Entitlements, usage, grants and reads work without one."
        )
    return key


def is_live(secret_key: str) -> bool:
    """Whether the key moves real money."""
    return secret_key.startswith(("sk_live_", "rk_live_"))


def _after_fork() -> None:
    """Drop the transport: slots held by threads of the parent process would never be released."""
    global _network
    _network = None


os.register_at_fork(after_in_child=_after_fork)
