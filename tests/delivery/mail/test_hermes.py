"""Hermes gets each message once, however often it is asked."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from common.conf import EgressSettings
from delivery.conf import MailServerSettings
from delivery.mail import lease
from delivery.models import Notification
from projects.models import Customer
from tests.back_offs import end_pauses
from tests.delivery.mail.hermes_server import CUT, HermesServer
from tests.delivery.mail.notices import NOW, planned, send, state

pytestmark = pytest.mark.django_db
LATER = timedelta(hours=2)


@pytest.fixture
def hermes(settings: Any) -> Iterator[HermesServer]:
    server = HermesServer()
    settings.EGRESS = EgressSettings(loopback=True)
    settings.MAIL = MailServerSettings(hermes_url=server.url, hermes_token="token-of-hermes")
    yield server
    server.close()


@pytest.fixture
def row(ada: Customer, hermes: HermesServer) -> Notification:
    return planned(ada, channel="hermes", brand_name="Acme Cloud")


def test_hermes_gets_the_facts_and_the_key(row: Notification, hermes: HermesServer) -> None:
    assert send() == 1
    assert state(row) == ("sent", "")
    assert row.provider_id == f"hms_{row.pk}"
    (headers,) = hermes.requests
    assert headers["Authorization"] == "Bearer token-of-hermes"
    assert hermes.messages == {
        row.pk: {
            "kind": "credits_low",
            "project": {"id": row.project_id, "name": "Acme", "livemode": False},
            "person": {"id": row.recipient, "email": "ada@example.com", "name": "Ada"},
            "locale": "en-GB",
            "brand": {"name": "Acme Cloud", "color": None, "logo_url": None, "reply_to": None},
            "data": {"balance": 7},
            "link": None,
            "not_before": "2026-11-21T09:30:00Z",
            "expires": "2026-11-24T09:30:00Z",
        }
    }


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_is_asked_again_and_sends_once(
    row: Notification, hermes: HermesServer, status: int
) -> None:
    hermes.answers = [(status, {})]
    assert send() == 0
    assert state(row) == ("planned", f"hermes_{status}")
    assert send(after=LATER) == 1
    assert state(row) == ("sent", "")
    assert list(hermes.messages) == [row.pk]


def test_an_answer_that_is_lost_after_acceptance(row: Notification, hermes: HermesServer) -> None:
    hermes.answers = [(CUT, {})]
    assert send() == 0
    assert state(row) == ("planned", "hermes_no_answer")
    assert send(after=LATER) == 1
    assert (len(hermes.requests), list(hermes.messages)) == (2, [row.pk])


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_refusal_waits_for_a_person(row: Notification, hermes: HermesServer, status: int) -> None:
    hermes.answers = [(status, {})]
    assert send() == 0
    assert state(row) == ("refused", f"hermes_{status}")
    assert send(after=LATER) == 0


@pytest.mark.parametrize(
    ("value", "at_least"),
    [
        ("600", timedelta(minutes=10)),
        ("999999999", timedelta(hours=1)),
        ("Sat, 21 Nov 2026 09:50:00 GMT", timedelta(minutes=20)),
        ("Sat, 21 Nov 2020 09:50:00 GMT", timedelta()),
        ("soon", timedelta()),
        ("Sat, 21 Nov 99999999999999999999 09:50:00 GMT", timedelta()),
    ],
)
def test_retry_after(
    row: Notification, hermes: HermesServer, value: str, at_least: timedelta
) -> None:
    hermes.answers = [(503, {"Retry-After": value})]
    send()
    row.refresh_from_db()
    pause = row.due_at - NOW
    shortest = max(at_least, timedelta(minutes=1))
    assert shortest <= pause <= shortest * 1.25


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_token_or_address_is_the_platforms_trouble(
    row: Notification, hermes: HermesServer, status: int
) -> None:
    hermes.answers = [(status, {})]
    assert send() == 0
    assert state(row) == ("planned", "")
    end_pauses()
    assert send() == 1


def test_a_killed_sender_is_asked_for_again(row: Notification, hermes: HermesServer) -> None:
    assert lease.claim(row, at=NOW)
    lease.begin_sending(row, address_digest="", at=NOW)
    assert send(after=timedelta(minutes=1)) == 0
    assert send(after=timedelta(minutes=6)) == 1
    assert list(hermes.messages) == [row.pk]


def test_after_a_day_hermes_has_forgotten_the_key(row: Notification, hermes: HermesServer) -> None:
    assert lease.claim(row, at=NOW)
    lease.begin_sending(row, address_digest="", at=NOW)
    assert send(after=timedelta(hours=25)) == 0
    assert state(row) == ("unknown", "process_ended")
    assert hermes.messages == {}
