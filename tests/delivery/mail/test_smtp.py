"""What an SMTP server's answer, or its silence, means for a message."""

from datetime import timedelta
from email import message_from_string, policy

import pytest

from delivery.mail import planner, sender
from delivery.models import MailSuppression, Notification
from projects.models import Customer
from tests.back_offs import end_pauses
from tests.billing import outbox_events
from tests.delivery.mail.notices import NOW, credits_low, planned, send, state, turn_on
from tests.delivery.mail.smtp_server import SmtpServer, replies

pytestmark = pytest.mark.django_db


def test_a_message_is_sent_once(ada: Customer, smtp: SmtpServer) -> None:
    row = planned(ada)
    assert send() == 1
    assert state(row) == ("sent", "")
    assert (send(), send(after=timedelta(hours=1))) == (0, 0)
    (content,) = smtp.messages
    mail = message_from_string(content, policy=policy.default)
    assert mail["To"] == "ada@example.com"
    assert mail["From"] == "Acme <billing@tollgate.example>"
    assert mail["Subject"] == "[Test] Your credits at Acme are low"
    assert mail["Message-ID"] == f"<{row.pk}@tollgate.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "You have 7 credits left." in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "You have 7 credits left." in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answers", "expected", "has_content_left"),
    [
        ({"rcpt": "450 4.2.1 busy"}, ("planned", "smtp_450"), False),
        ({"rcpt": "550 5.7.1 no"}, ("refused", "smtp_550"), False),
        ({"rcpt": "550 5.1.1 no such user"}, ("refused", "smtp_550"), False),
        ({"data": "451 later"}, ("planned", "smtp_451"), False),
        ({"end": "451 later"}, ("planned", "smtp_451"), True),
        ({"end": "554 spam"}, ("refused", "smtp_554"), True),
        ({"end": None}, ("unknown", "SMTPServerDisconnected"), True),
        ({"data": None}, ("unknown", "SMTPServerDisconnected"), False),
    ],
)
def test_each_answer(
    ada: Customer,
    smtp: SmtpServer,
    answers: dict[str, str | None],
    expected: tuple[str, str],
    has_content_left: bool,
) -> None:
    row = planned(ada)
    smtp.script = replies(**answers)
    assert send() == 0
    assert state(row) == expected
    assert bool(smtp.messages) is has_content_left


def test_a_message_that_was_put_off_is_sent_later_once(ada: Customer, smtp: SmtpServer) -> None:
    row = planned(ada)
    smtp.script = replies(rcpt="450 busy")
    send()
    smtp.script = replies()
    assert send() == 0, "not before its pause"
    assert send(after=timedelta(minutes=2)) == 1
    assert state(row) == ("sent", "")
    assert len(smtp.messages) == 1


def test_pauses_grow_until_the_message_is_useless(ada: Customer, smtp: SmtpServer) -> None:
    row = planned(ada)
    smtp.script = replies(rcpt="450 busy")
    pauses = []
    at = NOW
    for _ in range(100):
        sender.run(at=at)
        row.refresh_from_db()
        if row.state != "planned":
            break
        pauses.append(row.due_at - at)
        at = row.due_at
    assert state(row) == ("refused", "smtp_450")
    assert pauses[:4] == sorted(pauses[:4])
    assert pauses[0] >= timedelta(minutes=1)
    assert at <= row.useless_at


def test_a_server_that_is_away_delays_everything_and_counts_no_attempt(
    ada: Customer, smtp: SmtpServer
) -> None:
    row = planned(ada)
    smtp.close()
    assert send() == 0
    assert state(row) == ("planned", "")
    assert (row.attempts, row.leased_until) == (0, None)


def test_a_recipient_at_whom_the_server_hangs_up_stops_no_other(
    ada: Customer, smtp: SmtpServer
) -> None:
    first = planned(ada)
    other = planned(ada)
    count = iter(range(100))
    smtp.script = lambda stage: None if stage == "rcpt" and next(count) == 0 else replies()(stage)
    assert send() == 1
    assert state(first) == ("planned", "SMTPServerDisconnected")
    assert first.attempts == 1
    assert state(other) == ("sent", "")
    assert send(after=timedelta(minutes=2)) == 1


def test_a_refused_sender_address_is_the_platforms_trouble(ada: Customer, smtp: SmtpServer) -> None:
    row = planned(ada)
    smtp.script = replies(mail="550 not yours")
    assert send() == 0
    assert state(row) == ("planned", "")
    smtp.script = replies()
    end_pauses()
    assert send() == 1


def test_a_mailbox_that_does_not_exist_gets_no_more_mail(ada: Customer, smtp: SmtpServer) -> None:
    planned(ada)
    smtp.script = replies(rcpt="550 5.1.1 no such user")
    send()
    event = outbox_events.last(ada.project, "mail.undeliverable")
    assert event.data["reason"] == "bounced"
    assert event.customer_id == ada.pk
    (suppression,) = MailSuppression.objects.for_project(ada.project)
    assert "ada" not in suppression.digest
    smtp.script = replies()
    again = planned(ada)
    assert send() == 0
    assert state(again) == ("suppressed", "address_bounced")
    assert smtp.messages == []


def test_a_server_that_closes_used_connections_gets_a_new_one(
    ada: Customer, smtp: SmtpServer
) -> None:
    turn_on(ada.project)
    for balance in (1, 2):
        credits_low(ada, balance)
    planner.run(at=NOW)
    count = iter(range(100))
    smtp.script = lambda stage: None if stage == "mail" and next(count) == 1 else replies()(stage)
    assert send() == 2
    assert len(smtp.messages) == 2
    assert Notification.objects.for_project(ada.project).filter(state="sent").count() == 2
