"""Operators see what happens to webhooks, and act with a reason."""

import html
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.admin import columns
from delivery.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookReplay
from events.models import AuditEntry
from projects.models import Project
from tests.console.dialogs import send, was_done
from tests.console.world_webhooks import create_delivery
from tests.delivery.webhooks.conftest import URL
from tests.delivery.webhooks.dispatching import complete_check, deliveries, endpoint_at, head

pytestmark = pytest.mark.django_db


def page(row: Any, name: str) -> str:
    return f"/admin/delivery/{type(row).__name__.lower()}/{row.pk}/{name}/"


def audited(row: WebhookEndpoint, action: str) -> AuditEntry:
    entry = AuditEntry.objects.get(action=f"webhook_endpoint.{action}", subject=row.pk)
    assert (entry.actor, entry.reason) == ("operator:operator", "The customer asked.")
    return entry


def listed(browser: Client, **query: str) -> str:
    return browser.get("/admin/delivery/webhookendpoint/", query).text


def test_the_list_shows_lag_and_failures(operator: Client, endpoint: WebhookEndpoint) -> None:
    rows = WebhookEndpoint.objects.for_project(endpoint.project_id).filter(pk=endpoint.pk)
    assert URL not in listed(operator, state="behind")
    rows.update(
        position=head(endpoint.project) - 1,
        failing_since=timezone.now(),
        breaker_until=timezone.now() + timedelta(hours=1),
    )
    for state in ("behind", "failing", "paused", "enabled"):
        assert URL in listed(operator, state=state)
    for state in ("disabled", "deleted"):
        assert URL not in listed(operator, state=state)
    shown = operator.get(page(endpoint, "change")).text
    assert ">paused<" in shown.replace("\n", "").replace(" ", "")


def test_no_value_of_a_header_or_secret_is_shown(
    operator: Client, endpoint: WebhookEndpoint
) -> None:
    shown = operator.get(page(endpoint, "change")).text
    assert "x-token" in shown
    assert "our-gateway-secret" not in shown
    assert "whsec_" not in shown
    assert "their values are shown to nobody" in shown


def test_an_operator_disables_and_enables(operator: Client, endpoint: WebhookEndpoint) -> None:
    assert was_done(send(operator, page(endpoint, "disable")))
    endpoint.refresh_from_db()
    assert not endpoint.is_enabled
    rows = WebhookEndpoint.objects.for_project(endpoint.project_id).filter(pk=endpoint.pk)
    rows.update(position=0)
    assert was_done(send(operator, page(endpoint, "enable"), skip_missed="on"))
    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.position) == (True, head(endpoint.project))
    assert AuditEntry.objects.filter(action="webhook_endpoint.changed").count() == 2


def test_an_operator_sends_a_test(operator: Client, endpoint: WebhookEndpoint) -> None:
    assert was_done(send(operator, page(endpoint, "send-test")))
    (delivery,) = deliveries(endpoint)
    assert (delivery.kind, delivery.state) == ("test", "waiting")
    audited(endpoint, "tested")


def test_an_operator_checks_and_sees_the_grade(operator: Client, endpoint: WebhookEndpoint) -> None:
    assert "Nobody has checked it yet." in operator.get(page(endpoint, "change")).text
    assert was_done(send(operator, page(endpoint, "check")))
    audited(endpoint, "checked")
    assert "The check is under way." in operator.get(page(endpoint, "change")).text
    second = send(operator, page(endpoint, "check"))
    assert "A check of this endpoint is under way." in second.text
    complete_check(endpoint)
    shown = operator.get(page(endpoint, "change")).text
    assert "F: it accepts deliveries that we have not signed" in shown
    assert "Signed with another key" in shown


def test_an_operator_replays_and_cancels(operator: Client, endpoint: WebhookEndpoint) -> None:
    refused = send(operator, page(endpoint, "replay"), events="everything")
    assert "Say since when everything is sent again." in refused.text
    assert was_done(
        send(operator, page(endpoint, "replay"), events="everything", since="2020-01-01T00:00")
    )
    (row,) = WebhookReplay.objects.for_project(endpoint.project_id)
    assert (row.since, row.until, row.failed_only) == (0, endpoint.position, False)
    audited(endpoint, "replayed")
    second = send(operator, page(endpoint, "replay"), events="failed")
    assert "A replay of this endpoint is under way." in second.text
    assert was_done(send(operator, page(endpoint, "cancel-replay")))
    row.refresh_from_db()
    assert row.state == "canceled"
    assert was_done(send(operator, page(endpoint, "replay"), events="failed"))


def test_an_operator_adds_an_endpoint_and_sees_its_secret_once(
    operator: Client, project: Project
) -> None:
    settings = {"url": URL, "event_types": "payment.*, invoice.paid", "ordering": "customer"}
    answer = send(
        operator,
        "/admin/delivery/webhookendpoint/add-endpoint/",
        project=project.pk,
        rate="5",
        **settings,
    )
    row = WebhookEndpoint.objects.for_project(project).get()
    assert (row.event_types, row.ordering, row.rate) == (
        ["payment.*", "invoice.paid"],
        "customer",
        5,
    )
    secret = row.secrets.get().open()
    assert secret in html.unescape(answer.text)
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret not in html.unescape(operator.get(page(row, "change")).text)
    audited(row, "created")


