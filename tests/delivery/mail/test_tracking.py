"""Reports of a mail provider are verified, matched by our id, and applied once."""

import base64
import json
from typing import Any

import pytest
from django.test import Client

from delivery.conf import MailServerSettings
from delivery.models import MailSuppression, Notification
from projects.models import Customer
from tests.billing import outbox_events
from tests.delivery.mail.notices import planned, send, state
from tests.delivery.mail.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db
PATH = "/mail/tracking/postmark"
SECRET = "postmark:a-long-password"


@pytest.fixture(autouse=True)
def _provider(settings: Any) -> None:
    settings.MAIL = MailServerSettings(
        mail_from="billing@tollgate.example", mail_provider="postmark"
    )
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}


@pytest.fixture
def row(ada: Customer, smtp: SmtpServer) -> Notification:
    planned_row = planned(ada)
    assert send() == 1
    return planned_row


def post(record: dict[str, Any], *, secret: str = SECRET, path: str = PATH) -> int:
    token = base64.b64encode(secret.encode()).decode()
    response = Client().post(
        path,
        json.dumps(record),
        content_type="application/json",
        headers={"Authorization": f"Basic {token}"},
    )
    return response.status_code


def bounce(row: Notification, **changes: Any) -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "Email": "Ada@Example.com",
        "MessageID": "m1",
        "Metadata": {"notification": row.pk},
        **changes,
    }


def types(row: Notification) -> list[str]:
    return [each for each in outbox_events.types(row.project) if each.startswith("mail.")]


def test_a_hard_bounce_marks_the_address_once(row: Notification) -> None:
    assert [post(bounce(row)), post(bounce(row))] == [200, 200]
    assert state(row) == ("refused", "bounced_bounced")
    assert types(row) == ["mail.undeliverable"]
    (suppression,) = MailSuppression.objects.for_project(row.project)
    assert (suppression.reason, suppression.recipient) == ("bounced", row.recipient)


def test_a_complaint_stops_all_but_receipts(row: Notification, ada: Customer) -> None:
    complaint = bounce(row, RecordType="SpamComplaint", Type="SpamComplaint")
    assert post(complaint) == 200
    assert state(row) == ("sent", "")
    again = planned(ada)
    send()
    assert state(again) == ("suppressed", "address_complained")


@pytest.mark.parametrize(
    "changes",
    [
        {"Metadata": {}},
        {"Metadata": {"notification": "ntf_unknown"}},
        {"Email": "somebody@else.example"},
        {"Type": "Transient"},
    ],
)
def test_a_report_that_is_about_something_else_changes_nothing(
    row: Notification, changes: dict[str, Any]
) -> None:
    assert post(bounce(row, **changes)) == 200
    assert state(row) == ("sent", "")
    assert types(row) == []


def test_a_report_tells_that_an_unknown_mail_arrived(row: Notification) -> None:
    Notification.objects.for_project(row.project).update(state="unknown", reason="process_ended")
    report = bounce(row, RecordType="Delivery", Recipient="ada@example.com")
    assert post(report) == 200
    assert state(row) == ("sent", "")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', "{}", '{"RecordType": 5}', "[[]]"])
def test_a_report_that_is_none_is_refused(row: Notification, text: str) -> None:
    token = base64.b64encode(SECRET.encode()).decode()
    headers = {"Authorization": f"Basic {token}"}
    client = Client(raise_request_exception=False)
    response = client.post(PATH, text, content_type="application/json", headers=headers)
    assert response.status_code in (200, 400)
    assert state(row) == ("sent", "")


@pytest.mark.parametrize("value", ["\0", "a" * 100_000, 10**30, None, ["x"], {"a": 1}])
def test_odd_values_in_a_report_change_nothing(row: Notification, value: Any) -> None:
    for name in ("Type", "Email", "MessageID", "Metadata", "BouncedAt"):
        assert post(bounce(row, **{name: value})) in (200, 400)
    odd = bounce(row, Metadata={"notification": value})
    assert post(odd) in (200, 400)


def test_without_the_secret_nothing_is_read(row: Notification, settings: Any) -> None:
    assert post(bounce(row), secret="postmark:wrong") == 400
    assert post(bounce(row), path="/mail/tracking/sendgrid") == 404
    settings.ANYMAIL = {}
    assert post(bounce(row)) == 404
    assert state(row) == ("sent", "")
