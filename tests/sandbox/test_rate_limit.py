"""The optional rate limit counts each account's requests over any second."""

import pytest
import stripe

from sandbox import accounts
from sandbox.rate_limit import ENDPOINT_PER_SECOND, TEST_MODE_PER_SECOND, RateLimit
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


def test_one_endpoint_has_a_limit_of_its_own(world):
    """Objects do not count apart: an endpoint is a path with names in place of ids."""
    world.rate_limit = RateLimit(100, clock=lambda: 100.0)
    v1 = client_of(world).v1
    customers = [v1.customers.create({"name": str(n)}) for n in range(ENDPOINT_PER_SECOND)]
    for customer in customers:
        v1.customers.retrieve(customer.id)
    for refused in (
        lambda: v1.customers.retrieve(customers[0].id),
        lambda: v1.customers.create({"name": "One more"}),
    ):
        with pytest.raises(stripe.RateLimitError):
            refused()
    assert len(v1.customers.list({"limit": 100}).data) == ENDPOINT_PER_SECOND


def test_without_a_limit_nothing_is_counted(world):
    v1 = client_of(world).v1
    for _ in range(TEST_MODE_PER_SECOND * 3):
        v1.customers.list()
