"""Terms that a process remembers shorten a consumption and never outlive a change."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache.local import local_cache
from entitlements.consumption import consume_terms
from entitlements.consumption import service as consumption
from entitlements.free_tier import service as free_tier
from entitlements.models import Feature
from entitlements.models.feature import FeatureKind
from entitlements.resolution.decision import Question
from projects.customers import selectors as customer_selectors
from projects.customers import service as customers
from projects.models import Customer, Project
from tests.broadcast_sync import receive_broadcasts
from tests.factories.entitlements import FeatureFactory, draft_fact, grant, state
from tests.factories.usage import MeterFactory
from usage.models import Record

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(project: Project) -> Feature:
    """A metered feature whose terms can be remembered: this process hears what changes."""
    receive_broadcasts()
    with TestCase.captureOnCommitCallbacks(execute=True):
        return FeatureFactory.create(
            project=project,
            code="api",
            kind=FeatureKind.METERED,
            meter=MeterFactory.create(project=project, code="calls"),
            period="month",
        )


def allow(customer: Customer, feature: Feature, value: int) -> None:
    """From an hour ago on; nobody hears of it, as when Redis dies with the commit."""
    since = timezone.now() - timedelta(hours=1)
    state(customer, draft_fact(feature, value, starts_at=since), at=since)


def consume(project: Project, amount: int = 1, **more: Any) -> tuple[bool, str, int | None]:
    at = timezone.now()
    outcome = consumption.consume(
        project=project, user_id="ada", feature="api", amount=amount, at=at, **more
    )
    return outcome.consumed > 0, outcome.decision.reason.value, outcome.decision.limit


def remembered_terms(project: Project) -> StaticDecision:
    """Once this process knows the version of the project's rules."""
    question = Question("ada", "api")
    for _ in range(50):
        local_cache.drop_all()
        for _ in range(3):  # read by one, known to the next
            consume(project)
        terms = consume_terms.find(project_id=project.pk, question=question, at=timezone.now())
        if terms is not None:
            return terms
    raise AssertionError("Nothing is remembered.")


def test_remembered_terms_follow_every_change_of_the_customer_at_once(
    project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 1000)
    remembered_terms(project)
    with CaptureQueriesContext(connection) as queries:
        assert consume(project) == (True, "entitled", 1000)
    assert len(queries) == 1

    allow(customer, calls, 2000)
    assert consume(project) == (True, "entitled", 2000)
    before = Record.objects.for_project(project).count()
    grant(customer, calls, effect="deny", at=timezone.now() - timedelta(minutes=1))
    assert consume(project)[:2] == (False, "revoked")
    assert Record.objects.for_project(project).count() == before


def test_a_repeated_use_is_one_under_remembered_terms_too(
    project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 1000)
    remembered_terms(project)
    before = Record.objects.for_project(project).count()
    for _ in range(2):
        assert consume(project, 3, key="job")[0]
    allow(customer, calls, 500)
    assert consume(project, 3, key="job") == (True, "entitled", 500)
    assert Record.objects.for_project(project).count() == before + 1


def test_an_erased_user_is_a_new_customer_at_once(
    project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 1000)
    remembered_terms(project)
    locked = customer_selectors.lock(project_id=project.pk, customer_id=customer.pk)
    customers.erase(customer=locked, at=timezone.now())
    assert consume(project)[:2] == (False, "not_entitled")


def test_changed_rules_end_remembered_terms(
    project: Project, customer: Customer, calls: Feature
) -> None:
    allow(customer, calls, 1000)
    remembered_terms(project)
    with TestCase.captureOnCommitCallbacks(execute=True):
        free_tier.replace(
            project=project, features=[(calls, 5000)], actor="command", at=timezone.now()
        )
    question = Question("ada", "api")
    assert consume_terms.find(project_id=project.pk, question=question, at=timezone.now()) is None


def test_remembered_terms_are_bounded_in_time_and_number(
    project: Project, customer: Customer, calls: Feature, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(customer, calls, 1000)
    answer = remembered_terms(project)
    rules, at = local_cache.rules(project.pk), timezone.now()
    question = Question("ada", "api")
    consume_terms.keep(answer, project_id=project.pk, question=question, rules=rules, at=at)
    moments = [at - timedelta(microseconds=1), at, at + consume_terms.MAX_AGE]
    terms = [
        consume_terms.find(project_id=project.pk, question=question, at=moment)
        for moment in moments
    ]
    assert terms == [None, answer, None]
    monkeypatch.setattr(consume_terms, "MAX_TERMS", 1)
    other = Question("eve", "api")
    consume_terms.keep(answer, project_id=project.pk, question=other, rules=rules, at=at)
    assert consume_terms.find(project_id=project.pk, question=question, at=at) is None
    consume_terms.keep(answer, project_id=project.pk, question=question, rules=None, at=at)
    assert consume_terms.find(project_id=project.pk, question=question, at=at) is None
