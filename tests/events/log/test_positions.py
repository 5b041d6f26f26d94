"""From a time to a position: whoever asks for what happened since gets all of it."""

import pytest

from common import ids
from events.log import selectors, sequencer
from events.models import PendingEvent
from projects.models import Project
from tests.events.log.recording import places, record_at

pytestmark = pytest.mark.django_db


def recorded(project: Project, *seconds: int) -> list[str]:
    return [record_at(project, second=each) for each in seconds]


def position_before(project: Project, event_id: str) -> int:
    return selectors.position_before(project_id=project.pk, moment=ids.time_of(event_id))


def test_a_time_is_the_position_before_it(project: Project, other_project: Project) -> None:
    event_ids = recorded(project, 1, 2, 3, 4)
    late = record_at(other_project, second=5)
    sequencer.run()
    assert [position_before(project, each) for each in event_ids] == [0, 1, 2, 3]
    assert position_before(project, late) == 4


@pytest.mark.parametrize("disorder", [1, 1000])
def test_what_was_committed_earlier_is_not_missed(
    project: Project, monkeypatch: pytest.MonkeyPatch, disorder: int
) -> None:
    """The second of four events commits last, and the third is behind the first in the log."""
    monkeypatch.setattr(selectors, "DISORDER", disorder)
    event_ids = recorded(project, 1, 2, 3, 4)
    late = PendingEvent.objects.get(event_id=event_ids[1])
    late.delete()
    sequencer.run()
    PendingEvent.objects.bulk_create(
        [
            PendingEvent(
                event_id=late.event_id,
                project_id=late.project_id,
                customer_id=late.customer_id,
                type=late.type,
                version=late.version,
            )
        ]
    )
    sequencer.run()
    first, second, third, fourth = event_ids
    assert [row[0] for row in places(project)] == [first, third, fourth, second]
    assert position_before(project, second) == 1
    assert position_before(project, third) == 1


def test_a_time_whose_first_event_has_no_position_yet(project: Project) -> None:
    recorded(project, 1, 2)
    sequencer.run()
    waiting, behind = recorded(project, 3, 4)
    PendingEvent.objects.filter(event_id=waiting).delete()
    sequencer.run()
    assert position_before(project, waiting) == 2
    assert position_before(project, behind) == 2
