"""Events that are gathered are inserted once, at the end, and show the end."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events.catalog import EventType
from events.log import gathered_events, outbox
from events.models import OutboxEvent
from projects.models import Project
from tests.events.log.recording import NOW, STATE

pytestmark = pytest.mark.django_db

CREATED, UPDATED = EventType.CUSTOMER_CREATED, EventType.CUSTOMER_UPDATED
LATER = STATE | {"name": "Ada L."}


def values(project: Project, **changes: Any) -> dict[str, Any]:
    return {
        "project_id": project.pk,
        "subject": "cus_1",
        "data": STATE,
        "previous": {"locale": "de"},
        "at": NOW,
        "customer_id": "cus_1",
        "version": 5,
    } | changes


def record_shown(project: Project) -> None:
    """The customer has another name."""
    later = {"data": LATER, "previous": {"name": "Ada"}, "version": 6}
    outbox.record_shown(event_type=UPDATED, **values(project, **later))


def stored(project: Project) -> list[OutboxEvent]:
    return list(OutboxEvent.objects.for_project(project).order_by("id"))


def subjects(project: Project) -> list[str]:
    return [event.subject for event in stored(project)]


def test_events_are_inserted_in_order_by_one_statement(project: Project) -> None:
    with CaptureQueriesContext(connection) as queries, gathered_events.gathered():
        outbox.record_each([CREATED], is_new=True, **values(project))
        with gathered_events.gathered():
            outbox.record(event_type=UPDATED, **values(project, subject="cus_2"))
        outbox.record(event_type=UPDATED, **values(project, subject="cus_3"))
        assert stored(project) == []
    assert len(queries) == 2, "the look inside, and the insert"
    assert subjects(project) == ["cus_1", "cus_2", "cus_3"]


def test_nothing_gathered_costs_nothing() -> None:
    with CaptureQueriesContext(connection) as queries, gathered_events.gathered():
        pass
    assert len(queries) == 0


def test_after_an_error_nothing_is_inserted(project: Project) -> None:
    def fail() -> None:
        with gathered_events.gathered():
            outbox.record(event_type=UPDATED, **values(project))
            raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        fail()
    assert stored(project) == []
    outbox.record(event_type=UPDATED, **values(project))
    assert len(stored(project)) == 1


def test_what_is_shown_later_is_in_the_events_that_are_there(project: Project) -> None:
    with gathered_events.gathered():
        outbox.record(event_type=UPDATED, **values(project))
        record_shown(project)
    [event] = stored(project)
    assert (event.data, event.version) == (LATER, 5)
    assert event.previous == {"locale": "de", "name": "Ada"}


def test_the_oldest_previous_value_counts(project: Project) -> None:
    with gathered_events.gathered():
        outbox.record(event_type=UPDATED, **values(project, previous={"name": "A."}))
        record_shown(project)
    assert [event.previous for event in stored(project)] == [{"name": "A."}]


def test_what_is_new_has_no_previous_values(project: Project) -> None:
    with gathered_events.gathered():
        outbox.record_each([CREATED, UPDATED], is_new=True, **values(project, previous={}))
        record_shown(project)
    assert [event.type for event in stored(project)] == [CREATED.value, UPDATED.value]
    assert [event.previous for event in stored(project)] == [{}, {}]
    assert [event.data for event in stored(project)] == [LATER, LATER]


def test_events_about_something_else_stay_as_they_are(project: Project) -> None:
    """About another subject, or about another side of the same one."""
    permissions = {"user_id": "u1", "customer": "cus_1", "version": 5, "permissions": ["sit"]}
    with gathered_events.gathered():
        outbox.record(event_type=UPDATED, **values(project, subject="cus_2"))
        outbox.record(
            event_type=EventType.USER_PERMISSIONS_CHANGED,
            **values(project, data=permissions, previous={"permissions": []}),
        )
        record_shown(project)
    assert [event.data for event in stored(project)] == [STATE, permissions, LATER]
    assert [event.version for event in stored(project)] == [5, 5, 6]


def test_outside_it_is_an_event_of_its_own(project: Project) -> None:
    outbox.record(event_type=UPDATED, **values(project))
    record_shown(project)
    assert [event.data for event in stored(project)] == [STATE, LATER]
