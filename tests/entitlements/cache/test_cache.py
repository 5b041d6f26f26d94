"""The cache returns current answers and rejects old, damaged and foreign ones."""

import pytest

from common.redis import client
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import service as cache
from entitlements.cache.local import local_cache
from entitlements.resolution.decision import Question
from projects.models import Customer
from tests.entitlements.cache.cache_entries import (
    ADA,
    OURS,
    SECOND,
    TICK,
    TTL,
    ada,
    decision,
    find,
    keep,
    key,
)
from tests.factories.entitlements import NOW


@pytest.fixture(autouse=True)
def empty_redis(own_redis):
    """Every test of this file has a server of its own."""
    return own_redis


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
    questions = [
        ADA,
        Question("bob", "seats"),
        Question("bob", "other"),
        Question("eve", "sso"),
        ADA,
    ]
    cached = cache.find(project_id=OURS, questions=questions, at=NOW).ready
    assert set(cached) == {ADA, Question("bob", "seats")}


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
    questions = [Question(f"user-{number}", "sso") for number in range(250)]
    decision_by_question = {
        question: StaticDecision(None, decision(version=2)) for question in questions
    }
    cache.invalidate(Customer(id="cus_7", project_id=OURS, user_id="user-7"), version=3)
    client().script_flush()
    for _ in range(2):
        cache.keep(
            project_id=OURS,
            static_decisions=decision_by_question,
            rules=0,
            at=NOW,
            begun=local_cache.begin_read(),
        )
        local_cache.drop_all()
        cached = cache.find(project_id=OURS, questions=questions, at=NOW).ready
        assert set(questions) - set(cached) == {questions[7]}


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
