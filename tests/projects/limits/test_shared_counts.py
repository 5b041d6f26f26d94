"""Processes that count for themselves keep to one limit together."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from common import redis
from projects.keys.credentials import PlatformCredential, ProjectCredential, UserCredential
from projects.limits import shared_counts
from projects.limits.callers import BURST_SECONDS, KEY_SHARE, AddressKind, RequestKind
from projects.limits.limiter import IDLE_SECONDS, MAX_QUOTAS, PRUNE_SECONDS, Limiter
from projects.models import Project

pytestmark = pytest.mark.django_db


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _closed_breaker() -> Iterator[None]:
    redis.breaker.close()
    yield
    redis.breaker.close()


def key_of(project: Project, name: str = "key_1") -> ProjectCredential:
    return ProjectCredential(key_id=f"{project.pk}-{name}", project=project, scopes=frozenset())


def take_all(limiter: Limiter, credential: ProjectCredential) -> int:
    quota, count = limiter.quota_of(credential, RequestKind.REQUESTS), 0
    while not limiter.take(quota):
        count += 1
    return count


@pytest.fixture
def limited(project: Project) -> Project:
    project.requests_per_second = 4
    return project


def test_a_key_gets_three_quarters_and_the_project_the_rest(limited: Project) -> None:
    limiter = Limiter(Clock())
    whole = 4 * BURST_SECONDS
    assert take_all(limiter, key_of(limited, "key_1")) == whole * KEY_SHARE
    assert take_all(limiter, key_of(limited, "key_2")) == whole * (1 - KEY_SHARE)
    assert take_all(limiter, key_of(limited, "key_3")) == 0


def test_checks_and_requests_count_separately(limited: Project) -> None:
    limiter = Limiter(Clock())
    assert take_all(limiter, key_of(limited)) > 0
    assert limiter.count_check(key_of(limited)) is not None


def test_after_an_exchange_every_process_knows_what_the_others_let_through(
    limited: Project,
) -> None:
    clock = Clock()
    limiters = [Limiter(clock) for _ in range(3)]
    assert [take_all(limiter, key_of(limited)) for limiter in limiters] == [15, 15, 15]
    for limiter in limiters:
        shared_counts.exchange(limiter)
    quotas = [limiter.quota_of(key_of(limited), RequestKind.REQUESTS) for limiter in limiters]
    waits = [limiter.wait(quota) for limiter, quota in zip(limiters, quotas, strict=True)]
    rate, debt = 4 * KEY_SHARE, 15
    assert waits == pytest.approx([1 / rate, (1 + debt) / rate, (1 + debt) / rate], abs=0.5)


def test_two_processes_use_one_limit_over_time(limited: Project) -> None:
    """A process that is told of the other's requests takes only what is left."""
    clock = Clock()
    first, second = Limiter(clock), Limiter(clock)
    assert take_all(first, key_of(limited)) == 15
    shared_counts.exchange(first)
    quota = second.quota_of(key_of(limited), RequestKind.REQUESTS)
    assert second.take(quota) == 0.0
    shared_counts.exchange(second)
    assert second.take(quota) > 0.0


def test_without_redis_each_process_counts_alone(limited: Project, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    limiter = Limiter(Clock())
    assert take_all(limiter, key_of(limited)) == 15
    shared_counts.exchange(limiter)
    assert take_all(limiter, key_of(limited)) == 0


def test_an_operator_changes_a_limit(limited: Project, settings: Settings) -> None:
    """It holds as soon as the key is read again."""
    limiter = Limiter(Clock())
    assert take_all(limiter, key_of(limited)) == 15
    wider = Project(id=limited.pk, requests_per_second=400)
    assert take_all(limiter, key_of(wider)) == 1500


def test_idle_callers_are_forgotten(limited: Project) -> None:
    clock = Clock()
    limiter = Limiter(clock)
    quota = limiter.quota_of(key_of(limited), RequestKind.REQUESTS)
    limiter.take(quota)
    clock.now += IDLE_SECONDS + PRUNE_SECONDS
    limiter.collect(10)
    assert limiter.quota_of(key_of(limited), RequestKind.REQUESTS) is not quota


def test_many_addresses_neither_grow_without_bound_nor_refill_anybodys_buckets(
    limited: Project,
) -> None:
    """A project that has used its limit up stays refused, and so does an address that guesses."""
    limiter = Limiter(Clock())
    assert take_all(limiter, key_of(limited)) == 15
    refused = limiter.quota_of_address("192.0.2.1", AddressKind.ANONYMOUS)
    while not limiter.take(refused):
        pass
    for number in range(2 * MAX_QUOTAS):
        limiter.quota_of_address(str(number), AddressKind.ANONYMOUS)
    assert limiter.quota_count <= MAX_QUOTAS + 1
    assert take_all(limiter, key_of(limited)) == 0
    assert limiter.take(limiter.quota_of_address("192.0.2.1", AddressKind.ANONYMOUS)) > 0.0


def test_callers_of_one_kind_are_forgotten_if_most_have_used_their_limits() -> None:
    limiter = Limiter(Clock())
    for number in range(MAX_QUOTAS + 1):
        limiter.take(limiter.quota_of_address(str(number), AddressKind.FAILURES))
    assert limiter.quota_count == 1


def test_looking_at_an_address_stores_nothing() -> None:
    limiter = Limiter(Clock())
    assert limiter.counted_quota_of("192.0.2.1", AddressKind.FAILURES) is None
    assert limiter.quota_count == 0


def test_users_and_platform_keys_have_limits(limited: Project) -> None:
    limiter = Limiter(Clock())
    user = UserCredential(project=limited, user_id="ada")
    assert limiter.quota_of(user, RequestKind.REQUESTS).policy == (
        '"user";q=20;w=5, "project";q=20;w=5'
    )
    platform = PlatformCredential(key_id="key_platform")
    assert limiter.quota_of(platform, RequestKind.REQUESTS).policy == '"key";q=250;w=5'
