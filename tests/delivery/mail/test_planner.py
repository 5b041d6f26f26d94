"""An event makes a message exactly once, for projects that have turned messages on."""

from dataclasses import replace

import pytest
from django.utils import timezone

from delivery.mail import kinds, planner
from delivery.models import Notification, Outlet
from projects.models import Customer, Project
from tests.delivery.mail.notices import NOW, credits_low, turn_on

pytestmark = pytest.mark.django_db


def rows(project: Project) -> list[tuple[str, str, str, str]]:
    return [
        (row.source, row.kind, row.recipient, row.state)
        for row in Notification.objects.for_project(project).order_by("pk")
    ]


def test_nothing_is_planned_until_the_project_turns_it_on(ada: Customer) -> None:
    credits_low(ada)
    planner.run(at=NOW)
    assert rows(ada.project) == []
    turn_on(ada.project)
    assert rows(ada.project) == [], "only what happens from now on"
    event = credits_low(ada)
    planner.run(at=NOW)
    assert rows(ada.project) == [(event, "credits_low", ada.pk, "planned")]


def test_an_event_that_is_read_again_makes_no_second_message(ada: Customer) -> None:
    turn_on(ada.project)
    credits_low(ada)
    planner.run(at=NOW)
    Outlet.objects.filter(pk="mail").update(number=0)
    assert planner.run(at=NOW) == 1
    assert len(rows(ada.project)) == 1


def test_a_kind_that_is_off_is_not_planned(ada: Customer) -> None:
    turn_on(ada.project, kinds=["receipt"])
    credits_low(ada)
    planner.run(at=NOW)
    assert rows(ada.project) == []


def test_another_project_gets_nothing(ada: Customer, other_project: Project) -> None:
    turn_on(other_project)
    credits_low(ada)
    planner.run(at=NOW)
    assert rows(ada.project) == rows(other_project) == []


def test_an_unreadable_event_stops_no_other(ada: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    turn_on(ada.project)
    calls: list[str] = []

    def read(facts: object) -> bool:
        calls.append("read")
        if len(calls) == 1:
            raise KeyError("balance")
        return True

    kind = replace(kinds.BY_NAME["credits_low"], is_due=read)
    monkeypatch.setattr(kinds, "KINDS", (kind,))
    credits_low(ada, 1)
    second = credits_low(ada, 2)
    planner.run(at=timezone.now())
    assert rows(ada.project) == [(second, "credits_low", ada.pk, "planned")]
