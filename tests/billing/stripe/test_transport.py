"""A hanging Stripe holds a limited number of threads for a limited time."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import stripe

from billing.stripe.errors import StripeUnavailable, translate
from billing.stripe.transport import (
    LAST_TRY,
    SLOW,
    ConcurrencyLimit,
    ConcurrencyLimitReached,
    Transport,
)
from common import context
from tests.waiting import PATIENCE, SilentServer, wait_until


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def be_refused(transport: Transport, server: SilentServer) -> None:
    """Make one call through the SDK, as every call is made, and be told to come back later."""
    client = stripe.StripeClient(
        "sk_test_x",
        base_addresses={"api": f"http://127.0.0.1:{server.port}"},
        max_network_retries=2,
        http_client=transport,
    )
    with pytest.raises(StripeUnavailable) as refused, translate():
        client.v1.products.retrieve("prod_1")
    assert refused.value.retry_after


def test_further_calls_are_refused_while_stripe_hangs(silent_server: SilentServer) -> None:
    """Nobody is let in to wait beside those that wait, which do so until the server is closed."""
    transport = Transport(timeout=(1.0, 10 * PATIENCE), max_concurrent=3)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(be_refused, transport, silent_server) for _ in range(3)]
        wait_until(lambda: silent_server.connections == 3)
        time.sleep(SLOW + 0.2)
        for _ in range(5):
            be_refused(transport, silent_server)
        assert silent_server.connections == 3
        assert not any(each.done() for each in waiting)
        silent_server.close()
        for each in waiting:
            each.result()


def test_a_call_waits_for_a_free_slot_while_stripe_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.stripe.transport.PATIENCE", 10 * PATIENCE)
    limit = ConcurrencyLimit(1)
    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        held.enter_context(limit.slot())
        waiting = pool.submit(_pass_through, limit)
        time.sleep(0.1)
        held.close()
        waiting.result(timeout=PATIENCE)


def test_no_call_waits_longer_than_its_limit() -> None:
    limit = ConcurrencyLimit(1)
    with limit.slot(), pytest.raises(ConcurrencyLimitReached):
        _pass_through(limit)


def test_no_call_waits_for_the_slot_of_a_slow_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.stripe.transport.PATIENCE", 10 * PATIENCE)
    clock = Hands()
    limit = ConcurrencyLimit(1, clock=clock)
    with limit.slot():
        clock.now += SLOW + 0.1
        with pytest.raises(ConcurrencyLimitReached):
            _pass_through(limit)
    _pass_through(limit)


def test_a_failed_call_frees_its_slot() -> None:
    limit = ConcurrencyLimit(1)
    for _ in range(3):
        with pytest.raises(RuntimeError), limit.slot():
            raise RuntimeError
    _pass_through(limit)


def test_a_slow_call_is_not_retried(silent_server: SilentServer) -> None:
    """Three tries of ten seconds each would outlive the patience of whoever asked us."""
    be_refused(Transport(timeout=(1.0, LAST_TRY + 0.2), max_concurrent=1), silent_server)
    assert silent_server.connections == 1


def _pass_through(limit: ConcurrencyLimit) -> None:
    with limit.slot():
        pass


def test_no_request_waits_longer_than_its_caller(silent_server: SilentServer) -> None:
    transport = Transport(timeout=(600, 600), max_concurrent=1)
    with context.due_by(time.monotonic() + 0.3):
        be_refused(transport, silent_server)
    assert silent_server.connections == 1


def test_nothing_is_sent_for_a_caller_who_has_gone(silent_server: SilentServer) -> None:
    transport = Transport(timeout=(600, 600), max_concurrent=1)
    with context.due_by(0.0):
        be_refused(transport, silent_server)
    assert silent_server.connections == 0
    assert context.seconds_left() is None
