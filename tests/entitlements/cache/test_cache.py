"""The cache returns current answers and rejects old, damaged and foreign ones."""

import json
import os
import signal
import time
from contextlib import suppress
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from common.redis import breaker, client
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import codec
from entitlements.cache import service as cache
from entitlements.cache.local import local_cache
from entitlements.decisions import checks
from entitlements.resolution.decision import Decision, Metering, Question
from entitlements.resolution.facts import Reason
from projects.models import Customer
from tests.factories.entitlements import NOW, FeatureFactory, claim, state
from usage.periods import Period, Unit

TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
TTL = 30 * SECOND
OURS = "prj_ours"
ADA = Question("ada", "sso")


@pytest.fixture(autouse=True)
def empty_redis(own_redis):
    """Every test of this file has a server of its own."""
    return own_redis


def decision(version=1, feature="sso", **kwargs):
    return Decision(
        feature=feature,
        allowed=True,
        reason=Reason.ENTITLED,
        value=True,
        version=version,
        **kwargs,
    )


def keep(question=ADA, project_id=OURS, at=NOW, rules=0, **kwargs):
    made = StaticDecision(None, decision(feature=question.feature, **kwargs))
    cache.keep(
        project_id=project_id,
        static_decisions={question: made},
        rules=rules,
        at=at,
        begun=local_cache.begin_read(),
    )


def find(question=ADA, project_id=OURS, at=NOW):
    """What another process finds, which has no copies of its own yet."""
    local_cache.drop_all()
    found = cache.find(project_id=project_id, questions=[question], at=at).ready.get(question)
    return found and json.loads(found)


def key(project_id=OURS, user_id="ada"):
    return cache.key(project_id=project_id, user_id=user_id)


def ada(project_id=OURS):
    return Customer(id="cus_ada", project_id=project_id, user_id="ada")


def test_a_stored_answer_is_found():
    keep()
    assert find() == {
        "feature": "sso",
        "allowed": True,
        "reason": "entitled",
        "value": True,
        "limit": None,
        "used": None,
        "remaining": None,
        "resets_at": None,
        "valid_until": None,
        "version": 1,
        "sources": [],
    }


def test_many_answers_are_found_in_one_call():
    keep()
    keep(Question("bob", "sso"))
    keep(Question("bob", "seats"))
    asked = [ADA, Question("bob", "seats"), Question("bob", "other"), Question("eve", "sso"), ADA]
    found = cache.find(project_id=OURS, questions=asked, at=NOW).ready
    assert set(found) == {ADA, Question("bob", "seats")}


@pytest.mark.parametrize(
    ("age", "is_found"), [(-TICK, False), (0 * TICK, True), (TTL - TICK, True), (TTL, False)]
)
def test_an_answer_is_valid_for_thirty_seconds(age, is_found):
    keep()
    assert (find(at=NOW + age) is not None) is is_found


@pytest.mark.parametrize(("before_end", "is_found"), [(TICK, True), (0 * TICK, False)])
def test_an_answer_ends_at_the_microsecond_at_which_it_can_change(before_end, is_found):
    end = NOW + 3 * SECOND
    keep(valid_until=end)
    assert (find(at=end - before_end) is not None) is is_found


@pytest.mark.parametrize(
    ("valid_until", "longest"),
    [(None, 30_000), (NOW + 5 * SECOND, 5_000), (NOW + 90 * SECOND, 30_000), (NOW + TICK, 1)],
)
def test_redis_expires_an_answer_by_then(valid_until, longest):
    keep(valid_until=valid_until)
    assert client().pttl(key()) <= longest


def test_older_answers_do_not_replace_newer_ones():
    keep(version=7)
    keep(version=6, question=ADA)
    keep(version=6, question=Question("ada", "seats"))
    assert find()["version"] == 7
    assert find(Question("ada", "seats")) is None


def test_a_newer_answer_drops_older_ones():
    keep(version=6)
    keep(version=7, question=Question("ada", "seats"))
    assert find() is None
    assert find(Question("ada", "seats"))["version"] == 7


def test_many_answers_are_stored_by_a_redis_without_its_scripts():
    asked = [Question(f"user-{number}", "sso") for number in range(250)]
    made = {question: StaticDecision(None, decision(version=2)) for question in asked}
    cache.invalidate(Customer(id="cus_7", project_id=OURS, user_id="user-7"), version=3)
    client().script_flush()
    for _ in range(2):
        cache.keep(
            project_id=OURS,
            static_decisions=made,
            rules=0,
            at=NOW,
            begun=local_cache.begin_read(),
        )
        local_cache.drop_all()
        found = cache.find(project_id=OURS, questions=asked, at=NOW).ready
        assert set(asked) - set(found) == {asked[7]}


def test_a_tombstone_removes_and_rejects_older_answers():
    keep(version=1)
    cache.invalidate(ada(), version=2)
    assert find() is None
    keep(version=1)
    assert find() is None
    keep(version=2)
    assert find()["version"] == 2


def test_a_late_tombstone_of_an_earlier_change_keeps_newer_answers():
    cache.invalidate(ada(), version=3)
    keep(version=3)
    cache.invalidate(ada(), version=2)
    assert find()["version"] == 3
    keep(version=2)
    assert find()["version"] == 3


def test_a_tombstone_outlives_every_older_answer():
    keep(version=1)
    cache.invalidate(ada(), version=2)
    assert client().pttl(key()) > 59_000
    keep(version=2, valid_until=NOW + SECOND)
    assert client().pttl(key()) > 59_000


def test_tombstone_reaches_the_customer_under_both_names():
    by_id = Question("cus_ada", "sso")
    keep()
    keep(by_id)
    cache.invalidate(ada(), version=2)
    assert (find(), find(by_id)) == (None, None)


