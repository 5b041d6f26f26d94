"""Versions of what several sources change in one transaction."""

import pytest
from django.db import transaction

from events.models import OutboxEvent
from projects.customers import selectors as customers
from projects.models import Customer
from tests.factories.entitlements import FeatureFactory, LimitFactory, draft_fact, state

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
