"""Operators preview messages, send unknown ones again, and lift suppressions."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from common.admin import columns
from delivery.mail import kinds, planner
from delivery.models import MailSettings, MailSuppression, Notification
from events.models import AuditEntry
from projects.models import Customer, Project
from tests.back_offs import end_pauses
from tests.console.dialogs import send as submit
from tests.console.dialogs import was_done
from tests.delivery.mail.notices import NOW, credits_low, planned, send, state, turn_on
from tests.delivery.mail.smtp_server import SmtpServer, replies

pytestmark = pytest.mark.django_db


def page(row: object, name: str) -> str:
    noun = type(row).__name__.lower()
    return f"/admin/delivery/{noun}/{row.pk}/{name}/"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", kinds.NAMES)
def test_every_kind_is_previewed_in_each_language(
    administrator: Client, project: Project, kind: str
) -> None:
    turn_on(project)
    settings = MailSettings.objects.for_project(project).get()
    for locale in ("en", "de"):
        answer = administrator.get(page(settings, "preview"), {"kind": kind, "locale": locale})
        assert answer.status_code == 200
        assert "These facts are an example." in answer.text
        assert "Acme" in answer.text
        assert 'sandbox srcdoc="&lt;!doctype html&gt;' in answer.text


def test_a_preview_shows_a_real_event(administrator: Client, ada: Customer) -> None:
    turn_on(ada.project)
    credits_low(ada, 123)
    settings = MailSettings.objects.for_project(ada.project).get()
    answer = administrator.get(page(settings, "preview"), {"kind": "credits_low"})
    assert "You have 123 credits left." in answer.text
    assert "Hello Ada," in answer.text


def test_a_preview_is_for_people_who_may_see_the_settings(client: Client, project: Project) -> None:
    turn_on(project)
    settings = MailSettings.objects.for_project(project).get()
    assert client.get(page(settings, "preview")).status_code == 302, "to the login"


def test_an_operator_turns_messages_on(administrator: Client, project: Project) -> None:
    answer = submit(
        administrator,
        "/admin/delivery/mailsettings/turn-on/",
        project=project.pk,
        channel="mail",
        kinds=["receipt", "refund"],
        renewal_notice_days=7,
        color="#112233",
    )
    assert was_done(answer), answer.content
    row = MailSettings.objects.for_project(project).get()
    assert (row.channel, row.kinds, row.color) == ("mail", ["receipt", "refund"], "#112233")
    assert AuditEntry.objects.filter(action="project.mail", subject=project.pk).count() == 1


def test_an_unknown_message_is_sent_again_by_a_person(
    administrator: Client, ada: Customer, smtp: SmtpServer
) -> None:
    row = planned(ada)
    smtp.script = replies(end=None)
    send()
    assert state(row)[0] == "unknown"
    assert was_done(submit(administrator, page(row, "send-again")))
    assert state(row) == ("planned", "")
    smtp.script = replies()
    end_pauses()
    later = timezone.now() - NOW + timedelta(minutes=1)
    assert send(after=later) == 1
    assert state(row) == ("sent", "")
    first, second = smtp.messages
    assert row.pk in first
    assert row.pk in second
    refused = submit(administrator, page(row, "send-again"))
    assert "This message cannot be sent again." in refused.text


def test_a_suppression_is_lifted(administrator: Client, ada: Customer, smtp: SmtpServer) -> None:
    planned(ada)
    smtp.script = replies(rcpt="550 5.1.1 gone")
    send()
    suppression = MailSuppression.objects.for_project(ada.project).get()
    assert was_done(submit(administrator, page(suppression, "lift")))
    smtp.script = replies()
    credits_low(ada)
    planner.run(at=NOW)
    assert send() == 1
    assert Notification.objects.for_project(ada.project).filter(state="sent").count() == 1


def test_a_customers_page_shows_the_messages(administrator: Client, ada: Customer) -> None:
    row = planned(ada)
    shown = administrator.get(f"/admin/projects/customer/{ada.pk}/change/").text
    assert f'href="{columns.url(row)}"' in shown
    assert "credits_low" in shown
