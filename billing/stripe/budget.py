"""Limits of read requests to Stripe, so that background reads never delay buyers.

Stripe limits the requests of an account, and those of an account to one endpoint (docs.stripe.com,
"Rate limits": 100 a second live, 25 in test mode, 25 for an endpoint). We use at most four fifths
of each: token buckets per account, and per account and kind of object. One third of every bucket is
reserved for interactive callers. In the account that projects share, the requests of one project
get half of each rate at most. A 429 halves the account's rate
(:mod:`billing.stripe.token_buckets`).
"""

import time
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings

from billing.stripe import token_buckets
from billing.stripe.token_buckets import BucketLimit
from common import context

if TYPE_CHECKING:
    from billing.models import StripeAccount

RESERVED = 1 / 3
"""Share of the bucket that only interactive callers may use."""
SHARE = 1 / 2
"""Part of a shared account's rate that one project's requests may use."""
BURST = 0.5
"""Size of the bucket, in seconds of the rate."""


class Lane(Enum):
    """Whether a person or a background task waits for the answer."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


def take(account: "StripeAccount", lane: Lane, *, kind: str = "") -> float:
    """0.0 if one request may be sent now, otherwise the seconds until one may be sent. ``kind`` is
    the kind of object that is read, if it is one that we mirror."""
    return token_buckets.take(partial(_limits, account, lane, kind))


def wait(
    account: "StripeAccount",
    lane: Lane,
    *,
    patience: float,
    kind: str = "",
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Wait up to ``patience`` seconds for permission to send one request; False if it did not
    come."""
    deadline = time.monotonic() + patience
    while (pause := take(account, lane, kind=kind)) > 0:
        if time.monotonic() + pause > deadline:
            return False
        sleep(pause)
    return True


def shares_left(accounts: Iterable["StripeAccount"]) -> dict[str, float]:
    """What is left of the budget of each account that was read lately, from 0 to 1, by its id.
    Empty while Redis is away."""
    limits = {account.pk: _whole(_key(account), rate(account)) for account in accounts}
    shares = token_buckets.shares_left(list(limits.values()))
    return {pk: shares[limit.key] for pk, limit in limits.items() if limit.key in shares}


def slow_down(account: "StripeAccount") -> None:
    """Ask Stripe half as often for a while, after it has answered 429."""
    token_buckets.slow_down(_key(account))


def rate(account: "StripeAccount") -> float:
    """Reads per second of the account that the budget allows."""
    live, test = settings.BILLING.stripe_reads, settings.BILLING.stripe_test_reads
    return float(live if account.livemode else test)


def rate_of_kind(account: "StripeAccount") -> float:
    """Reads per second of one kind of object that the budget allows."""
    return min(float(settings.BILLING.stripe_endpoint_reads), rate(account))


def _limits(account: "StripeAccount", lane: Lane, kind: str, part: float) -> list[BucketLimit]:
    """The limits of the account and of the kind; in the shared account also those of the project
    whose request it is. The smallest bucket of an account still holds one token for each lane."""
    buckets = [(_key(account), rate(account) * part)]
    if kind:
        buckets.append((f"{_key(account)}:{kind}", rate_of_kind(account) * part))
    limits = [_whole(key, rate) for key, rate in buckets]
    project_id = context.tenant_id.get()
    if project_id and account.project_id is None:
        limits += [_of_project(key, rate, project_id) for key, rate in buckets]
    return [_with_floor(limit, lane) for limit in limits]


def _whole(key: str, rate: float) -> BucketLimit:
    return BucketLimit(key, rate, size=max(rate * BURST, 2.0), floor=0.0)


def _with_floor(limit: BucketLimit, lane: Lane) -> BucketLimit:
    if lane is Lane.INTERACTIVE:
        return limit
    reserve = max(limit.size * RESERVED, 1.0)
    return limit._replace(floor=min(reserve, limit.size - 1))  # a bucket of one has no reserve


def _of_project(key: str, rate: float, project_id: str) -> BucketLimit:
    size = max(_whole(key, rate).size * SHARE, 1.0)
    return BucketLimit(f"{key}:{project_id}", rate * SHARE, size, floor=0.0)


def _key(account: "StripeAccount") -> str:
    """The keys of one account are in one slot of a Redis Cluster, as a script's keys must be."""
    return f"stripe:budget:{{{account.pk}}}"
