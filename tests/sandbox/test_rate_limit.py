"""The optional rate limit counts each account's requests over any second."""

import pytest
import stripe

from sandbox import accounts
from sandbox.rate_limit import TEST_MODE_PER_SECOND, RateLimit
from tests.sandbox.shop import client_of


def test_a_request_above_the_limit_is_a_429(world):
    now = [100.0]
    world.rate_limit = RateLimit(TEST_MODE_PER_SECOND, clock=lambda: now[0])
    accounts.open_account(world, account_id="acct_other", secret_key="sk_test_another")
    v1 = client_of(world).v1
    for _ in range(TEST_MODE_PER_SECOND):
        v1.customers.list()
    with pytest.raises(stripe.RateLimitError) as refused:
        v1.customers.create({"name": "Ada"})
    assert refused.value.http_status == 429
    assert client_of(world, "sk_test_another").v1.customers.list().data == []
    now[0] += 1
    assert v1.customers.list().data == []


def test_without_a_limit_nothing_is_counted(world):
    v1 = client_of(world).v1
    for _ in range(TEST_MODE_PER_SECOND * 3):
        v1.customers.list()
