"""One project's many messages delay no other project's few."""

import pytest

from delivery.mail import planner, sender
from delivery.models import Notification
from projects.models import Customer, Project
from tests.delivery.mail.notices import NOW, credits_low, send, turn_on
from tests.delivery.mail.smtp_server import SmtpServer, replies
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db


def test_projects_take_turns(
    ada: Customer, other_project: Project, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = CustomerFactory.create(project=other_project, user_id="neighbour")
    for each in (ada.project, other_project):
        turn_on(each)
    for balance in range(10):
        credits_low(ada, balance)
    credits_low(neighbour)
    planner.run(at=NOW)
    monkeypatch.setattr(sender, "BATCH", 2)
    assert send() == 2
    assert Notification.objects.for_project(other_project).get().state == "sent"


def test_a_project_whose_addresses_are_put_off_stops_no_other(
    ada: Customer, other_project: Project, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = CustomerFactory.create(project=other_project, user_id="neighbour")
    for each in (ada.project, other_project):
        turn_on(each)
    for balance in range(4):
        credits_low(ada, balance)
    credits_low(neighbour)
    planner.run(at=NOW)
    monkeypatch.setattr(sender, "BATCH", 3)
    smtp.script = replies(rcpt="450 busy")
    assert (send(), send()) == (0, 0)
    smtp.script = replies()
    states = Notification.objects.for_project(ada.project).values_list("attempts", flat=True)
    assert set(states) == {1}
    credits_low(neighbour)
    planner.run(at=NOW)
    assert send() == 1