def test_projects_do_not_see_each_other():
    keep()
    assert find(project_id="prj_other") is None
    cache.invalidate(ada(project_id="prj_other"), version=9)
    assert find() is not None


def test_key_names_the_project_and_hides_the_user():
    name = key(user_id="ada@example.com")
    assert name.startswith(f"p:{OURS}:e:")
    assert "ada" not in name
    with pytest.raises(TypeError):
        cache.key(user_id="ada")  # type: ignore[call-arg]  # that is the point


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
    asked = [Question("bob", "sso"), ADA]
    local_cache.drop_all()
    found = cache.find(project_id=OURS, questions=asked, at=NOW)
    assert set(found.ready) == {ADA}


def test_neighbours_entry_under_our_key_is_not_shown():
    keep(project_id="prj_other")
    keep(Question("bob", "sso"))  # so that the version of our rules is known
    client().copy(key(project_id="prj_other"), key())
    assert find(project_id="prj_other") is not None
    assert find() is None


def test_figures_of_an_older_answer_do_not_complete_a_newer_one():
    """Such as those that a slow reader keeps after the customer's plan has changed."""

    def keep_counted(version):
        made = decision(version=version, metering=Metering("mtr_1", Period(Unit.MONTH)))
        answers = {ADA: StaticDecision("cus_ada", made)}
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


def answer(project, at=NOW):
    """What another process answers, which has no copies of its own yet."""
    local_cache.drop_all()
    return json.loads(checks.answer(project=project, questions=[ADA], at=at)[ADA])


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """Run what is to happen after commit, now."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.mark.django_db
class TestAnswers:
    """The cache, the database and the function together."""

    def test_warm_answer_costs_no_query(self, project, customer, sso):
        state(customer, claim(sso))
        with CaptureQueriesContext(connection) as cold:
            first = answer(project)
        with CaptureQueriesContext(connection) as warm:
            second = answer(project)
        assert first == second
        assert first["allowed"]
        assert (len(cold), len(warm)) == (1, 0)

    def test_unknown_user_is_remembered_until_something_happens(
        self, project, customer, sso, commit
    ):
        customer.user_id = "somebody else"
        customer.save()
        assert answer(project)["version"] == 0
        with CaptureQueriesContext(connection) as warm:
            assert not answer(project)["allowed"]
        assert len(warm) == 0
        customer.user_id = "ada"
        customer.save()
        with commit():
            state(customer, claim(sso))
        assert answer(project)["allowed"]

    def test_unknown_feature_is_known_as_soon_as_it_is_defined(self, project, customer):
        assert answer(project)["reason"] == "unknown_feature"
        FeatureFactory.create(project=project, code="sso")
        assert answer(project)["reason"] == "not_entitled"

    def test_change_is_seen_at_once(self, project, customer, sso, commit):
        assert not answer(project)["allowed"]
        with commit():
            state(customer, claim(sso))
        assert answer(project)["allowed"]
        with commit():
            state(customer)
        assert not answer(project)["allowed"]

    def test_change_that_is_rolled_back_leaves_what_is_kept(self, project, customer, sso, commit):
        with commit():
            state(customer, claim(sso))
        answer(project)
        with commit(), suppress(ZeroDivisionError), transaction.atomic():
            state(customer)
            raise ZeroDivisionError
        with CaptureQueriesContext(connection) as warm:
            assert answer(project)["allowed"]
        assert len(warm) == 0

    def test_frozen_redis_costs_a_quarter_of_a_second_once(
        self, own_redis, project, customer, sso, commit
    ):
        with commit():
            state(customer, claim(sso))
        assert answer(project)["allowed"]
        pid = client().info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.perf_counter()
            assert answer(project)["allowed"]
            assert time.perf_counter() - started < 2
            assert breaker.is_open
            with commit():
                state(customer)
            assert not answer(project)["allowed"]
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_redis_that_missed_a_change_is_believed_for_thirty_seconds_at_most(
        self, project, customer, sso, commit
    ):
        with commit():
            state(customer, claim(sso))
        answer(project)
        breaker.trip()
        with commit():
            state(customer)
        breaker.close()
        assert client().hget(key(project.pk), "version") == "1"
        assert answer(project, at=NOW + TTL - TICK)["allowed"]
        assert not answer(project, at=NOW + TTL)["allowed"]

    def test_dead_redis_disturbs_nobody(self, own_redis, project, customer, sso, commit):
        with commit():
            state(customer, claim(sso))
        own_redis.stop()
        assert answer(project)["allowed"]
        with commit():
            assert state(customer)
        assert not answer(project)["allowed"]

    def test_empty_redis_is_filled_again(self, own_redis, project, customer, sso, commit):
        with commit():
            state(customer, claim(sso))
        answer(project)
        client().flushall()
        assert answer(project)["allowed"]
        with CaptureQueriesContext(connection) as warm:
            assert answer(project)["allowed"]
        assert len(warm) == 0

    def test_cache_database_and_function_agree(self, project, customer, sso, seats, commit):
        for number in range(20):
            with commit():
                state(
                    customer,
                    *([claim(sso)] if number % 3 else []),
                    claim(seats, number, ends_at=NOW + number * SECOND),
                    source=f"sub_{number % 4}",
                )
            for offset in range(0, 24, 5):
                at = NOW + offset * SECOND
                asked = [Question("ada", "sso"), Question(customer.pk, "seats")]
                cold = checks.answer(project=project, questions=asked, at=at)
                warm = checks.answer(project=project, questions=asked, at=at)
                client().flushall()
                assert cold == warm == checks.answer(project=project, questions=asked, at=at)
