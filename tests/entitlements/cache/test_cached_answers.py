"""Decisions are answered from the cache until a change invalidates them."""

import json
import os
import signal
from contextlib import suppress

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from common.redis import breaker, client
from entitlements.cache.local import local_cache
from entitlements.decisions import checks
from entitlements.features import service as features
from entitlements.features.service import FeatureRequest
from entitlements.models.feature import FeatureKind
from entitlements.resolution.decision import Question
from tests.entitlements.cache.cache_entries import ADA, SECOND, TICK, TTL, key
from tests.factories.entitlements import NOW, draft_fact, state


@pytest.fixture(autouse=True)
def empty_redis(own_redis):
    """Every test of this file has a server of its own."""
    return own_redis


def answer(project, at=NOW):
    """What another process answers, which has no copies of its own yet."""
    local_cache.drop_all()
    return json.loads(checks.decision_bodies(project=project, questions=[ADA], at=at)[ADA])


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """Run what is to happen after commit, now."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.mark.django_db
class TestAnswers:
    """The cache, the database and the function together."""

    def test_warm_answer_costs_no_query(self, project, customer, sso):
        state(customer, draft_fact(sso))
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
            state(customer, draft_fact(sso))
        assert answer(project)["allowed"]

    def test_unknown_feature_is_known_as_soon_as_it_is_defined(self, project, customer, commit):
        """Until then it costs no more than a known one."""
        assert answer(project)["reason"] == "unknown_feature"
        with CaptureQueriesContext(connection) as warm:
            assert answer(project)["reason"] == "unknown_feature"
        assert len(warm) == 0
        with commit():
            features.create(
                project=project,
                request=FeatureRequest(code="sso", name="SSO", kind=FeatureKind.BOOLEAN),
                actor="command",
                at=NOW,
            )
        assert answer(project)["reason"] == "not_entitled"

    def test_names_that_nobody_asks_again_do_not_stay_in_the_process(
        self, project, customer, monkeypatch
    ):
        monkeypatch.setattr("entitlements.cache.local.MAX_STORED", 5)  # in each of two generations
        for number in range(25):
            question = Question(user_id=ADA.user_id, feature=f"name-{number}")
            checks.decision_bodies(project=project, questions=[question], at=NOW)
        held = [
            number
            for number in range(25)
            if local_cache.find(key(project.pk), f"name-{number}") is not None
        ]
        assert held[-1] == 24
        assert len(held) <= 10

    def test_change_is_seen_at_once(self, project, customer, sso, commit):
        assert not answer(project)["allowed"]
        with commit():
            state(customer, draft_fact(sso))
        assert answer(project)["allowed"]
        with commit():
            state(customer)
        assert not answer(project)["allowed"]

    def test_change_that_is_rolled_back_leaves_what_is_kept(self, project, customer, sso, commit):
        with commit():
            state(customer, draft_fact(sso))
        answer(project)
        with commit(), suppress(ZeroDivisionError), transaction.atomic():
            state(customer)
            raise ZeroDivisionError
        with CaptureQueriesContext(connection) as warm:
            assert answer(project)["allowed"]
        assert len(warm) == 0

    def test_a_frozen_redis_opens_the_breaker(self, own_redis, project, customer, sso, commit):
        with commit():
            state(customer, draft_fact(sso))
        assert answer(project)["allowed"]
        pid = client().info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            assert answer(project)["allowed"]
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
            state(customer, draft_fact(sso))
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
            state(customer, draft_fact(sso))
        own_redis.stop()
        assert answer(project)["allowed"]
        with commit():
            assert state(customer)
        assert not answer(project)["allowed"]

    def test_empty_redis_is_filled_again(self, own_redis, project, customer, sso, commit):
        with commit():
            state(customer, draft_fact(sso))
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
                    *([draft_fact(sso)] if number % 3 else []),
                    draft_fact(seats, number, ends_at=NOW + number * SECOND),
                    source=f"sub_{number % 4}",
                )
            for offset in range(0, 24, 5):
                at = NOW + offset * SECOND
                questions = [Question("ada", "sso"), Question(customer.pk, "seats")]
                cold = checks.decision_bodies(project=project, questions=questions, at=at)
                warm = checks.decision_bodies(project=project, questions=questions, at=at)
                client().flushall()
                assert (
                    cold
                    == warm
                    == checks.decision_bodies(project=project, questions=questions, at=at)
                )
