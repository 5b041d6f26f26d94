"""Scheduled tasks of entitlements exist and do their work."""

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from config.schedule import SCHEDULE
from entitlements import tasks
from entitlements.credits import credit_grants
from events.models import OutboxEvent
from tests.factories.entitlements import draft_fact, grant, state

pytestmark = pytest.mark.django_db


def event_types(project):
    return [event.type for event in OutboxEvent.objects.for_project(project).order_by("pk")]


def test_every_scheduled_task_exists():
    current_app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in SCHEDULE.values()}
    ours = {name for name in current_app.tasks if name.startswith("entitlements.")}
    assert ours == {
        "entitlements.expire_credits",
        "entitlements.expire_grants",
        "entitlements.expire_reservations",
        "entitlements.hold_limits",
        "entitlements.recheck",
        "entitlements.tell_due",
    }
    assert ours <= scheduled


def test_expired_grants_are_recorded(project, customer, sso):
    yesterday = timezone.now() - timedelta(days=1)
    grant(customer, sso, at=yesterday, expires_at=yesterday + timedelta(hours=1))
    tasks.expire_grants()
    tasks.expire_grants()
    assert event_types(project)[-2:] == ["entitlements.changed", "grant.expired"]
    assert event_types(project).count("grant.expired") == 1


def test_expired_credits_are_recorded(project, customer):
    yesterday = timezone.now() - timedelta(days=1)
    credit_grants.give_by_hand(
        project=project,
        user_id="ada",
        amount=5,
        reason="Goodwill.",
        actor="operator:ada",
        expires_at=yesterday + timedelta(hours=1),
        at=yesterday,
    )
    tasks.expire_credits()
    tasks.expire_credits()
    assert event_types(project) == ["credits.granted", "credits.expired", "credits.exhausted"]


def test_changes_by_time_are_recorded(project, customer, sso):
    yesterday = timezone.now() - timedelta(days=1)
    ends_at = yesterday + timedelta(hours=1)
    state(customer, draft_fact(sso, starts_at=yesterday, ends_at=ends_at), at=yesterday)
    tasks.tell_due()
    tasks.tell_due()
    assert event_types(project) == ["entitlements.changed", "entitlements.changed"]


def test_expiry_is_recorded_once_whichever_task_runs_first(project, customer, sso):
    yesterday = timezone.now() - timedelta(days=1)
    grant(customer, sso, at=yesterday, expires_at=yesterday + timedelta(hours=1))
    tasks.tell_due()
    tasks.expire_grants()
    tasks.tell_due()
    assert event_types(project)[2:] == ["entitlements.changed", "grant.expired"]
