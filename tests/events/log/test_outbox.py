"""Outbox events belong to a project, follow the catalog and cannot change."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, transaction

from common.models import UnscopedQuery
from events.catalog import EventType
from events.log import outbox
from events.models import OutboxEvent
from projects.models import Project
from tests.events.log.recording import STATE

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def record_event(project: Project, number: int = 0) -> OutboxEvent:
    return outbox.record(
        project_id=project.pk,
        event_type=EventType.CUSTOMER_UPDATED,
        subject="cus_1",
        customer_id="cus_1",
        version=number,
        data=STATE,
        previous={"name": ""},
        at=NOW,
    )


def test_an_event_carries_the_new_and_the_old_state(project: Project) -> None:
    record_event(project, 7)
    event = OutboxEvent.objects.for_project(project).get()

    assert (event.type, event.subject, event.version) == ("customer.updated", "cus_1", 7)
    assert (event.data, event.previous) == (STATE, {"name": ""})
    assert event.occurred_at == NOW


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_event_is_not_recorded(project: Project) -> None:
    with transaction.atomic():
        record_event(project)
        transaction.set_rollback(True)
    assert not OutboxEvent.objects.for_project(project).exists()


def test_a_type_outside_the_catalog_is_refused(project: Project) -> None:
    with pytest.raises(ValueError, match=r"customer\.vanished"):
        outbox.record(
            project_id=project.pk,
            event_type="customer.vanished",  # type: ignore[arg-type]  # what a caller must not do
            subject="cus_1",
            data={},
            at=NOW,
        )


def test_events_cannot_be_changed_or_deleted(project: Project) -> None:
    record_event(project)
    with pytest.raises(DatabaseError, match="keep_outbox_events"), transaction.atomic():
        OutboxEvent.objects.for_project(project).delete()
    assert OutboxEvent.objects.for_project(project).count() == 1


def test_a_projects_events_are_its_own(project: Project, other_project: Project) -> None:
    record_event(project)

    assert not OutboxEvent.objects.for_project(other_project).exists()
    with pytest.raises(UnscopedQuery):
        OutboxEvent.objects.count()
