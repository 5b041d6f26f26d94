"""A project chooses how it writes to people."""

from typing import Any

import pytest

from delivery.conf import MailServerSettings
from delivery.mail import kinds
from delivery.models import MailSettings
from events.models import AuditEntry
from projects.models import Project
from tests.api_client import ApiClient

pytestmark = pytest.mark.django_db
OFF = {
    "channel": "none",
    "kinds": [],
    "available_kinds": list(kinds.NAMES),
    "sender_name": "",
    "reply_to": "",
    "brand_name": "",
    "color": "",
    "logo_url": "",
    "renewal_notice_days": 7,
}


def path(project: Project) -> str:
    return f"/projects/{project.pk}/mail"


def test_nothing_is_sent_until_a_channel_is_chosen(api: ApiClient, project: Project) -> None:
    assert api.get(path(project)).json() == OFF
    answer = api.patch(path(project), {"brand_name": "Acme"})
    assert answer.json() == {**OFF, "brand_name": "Acme"}
    answer = api.patch(path(project), {"channel": "mail", "kinds": ["refund", "receipt"]})
    assert answer.json()["kinds"] == ["receipt", "refund"]
    entries = AuditEntry.objects.filter(action="project.mail", subject=project.pk)
    assert [entry.after for entry in entries.order_by("pk")] == [
        {"brand_name": "Acme"},
        {"channel": "mail", "kinds": ["receipt", "refund"]},
    ]
    api.patch(path(project), {"channel": "mail"})
    assert entries.count() == 2, "nothing has changed"


def test_the_first_channel_switches_on_all_kinds(api: ApiClient, project: Project) -> None:
    assert api.patch(path(project), {"channel": "mail"}).json()["kinds"] == list(kinds.NAMES)
    api.patch(path(project), {"kinds": []})
    api.patch(path(project), {"channel": "none"})
    assert api.patch(path(project), {"channel": "mail"}).json()["kinds"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"kinds": ["greetings"]}, "kinds/0"),
        ({"color": "red"}, "color"),
        ({"color": "#12345"}, "color"),
        ({"logo_url": "http://example.com/logo.png"}, "logo_url"),
        ({"logo_url": "javascript:alert(1)"}, "logo_url"),
        ({"logo_url": "https://127.0.0.1/logo.png"}, "logo_url"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"renewal_notice_days": 0}, "renewal_notice_days"),
        ({"renewal_notice_days": 61}, "renewal_notice_days"),
        ({"sender": "x"}, "sender"),
    ],
)
def test_refusals(api: ApiClient, project: Project, body: Any, field: str) -> None:
    answer = api.patch(path(project), body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"#/{field}"
    assert not MailSettings.objects.for_project(project).exists()


def test_a_channel_without_a_server_is_refused(
    api: ApiClient, project: Project, settings: Any
) -> None:
    assert api.patch(path(project), {"channel": "hermes"}).json()["code"] == "channel-unavailable"
    api.patch(path(project), {"channel": "mail"})
    settings.MAIL = MailServerSettings()
    answer = api.patch(path(project), {"channel": "mail", "brand_name": "Still changeable"})
    assert answer.status_code == 200


def test_people_of_the_project_and_the_customers_language(api: ApiClient, project: Project) -> None:
    answer = api.patch(f"/projects/{project.pk}", {"contact_email": "team@acme.example"})
    assert answer.json()["contact_email"] == "team@acme.example"
    assert api.patch(f"/projects/{project.pk}", {"contact_email": "x"}).status_code == 422
    body = {"user_id": "ada", "locale": "ZH-hant-tw"}
    assert api.post("/customers", body).json()["locale"] == "zh-Hant-TW"
    for wrong in ("de_AT", "german", "d", "de-AT-" + "x" * 40, "<b>"):
        assert api.patch("/customers/ada", {"locale": wrong}).status_code == 422
    assert api.patch("/customers/ada", {"locale": ""}).json()["locale"] == ""
