"""Readers unsubscribe from what is optional, with one click and without a login."""

import re
from email import message_from_string, policy

import pytest
from django.test import Client

from delivery.models import MailOptOut
from projects.models import Customer
from tests.delivery.mail.notices import planned, send, state
from tests.delivery.mail.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def link_in(content: str) -> str:
    """The path that a mail program would post to."""
    mail = message_from_string(content, policy=policy.default)
    link = mail["List-Unsubscribe"].strip()
    match = re.fullmatch(r"<https?://[^/]+(/mail/unsubscribe/[^>]+)>", link)
    assert match, content
    return match[1]


def test_the_link_shows_a_page_and_a_post_unsubscribes(ada: Customer, smtp: SmtpServer) -> None:
    planned(ada)
    send()
    path = link_in(smtp.messages[0])
    browser = Client(enforce_csrf_checks=True)
    page = browser.get(path)
    assert page.status_code == 200
    assert "messages about low credits" in page.content.decode()
    assert not MailOptOut.objects.for_project(ada.project).exists(), "a scanner may have come"
    for _ in range(2):
        assert browser.post(path, ONE_CLICK).status_code == 200
    (row,) = MailOptOut.objects.for_project(ada.project)
    assert (row.recipient, row.kind) == (ada.pk, "credits_low")
    again = planned(ada)
    assert send() == 0
    assert state(again) == ("suppressed", "unsubscribed")


def test_a_changed_token_is_not_found(ada: Customer, smtp: SmtpServer) -> None:
    planned(ada)
    send()
    path = link_in(smtp.messages[0])
    for changed in (
        path[:-1],
        path.replace("unsubscribe/", "unsubscribe/x"),
        "/mail/unsubscribe/x",
    ):
        assert Client().post(changed).status_code == 404
    assert not MailOptOut.objects.for_project(ada.project).exists()


def test_the_page_speaks_the_readers_language(ada: Customer, smtp: SmtpServer) -> None:
    ada.locale = "de-AT"
    ada.save()
    planned(ada)
    send()
    page = Client().get(link_in(smtp.messages[0])).content.decode()
    assert '<html lang="de">' in page
    assert "Abbestellen" in page
