"""Records: each once, each counted."""

import pytest

from projects.models import Project
from projects.selectors import customers
from tests.factories.usage import NOW, MeterFactory
from usage.errors import UsageKeyReused
from usage.periods import Period, Unit
from usage.selectors.counting import Ask, Used, used
from usage.services import recording
from usage.services.recording import Entry, Outcome, Status

pytestmark = pytest.mark.django_db


def recorded(project: Project, *entries: Entry) -> list[Outcome]:
    return recording.record(project=project, entries=entries, at=NOW)


def test_a_record_counts_once_whoever_sends_it_again(project: Project) -> None:
    meter = MeterFactory.create(project=project, code="bytes")
    first = Entry("ada", "bytes", 5, NOW, "k1")
    other = first._replace(value=6)

    made, alone, again, clash = recorded(project, first, Entry("ada", "bytes", 7), first, other)
    later = [outcome for _ in range(5) for outcome in recorded(project, first, other)]

    assert [made.status, alone.status, again] == [Status.RECORDED] * 2 + [
        Outcome(Status.DUPLICATE, made.id)
    ]
    assert isinstance(clash.refusal, UsageKeyReused)
    assert later[::2] == [Outcome(Status.DUPLICATE, made.id)] * 5
    assert all(isinstance(each.refusal, UsageKeyReused) for each in later[1::2])
    ada = customers.get(project=project, user_id="ada")
    month = Ask(ada.pk, meter.pk, Period(Unit.MONTH))
    assert used(project_id=project.pk, asks=[month], at=NOW) == {month: Used(12, 0)}
