"""Copies in a process: what nobody can use any more is let go, and a drop reaches every copy."""

import sys
from datetime import UTC, datetime, timedelta

import pytest

from entitlements.cache.codec import CacheEntry
from entitlements.cache.local import MAX_AGE_SECONDS, MAX_STORED, LocalCache

AT = datetime(2026, 11, 25, tzinfo=UTC)


def entry(version: int) -> CacheEntry:
    return CacheEntry(version, 1, AT, AT + timedelta(hours=1), is_whole=True, body=b"{}")


class Cache:
    """With a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.local = LocalCache(is_listening=lambda: True, clock=lambda: self.now)

    def keep(self, key: str, kept: CacheEntry) -> None:
        self.local.keep(key, "sso", kept, begun=self.local.begin_read())


@pytest.fixture
def cache() -> Cache:
    return Cache()


def test_a_copy_is_found_as_long_as_it_may_be_used(cache: Cache) -> None:
    """Also when it is of the generation before."""
    cache.now = 0.9 * MAX_AGE_SECONDS
    kept = entry(1)
    cache.keep("ada", kept)
    cache.now = 1.5 * MAX_AGE_SECONDS
    cache.keep("bob", entry(1))
    assert cache.local.find("ada", "sso") is kept
    cache.now = 1.95 * MAX_AGE_SECONDS
    assert cache.local.find("ada", "sso") is None


def test_a_newer_copy_comes_before_an_older_one(cache: Cache) -> None:
    cache.now = 0.9 * MAX_AGE_SECONDS
    cache.keep("ada", entry(1))
    cache.now = 1.5 * MAX_AGE_SECONDS
    newer = entry(2)
    cache.keep("ada", newer)
    assert cache.local.find("ada", "sso") is newer


def test_copies_that_are_too_old_leave_the_memory(cache: Cache) -> None:
    kept = entry(1)
    alone = sys.getrefcount(kept)
    cache.keep("ada", kept)
    for number in (1, 2):
        assert sys.getrefcount(kept) == alone + 1
        cache.now = number * MAX_AGE_SECONDS
        cache.keep("bob", entry(1))
    assert sys.getrefcount(kept) == alone


def test_a_full_generation_ends(cache: Cache) -> None:
    for number in range(2 * MAX_STORED + 1):
        cache.keep(f"user-{number}", entry(1))
    held = [n for n in range(2 * MAX_STORED + 1) if cache.local.find(f"user-{n}", "sso")]
    assert held == list(range(MAX_STORED, 2 * MAX_STORED + 1))


@pytest.mark.parametrize("drop", ["one", "all"])
def test_a_drop_reaches_both_generations(cache: Cache, drop: str) -> None:
    cache.now = 0.9 * MAX_AGE_SECONDS
    cache.keep("ada", entry(1))
    cache.now = MAX_AGE_SECONDS
    cache.keep("ada", entry(2))
    if drop == "one":
        cache.local.drop("ada")
    else:
        cache.local.drop_all()
    assert cache.local.find("ada", "sso") is None
