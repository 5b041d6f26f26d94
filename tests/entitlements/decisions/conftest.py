"""Fixtures of the tests of decisions."""

from datetime import timedelta

import pytest
from django.utils import timezone

from entitlements.models.feature import FeatureKind
from tests.factories.entitlements import FeatureFactory, draft_fact, state


@pytest.fixture
def theme(project):
    return FeatureFactory.create(
        project=project, code="theme", kind=FeatureKind.CONFIG, merge="priority"
    )


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def entitled(customer, sso, seats, commit):
    """Ada may use sso, and five seats for an hour."""
    now = timezone.now()
    with commit():
        state(
            customer,
            draft_fact(sso, starts_at=now),
            draft_fact(seats, 5, starts_at=now, ends_at=now + timedelta(hours=1)),
            at=now,
        )
    return customer
