"""The installation's operators hear of webhook endpoints that were disabled."""

import dataclasses
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from delivery import ways_out
from delivery.conf import MailServerSettings
from delivery.mail import planner, suppressions
from delivery.models import MailSuppression, Notification, SuppressionReason, WebhookEndpoint
from delivery.outlets import outlet
from delivery.outlets.outlet import Start
from delivery.webhooks import endpoints
from events.log import sequencer
from events.models import OutboxEvent
from projects.models import Project
from tests.delivery.mail.notices import NOW, send, turn_on
from tests.delivery.mail.smtp_server import SmtpServer
from tests.delivery.webhooks.dispatching import endpoint_at
from tests.events.log.recording import record

pytestmark = pytest.mark.django_db
ADDRESS = "operators@example.com"
URL = "https://hook.example.com/in"


@pytest.fixture
def endpoint(project: Project, settings: Any) -> WebhookEndpoint:
    settings.MAIL = dataclasses.replace(settings.MAIL, mail_operators=ADDRESS)
    row, _ = endpoint_at(URL, project)
    planner.run(at=NOW)
    return row


def disable(endpoint: WebhookEndpoint) -> list[Notification]:
    """Disable it, and plan the messages."""
    endpoints.change(endpoint=endpoint, changes={"enabled": False}, actor="test", at=NOW)
    sequencer.run()
    planner.run(at=NOW)
    return list(Notification.objects.for_project(endpoint.project))


def test_operators_are_told_although_the_project_sends_nothing(
    endpoint: WebhookEndpoint, smtp: SmtpServer
) -> None:
    (row,) = disable(endpoint)
    assert (row.recipient, row.channel) == ("operators", "mail")
    assert send() == 1
    (mail,) = smtp.messages
    assert f"To: {ADDRESS}" in mail
    assert URL in mail


def test_the_project_and_the_operators_get_a_message_each(
    endpoint: WebhookEndpoint, project: Project, smtp: SmtpServer
) -> None:
    project.contact_email = "team@example.com"
    project.save(update_fields=["contact_email"])
    turn_on(project)
    assert {row.recipient for row in disable(endpoint)} == {"operators", project.pk}
    assert send() == 2
    assert planner.run(at=NOW) == 0


def test_without_their_address_nobody_is_told(
    endpoint: WebhookEndpoint, settings: Any, smtp: SmtpServer
) -> None:
    (row,) = disable(endpoint)
    settings.MAIL = dataclasses.replace(settings.MAIL, mail_operators="")
    assert send() == 0
    row.refresh_from_db()
    assert (row.state, row.reason) == ("suppressed", "switched_off")


def test_a_bounce_of_the_operators_mail_is_no_matter_of_the_project(
    endpoint: WebhookEndpoint, smtp: SmtpServer
) -> None:
    (row,) = disable(endpoint)
    send()
    row.refresh_from_db()
    assert not suppressions.record(row, reason=SuppressionReason.BOUNCED, at=NOW)
    assert not MailSuppression.objects.for_project(endpoint.project).exists()
    events = OutboxEvent.objects.for_project(endpoint.project)
    assert not events.filter(type="mail.undeliverable").exists()


def test_the_console_names_them(endpoint: WebhookEndpoint, administrator: Client) -> None:
    (row,) = disable(endpoint)
    assert "Operators" in administrator.get(f"/admin/delivery/notification/{row.pk}/change/").text


@pytest.mark.parametrize(
    "values",
    [
        {"mail_from": "billing@example.com", "mail_operators": "nobody"},
        {"mail_operators": ADDRESS},
    ],
)
def test_a_wrong_address_is_refused_at_the_start(values: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="MAIL_OPERATORS"):
        MailServerSettings(**values)  # type: ignore[arg-type]  # texts only


def test_events_that_only_operators_are_told_of_count_as_waiting(
    project: Project, settings: Any
) -> None:
    """No project has turned messages on, and the planner is behind."""
    settings.MAIL = dataclasses.replace(settings.MAIL, mail_operators=ADDRESS)
    outlet.lock(planner.OUTLET, start=Start.OLDEST)
    record(project, "cus_1", 1)
    sequencer.run()

    def waiting() -> int:
        ways = ways_out.all_ways(at=NOW)
        return next(way.waiting for way in ways if way.name == "mail")

    assert waiting() == 1
    settings.MAIL = dataclasses.replace(settings.MAIL, mail_operators="")
    assert waiting() == 0