def test_an_operator_changes_settings(operator: Client, endpoint: WebhookEndpoint) -> None:
    shown = operator.get(page(endpoint, "configure")).text
    assert URL in shown
    moved = {"url": "https://other.example.com/", "ordering": "none", "rate": "7"}
    assert was_done(send(operator, page(endpoint, "configure"), **moved))
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.rate) == ("https://other.example.com/", 7)
    assert endpoint.header_names == ["x-token"]
    audited(endpoint, "changed")
    for wrong in ({"url": "https://127.0.0.1/"}, {"event_types": "payment.exploded"}):
        refused = send(operator, page(endpoint, "configure"), **{**moved, **wrong})
        assert not was_done(refused)
        assert "The request is not valid." in refused.text
    endpoint.refresh_from_db()
    assert endpoint.url == "https://other.example.com/"


def test_an_operator_replaces_the_secret(operator: Client, endpoint: WebhookEndpoint) -> None:
    old = endpoint.secrets.get().open()
    answer = send(operator, page(endpoint, "replace-secret"), overlap_hours="2")
    new = endpoint.secrets.get(expires_at=None).open()
    assert new != old
    assert new in html.unescape(answer.text)
    assert endpoint.secrets.count() == 2
    audited(endpoint, "secret")


def test_an_operator_deletes(operator: Client, endpoint: WebhookEndpoint) -> None:
    assert was_done(send(operator, page(endpoint, "delete-endpoint")))
    endpoint.refresh_from_db()
    assert endpoint.deleted_at is not None
    audited(endpoint, "deleted")
    assert deliveries(endpoint) == []


def test_a_delivery_shows_its_attempts_and_is_sent_again(
    operator: Client, endpoint: WebhookEndpoint
) -> None:
    row = create_delivery(endpoint, "<script>alert(1)</script>", 0, timezone.now())
    shown = operator.get(page(row, "change")).text
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "0123456789abcdef" in shown
    assert "first byte 20.0" in shown
    gone = send(operator, page(row, "send-again"))
    assert "The event is no longer kept." in gone.text
    WebhookDelivery.objects.for_project(endpoint.project_id).update(
        state="waiting", due_at=timezone.now() + timedelta(days=1)
    )
    assert was_done(send(operator, page(row, "send-again")))
    row.refresh_from_db()
    assert row.due_at <= timezone.now()
    audited(endpoint, "sent_again")


def test_deliveries_are_filtered_and_searched(operator: Client, endpoint: WebhookEndpoint) -> None:
    failed, done = (create_delivery(endpoint, "x", each, timezone.now()) for each in range(2))
    address = "/admin/delivery/webhookdelivery/"

    def ids_at(**query: str) -> list[bool]:
        text = operator.get(address, query).text
        return [each.pk in text for each in (failed, done)]

    assert ids_at() == [True, True]
    assert ids_at(state="failed") == [True, False]
    assert ids_at(q=endpoint.pk, state="done") == [False, True]
    assert ids_at(q=done.pk) == [False, True]
    assert ids_at(q="evt_unheard_of") == [False, False]
    link = columns.listing("delivery.webhookdelivery", q=endpoint.pk, state="failed")
    assert link.replace("&", "&amp;") in operator.get(page(endpoint, "change")).text


def test_a_viewer_only_looks(viewer: Client, endpoint: WebhookEndpoint) -> None:
    row = create_delivery(endpoint, "x", 0, timezone.now())
    assert viewer.get(page(endpoint, "change")).status_code == 200
    assert viewer.get(page(row, "change")).status_code == 200
    for name in (
        *("configure", "replace-secret", "send-test", "replay", "cancel-replay"),
        *("enable", "disable", "delete-endpoint"),
    ):
        assert send(viewer, page(endpoint, name), events="failed").status_code == 403
    assert send(viewer, page(row, "send-again")).status_code == 403
    endpoint.refresh_from_db()
    assert endpoint.is_enabled


def test_pages_cost_a_fixed_number_of_queries(operator: Client, endpoint: WebhookEndpoint) -> None:
    def cost(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(address).status_code == 200
        return len(captured)

    row = create_delivery(endpoint, "x", 0, timezone.now())
    addresses = [
        page(endpoint, "change"),
        page(row, "change"),
        "/admin/delivery/webhookendpoint/",
        "/admin/delivery/webhookdelivery/",
    ]
    for address in addresses:
        operator.get(address)
    few = [cost(each) for each in addresses]
    for number in range(1, 6):
        create_delivery(endpoint, "x", number * 2, timezone.now())
        endpoint_at(f"{URL}/{number}", endpoint.project)
    attempt = WebhookAttempt.objects.for_project(endpoint.project_id).get(delivery_id=row.pk)
    for number in range(2, 8):
        attempt.pk, attempt.number = f"wha_{number}", number
        attempt.save(force_insert=True)
    assert [cost(each) for each in addresses] == few
    assert max(few) <= 13
