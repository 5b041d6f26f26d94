"""A hanging Stripe holds a limited number of threads for a limited time."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import stripe

from billing.stripe.errors import StripeUnavailable, translate
from billing.stripe.transport import (
    LAST_TRY,
    PATIENCE,
    SLOW,
    ConcurrencyLimit,
    ConcurrencyLimitReached,
    Transport,
)

HANG = 1.5
"""Seconds that the silent Stripe of these tests is waited for."""


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def seconds_until_refused(transport: Transport, port: int) -> float:
    """One call through the SDK, as every call is made; how long the refusal took."""
    client = stripe.StripeClient(
        "sk_test_x",
        base_addresses={"api": f"http://127.0.0.1:{port}"},
        max_network_retries=2,
        http_client=transport,
    )
    started = time.monotonic()
    with pytest.raises(StripeUnavailable) as refused, translate():
        client.v1.products.retrieve("prod_1")
    assert refused.value.retry_after
    return time.monotonic() - started


def test_further_calls_are_refused_at_once_while_stripe_hangs(silent_port: int) -> None:
    transport = Transport(timeout=(1.0, HANG), max_concurrent=3)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(seconds_until_refused, transport, silent_port) for _ in range(3)]
        time.sleep(SLOW + 0.2)
        took = [seconds_until_refused(transport, silent_port) for _ in range(5)]
    assert max(took) < HANG / 2
    assert all(each.result() >= HANG for each in waiting)


def test_a_call_waits_for_a_free_slot_while_stripe_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.stripe.transport.PATIENCE", 5.0)
    limit = ConcurrencyLimit(1)
    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        held.enter_context(limit.slot())
        waiting = pool.submit(_pass_through, limit)
        time.sleep(0.1)
        held.close()
        waiting.result(timeout=5)


def test_no_call_waits_longer_than_its_limit() -> None:
    limit = ConcurrencyLimit(1)
    with limit.slot():
        started = time.monotonic()
        with pytest.raises(ConcurrencyLimitReached):
            _pass_through(limit)
        assert PATIENCE <= time.monotonic() - started < PATIENCE + 1


def test_no_call_waits_for_the_slot_of_a_slow_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.stripe.transport.PATIENCE", 5.0)
    clock = Hands()
    limit = ConcurrencyLimit(1, clock=clock)
    with limit.slot():
        clock.now += SLOW + 0.1
        started = time.monotonic()
        with pytest.raises(ConcurrencyLimitReached):
            _pass_through(limit)
        assert time.monotonic() - started < 2
    _pass_through(limit)


def test_a_failed_call_frees_its_slot() -> None:
    limit = ConcurrencyLimit(1)
    for _ in range(3):
        with pytest.raises(RuntimeError), limit.slot():
            raise RuntimeError
    _pass_through(limit)


def test_a_slow_call_is_not_retried(silent_port: int) -> None:
    """Three tries of ten seconds each would outlive the patience of whoever asked us."""
    wait = LAST_TRY + 0.2
    assert (
        wait
        <= seconds_until_refused(Transport(timeout=(1.0, wait), max_concurrent=1), silent_port)
        < 2 * wait
    )


def _pass_through(limit: ConcurrencyLimit) -> None:
    with limit.slot():
        pass
