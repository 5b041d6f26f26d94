"""Versions of what several sources change in one transaction."""

import pytest
from django.db import transaction

from entitlements.decisions.selectors import decisions
from entitlements.models import Fact
from entitlements.models.fact import Effect
from events.models import OutboxEvent
from projects.customers import selectors as customers
from projects.models import Customer
from tests.factories.entitlements import NOW, FeatureFactory, LimitFactory, draft_fact, state

pytestmark = pytest.mark.django_db


def test_each_event_about_access_has_a_version_of_its_own(customer: Customer) -> None:
    """Who keeps the newest version must not take the first of two for it."""
    sso = FeatureFactory.create(project=customer.project)
    seats = LimitFactory.create(project=customer.project)
    with transaction.atomic(), customers.one_version():
        state(customer, draft_fact(sso), source="sub_1")
        state(customer, draft_fact(seats, 3), source="sub_2")
    changes = OutboxEvent.objects.for_project(customer.project).filter(type="entitlements.changed")
    assert list(changes.order_by("id").values_list("version", flat=True)) == [1, 2]
    customer.refresh_from_db()
    assert customer.version == 2


def test_facts_of_one_source_replace_each_other_in_one_transaction(customer: Customer) -> None:
    """Also those that change no decision, so that no event tells of them."""
    sso = FeatureFactory.create(project=customer.project)
    state(customer, draft_fact(sso), source="sub_1")
    with transaction.atomic(), customers.one_version():
        state(customer, draft_fact(sso), source="sub_2")
        state(customer, source="sub_2")
        state(customer, source="sub_1")
    allowed = Fact.objects.for_project(customer.project).filter(effect=Effect.ALLOW)
    assert set(allowed.values_list("source_id", "version")) == {("sub_1", 1), ("sub_2", 2)}
    answer = decisions.check(
        project=customer.project, user_id=customer.user_id, feature=sso.code, at=NOW
    )
    assert not answer.allowed
