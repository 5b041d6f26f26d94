"""Operators see parked signals and send them again, with a reason."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from console.operators import Role, ensure
from delivery.models import WorkflowSignal
from events.models import AuditEntry
from projects.models import Project
from tests.console.dialogs import send as submit
from tests.console.dialogs import was_done
from tests.delivery.signals.payments import NOW, pay, send, states
from tests.delivery.signals.temporal_server import TemporalServer

pytestmark = pytest.mark.django_db


def signed_in(role: Role) -> Client:
    ensure(username=role, password="a-long-enough-passphrase", role=role)
    client = Client()
    client.force_login(User.objects.get(username=role))
    return client


def address(row: WorkflowSignal) -> str:
    return f"/admin/delivery/workflowsignal/{row.pk}/send-again/"


def test_a_parked_signal_is_sent_again(project: Project, temporal: TemporalServer) -> None:
    temporal.gone.add("order-7")
    event = pay(project)
    send()
    row = WorkflowSignal.objects.for_project(project).get()
    client = signed_in(Role.OPERATOR)
    listed = client.get("/admin/delivery/workflowsignal/", {"state": "parked"})
    assert "workflow_gone" in listed.text
    assert "order-7" in listed.text
    temporal.gone.clear()
    assert was_done(submit(client, address(row), reason="The workflow was started again."))
    entry = AuditEntry.objects.get(action="workflow_signal.send_again", subject=row.pk)
    assert (entry.project_id, entry.reason) == (project.pk, "The workflow was started again.")
    assert entry.before == {"state": "parked", "reason": "workflow_gone"}
    assert send(after=timezone.now() - NOW) == 1
    assert temporal.requests == [event, event]
    assert [each.workflow_id for each in temporal.signals] == ["order-7"]


def test_a_sent_signal_is_not_sent_again(project: Project, temporal: TemporalServer) -> None:
    pay(project)
    send()
    row = WorkflowSignal.objects.for_project(project).get()
    answer = submit(signed_in(Role.OPERATOR), address(row))
    assert not was_done(answer)
    assert AuditEntry.objects.filter(action="workflow_signal.send_again").count() == 0
    assert states(project) == [("sent", "")]


def test_viewers_see_and_do_not_send(project: Project, temporal: TemporalServer) -> None:
    temporal.gone.add("order-7")
    pay(project)
    send()
    row = WorkflowSignal.objects.for_project(project).get()
    client = signed_in(Role.VIEWER)
    page = client.get(f"/admin/delivery/workflowsignal/{row.pk}/change/")
    assert page.status_code == 200
    assert submit(client, address(row)).status_code == 403
    assert states(project) == [("parked", "workflow_gone")]
