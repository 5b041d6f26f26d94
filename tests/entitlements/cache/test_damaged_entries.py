"""Altered, foreign and invalid entries of the cache are misses."""

import pytest
import redis
from django.conf import settings

from common.redis import breaker, client
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import codec
from entitlements.cache import service as cache
from entitlements.cache.local import local_cache
from entitlements.resolution.decision import Metering, Question
from tests.entitlements.cache.cache_entries import ADA, OURS, decision, find, keep, key
from tests.factories.entitlements import NOW
from usage.periods import Period, Unit


@pytest.fixture(autouse=True)
def empty_redis(own_redis):
    """Every test of this file has a server of its own."""
    return own_redis


def stored():
    return opened_raw().hget(key(), "sso")


def opened_raw():
    """Redis as it is: bytes."""
    return redis.Redis.from_url(settings.REDIS_URL, protocol=2)


def test_entry_of_which_any_byte_was_changed_is_not_shown():
    keep()
    original = stored()
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= 1
        opened_raw().hset(key(), "sso", bytes(changed))
        assert find() is None, position
    opened_raw().hset(key(), "sso", original)
    assert find() is not None
    assert not breaker.is_open


@pytest.mark.parametrize("cut", [1, 15, 16, 17, -1])
def test_part_of_an_entry_is_not_shown(cut):
    keep()
    opened_raw().hset(key(), "sso", stored()[:cut])
    assert find() is None


def test_entry_of_another_feature_customer_secret_or_program_is_not_shown(settings, monkeypatch):
    keep()
    original = stored()
    opened_raw().hset(key(), "seats", original)
    opened_raw().hset(key(user_id="bob"), "sso", original)
    assert find(Question("ada", "seats")) is None
    assert find(Question("bob", "sso")) is None
    assert find() is not None
    settings.SECRET_KEY = "another"
    assert find() is None
    settings.SECRET_KEY = "tests-only-" + "x" * 40
    monkeypatch.setattr(codec, "SCHEMA", b"entitlements/9")
    codec._secret.cache_clear()
    assert find() is None
    codec._secret.cache_clear()


def test_answer_of_other_rules_is_not_shown():
    keep(rules=3)
    cache.invalidate_rules(OURS, version=4)
    assert find() is None
    keep(rules=3)  # by a reader that began before the change
    assert find() is None
    keep(rules=4)
    assert find() is not None
    client().delete(cache.rules_key(OURS))
    assert find() is None, "nobody knows under which rules it was made"
    for rubbish in ("x", "-1", "9" * 30, ""):
        client().hset(cache.rules_key(OURS), "version", rubbish)
        assert find() is None
    keep(rules=4)
    assert find() is not None


RUBBISH = [
    b"",
    b"x",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'"x"',
    b"7",
    b"{}",
    b'{"body": 1}',
    b"[" * 9999,
]


@pytest.mark.parametrize("rubbish", RUBBISH, ids=lambda rubbish: repr(rubbish[:8]))
def test_invalid_bytes_in_a_field_are_a_miss_and_are_replaced(rubbish):
    keep()
    client().hset(key(), "sso", rubbish)
    assert find() is None
    keep()
    assert find() is not None
    assert not breaker.is_open


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: client().set(key(), "x"),
        lambda: client().set(key(), b"\xff", ex=900),
        lambda: client().rpush(key(), "x"),
        lambda: client().hset(key(), "sso", "x"),
        lambda: client().hset(key(), "version", "99"),
        lambda: client().hset(key(), mapping={"version": "nan"}) and client().expire(key(), 900),
        lambda: client().hset(key(), mapping={"version": "x"}) and client().expire(key(), 900),
    ],
)
def test_a_key_of_another_type_is_a_miss_and_is_replaced(spoil):
    spoil()
    assert find() is None
    keep()
    assert find() is not None
    assert client().pttl(key()) > 0
    assert not breaker.is_open


def test_invalid_text_in_one_entry_does_not_disturb_the_next_call():
    keep()
    client().hset(key(user_id="bob"), "sso", b"\xff")
    questions = [Question("bob", "sso"), ADA]
    local_cache.drop_all()
    answers = cache.find(project_id=OURS, questions=questions, at=NOW)
    assert set(answers.ready) == {ADA}


def test_neighbours_entry_under_our_key_is_not_shown():
    keep(project_id="prj_other")
    keep(Question("bob", "sso"))  # so that the version of our rules is known
    client().copy(key(project_id="prj_other"), key())
    assert find(project_id="prj_other") is not None
    assert find() is None


def test_figures_of_an_older_answer_do_not_complete_a_newer_one():
    """Such as those that a slow reader keeps after the customer's plan has changed."""

    def keep_counted(version):
        resolved = decision(version=version, metering=Metering("mtr_1", Period(Unit.MONTH)))
        answers = {ADA: StaticDecision("cus_ada", resolved)}
        begun = local_cache.begin_read()
        return cache.keep(project_id=OURS, static_decisions=answers, rules=0, at=NOW, begun=begun)[
            ADA
        ]

    older = keep_counted(version=1)
    whole = {ADA: (older, decision(version=1, used=5))}
    cache.keep_completed(project_id=OURS, decisions=whole, at=NOW)
    assert find() is None, "nobody knew yet that it is counted"
    assert find()["used"] == 5

    keep_counted(version=2)
    assert find() is None
