"""Errors of the SDK become domain errors by what the caller should do."""

from collections.abc import Callable
from typing import Any

import pytest
from stripe import StripeClient  # the boundary is what is tested

from billing.stripe import payments, products, writes
from billing.stripe.client import API_VERSION, client_with
from billing.stripe.errors import (
    CardDeclined,
    IdempotencyMismatch,
    StripeBusy,
    StripeCredentialsRefused,
    StripeFailed,
    StripeObjectMissing,
    StripeRefused,
    StripeUnavailable,
    translate,
)
from billing.stripe.snapshots import PaymentSnapshot
from common.errors import DomainError
from sandbox.world import DEFAULT_SECRET_KEY
from tests.billing_fixtures import SandboxStripe


@pytest.fixture
def client(stripe: SandboxStripe) -> StripeClient:
    return client_with(DEFAULT_SECRET_KEY)


def make(client: StripeClient, name: str = "Pro", key: str = "k") -> object:
    return writes.send(
        client, "product.create", target="", params={"name": name}, idempotency_key=key
    )


def error_of(call: Callable[[], object]) -> DomainError:
    with pytest.raises(DomainError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("rate_limit", StripeBusy),
        ("lock_timeout", StripeUnavailable),
        ("key_in_use", StripeUnavailable),
        ("timeout_before", StripeUnavailable),
        ("timeout_after", StripeUnavailable),
        ("reset_before", StripeUnavailable),
        ("error_before", StripeFailed),
        ("error_after", StripeFailed),
    ],
)
def test_temporary_errors_are_stripe_unavailable(
    stripe: SandboxStripe, client: StripeClient, fault: str, expected: type[DomainError]
) -> None:
    stripe.fail(fault, times=10)
    error = error_of(lambda: make(client))
    assert type(error) is expected
    assert (error.status, error.code) == (503, "stripe-unavailable")
    assert error.retry_after is not None
    assert 2 <= error.retry_after <= 60


def test_an_error_stored_under_the_key_is_distinguished(
    stripe: SandboxStripe, client: StripeClient
) -> None:
    stripe.fail("error_before", times=1)
    first, second = error_of(lambda: make(client)), error_of(lambda: make(client))
    assert isinstance(first, StripeFailed)
    assert isinstance(second, StripeFailed)
    assert second.replayed is True


def test_a_single_failure_is_retried_unnoticed(stripe: SandboxStripe, client: StripeClient) -> None:
    stripe.fail("timeout_after", times=2)
    make(client)
    assert len(list(products.iterate(client))) == 1


def test_a_missing_object_is_stripe_object_missing(client: StripeClient) -> None:
    error = error_of(lambda: products.retrieve(client, "prod_nowhere"))
    assert isinstance(error, StripeObjectMissing)
    assert error.status == 404


def test_other_client_errors_are_stripe_refused(client: StripeClient) -> None:
    error = error_of(lambda: make(client, name=""))
    assert type(error) is StripeRefused
    assert error.status == 409
    assert error.detail.startswith("Stripe says: ")


def test_a_key_with_other_parameters(client: StripeClient) -> None:
    make(client, name="A")
    assert isinstance(error_of(lambda: make(client, name="B")), IdempotencyMismatch)


def test_a_wrong_secret_key_is_reported_to_operators(stripe: SandboxStripe) -> None:
    error = error_of(lambda: make(client_with("sk_test_wrong_0000")))
    assert type(error) is StripeCredentialsRefused
    assert "operator" in error.detail
    assert "sk_test" not in error.detail


def test_a_declined_card_is_card_declined(client: StripeClient) -> None:
    def charge() -> None:
        with translate():
            client.v1.payment_intents.create(
                {
                    "amount": 100,
                    "currency": "usd",
                    "payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds",
                    "confirm": True,
                    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                }
            )

    error = error_of(charge)
    assert isinstance(error, CardDeclined)
    assert (error.status, error.extra["decline_code"]) == (402, "insufficient_funds")
    (failed,) = payments.iterate(client)
    assert isinstance(failed, PaymentSnapshot)
    assert (failed.status, failed.failure_code) == (
        "requires_payment_method",
        "insufficient_funds",
    )
    assert (failed.amount_received, failed.paid_at, failed.refunds) == (0, None, ())


def test_the_api_version_is_pinned(stripe: SandboxStripe, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    send = stripe.transport.request

    def watched(method: str, url: str, headers: dict[str, str], *args: Any, **kw: Any) -> Any:
        seen.append(dict(headers))
        return send(method, url, headers, *args, **kw)

    monkeypatch.setattr(stripe.transport, "request", watched)
    make(client_with(DEFAULT_SECRET_KEY), key="our-key")
    (headers,) = seen
    assert headers["Stripe-Version"] == API_VERSION == "2026-10-28.endive"
    assert headers["Idempotency-Key"] == "our-key"
    assert "X-Stripe-Client-Telemetry" not in headers
