"""Developers of a tenant see their webhooks with a signed link and nothing else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.models import WebhookEndpoint, WebhookReplay
from delivery.webhooks import endpoints
from delivery.webhooks.portal import links
from events.models import AuditEntry
from projects.keys.scopes import KeyScope
from projects.models import Project
from tests.api_client import ApiClient
from tests.console.world_webhooks import create_delivery
from tests.delivery.webhooks.dispatching import complete_check, deliveries, endpoint_at
from tests.factories.projects import ProjectFactory, key_of

pytestmark = pytest.mark.django_db
URL = "https://hook.example.com/in"
ROOT = "/webhooks-portal/"
CLOSED = "This page is not available"


@pytest.fixture
def endpoint(project: Project) -> WebhookEndpoint:
    row, _ = endpoint_at(URL, project, headers={"x-token": "our-gateway-secret"})
    return row


def make_link(project: Project, *, can_act: bool = False, **values: Any) -> str:
    """The token of a new link."""
    at = values.pop("at", timezone.now())
    link = links.create(
        project=project, can_act=can_act, hours=values.pop("hours", 24), actor="test", at=at
    )
    return link.token


def visitor(token: str) -> Client:
    """A browser that has followed the link."""
    browser = Client()
    answer = browser.post(f"{ROOT}open", {"token": token})
    assert (answer.status_code, answer.headers["Location"]) == (302, ROOT)
    return browser


def address(endpoint: WebhookEndpoint, *parts: str) -> str:
    return "/".join([f"{ROOT}endpoints/{endpoint.pk}", *parts])


def is_closed(answer: Any) -> bool:
    return answer.status_code == 404 and CLOSED in answer.text


def test_a_key_makes_a_link_whose_token_is_in_the_fragment(
    project: Project, endpoint: WebhookEndpoint
) -> None:
    api = ApiClient(key_of(project, scopes=[KeyScope.WEBHOOKS_READ]))
    answer = api.post("/webhook-portal", {"hours": 2})
    assert answer.status_code == 201
    body = answer.json()
    place, _, token = body["url"].partition("#")
    assert place.endswith("/webhooks-portal/open")
    assert body["access"] == "read"
    page = visitor(token).get(ROOT)
    assert URL in page.text
    assert "You may only look" in page.text
    (entry,) = AuditEntry.objects.filter(action="webhook_portal.link_created")
    assert token not in str(entry.after)
    refused = api.post("/webhook-portal", {"access": "act"})
    assert refused.status_code == 403
    assert api.post("/webhook-portal", {"hours": 25}).status_code == 422
    assert api.post("/webhook-portal/revoke").status_code == 403


def test_the_cookie_is_for_these_pages_only(project: Project) -> None:
    browser = visitor(make_link(project, hours=1))
    cookie = browser.cookies["tollgate_webhooks"]
    assert cookie["path"] == ROOT
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    page = browser.get(ROOT)
    assert page.headers["Cache-Control"] == (
        "max-age=0, no-cache, no-store, must-revalidate, private"
    )
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http://" not in page.text.replace(URL, "")


def _expired(project: Project) -> str:
    return make_link(project, at=timezone.now() - timedelta(hours=3), hours=2)


def _revoked(project: Project) -> str:
    token = make_link(project)
    links.revoke_all(project=project, actor="test", at=timezone.now())
    return token


def _suspended(project: Project) -> str:
    Project.objects.filter(pk=project.pk).update(suspended_at=timezone.now())
    return make_link(project)


def _changed(project: Project) -> str:
    return make_link(project)[:-1]


@pytest.mark.parametrize(
    "spoil", [_expired, _revoked, _suspended, _changed, lambda _: "x", lambda _: "", str]
)
def test_every_link_that_does_not_work_meets_the_same_page(
    project: Project, spoil: Callable[[Project], str]
) -> None:
    token = spoil(project)
    browser = Client()
    opened = browser.post(f"{ROOT}open", {"token": token})
    assert is_closed(opened)
    assert "tollgate_webhooks" not in opened.cookies
    browser.cookies["tollgate_webhooks"] = token
    page = browser.get(ROOT)
    assert is_closed(page)
    assert page.text == opened.text == Client().get(ROOT).text


def test_revoking_closes_pages_that_are_open(project: Project, other_project: Project) -> None:
    browser, neighbour = visitor(make_link(project)), visitor(make_link(other_project))
    key = key_of(project, scopes=[KeyScope.WEBHOOKS_WRITE])
    assert ApiClient(key).post("/webhook-portal/revoke").status_code == 200
    assert is_closed(browser.get(ROOT))
    assert neighbour.get(ROOT).status_code == 200
    assert visitor(make_link(project)).get(ROOT).status_code == 200


@pytest.fixture
def other_project(db: None) -> Project:
    project: Project = ProjectFactory.create(name="Other")
    return project


def test_a_link_never_shows_or_changes_another_projects_rows(
    project: Project, endpoint: WebhookEndpoint, other_project: Project
) -> None:
    row = create_delivery(endpoint, "x", 0, timezone.now())
    own, _ = endpoint_at("https://other.example.com/", other_project)
    browser = visitor(make_link(other_project, can_act=True))
    assert URL not in browser.get(ROOT).text
    for path in (
        address(endpoint),
        address(endpoint, "deliveries", row.pk),
        address(own, "deliveries", row.pk),
        f"{ROOT}endpoints/whe_none",
        f"{ROOT}anything/else",
    ):
        assert is_closed(browser.get(path)), path
    for path in (
        address(endpoint, "test"),
        address(endpoint, "check"),
        address(endpoint, "replay"),
        address(endpoint, "enable"),
        address(endpoint, "deliveries", row.pk, "send-again"),
        address(own, "deliveries", row.pk, "send-again"),
    ):
        assert is_closed(browser.post(path)), path
    assert [each.pk for each in deliveries(endpoint)] == [row.pk]


def test_a_link_to_look_at_does_nothing(project: Project, endpoint: WebhookEndpoint) -> None:
    row = create_delivery(endpoint, "x", 0, timezone.now())
    browser = visitor(make_link(project))
    shown = browser.get(address(endpoint)).text
    assert row.pk in shown
    assert "<button" not in shown
    for name in ("test", "check", "replay", "enable"):
        assert is_closed(browser.post(address(endpoint, name)))
    assert is_closed(browser.post(address(endpoint, "deliveries", row.pk, "send-again")))
    assert [each.pk for each in deliveries(endpoint)] == [row.pk]
    assert not WebhookReplay.objects.for_project(project).filter(state="running").exists()


def test_a_link_with_actions_acts_under_its_own_name(
    project: Project, endpoint: WebhookEndpoint
) -> None:
    endpoints.change(endpoint=endpoint, changes={"enabled": False}, actor="test", at=timezone.now())
    browser = visitor(make_link(project, can_act=True))
    tested = browser.post(address(endpoint, "test"), follow=True)
    assert "A test event is on its way." in tested.text
    (delivery,) = deliveries(endpoint)
    again = browser.post(address(endpoint, "deliveries", delivery.pk, "send-again"), follow=True)
    assert "The event is on its way." in again.text
    checked = browser.post(address(endpoint, "check"), follow=True)
    assert "The check is under way." in checked.text
    assert browser.post(address(endpoint, "check")).status_code == 409
    complete_check(endpoint)
    shown = browser.get(address(endpoint)).text
    assert "Grade F" in shown
    assert "It accepts deliveries that we have not signed." in shown
    assert browser.post(address(endpoint, "enable")).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.is_enabled
    assert browser.post(address(endpoint, "replay")).status_code == 302
    second = browser.post(address(endpoint, "replay"))
    assert (second.status_code, "A replay of this endpoint is under way." in second.text) == (
        409,
        True,
    )
    actors = AuditEntry.objects.filter(subject=endpoint.pk, actor__startswith="webhook_portal:wpl_")
    assert sorted(actors.values_list("action", flat=True)) == [
        "webhook_endpoint.changed",
        "webhook_endpoint.checked",
        "webhook_endpoint.replayed",
        "webhook_endpoint.sent_again",
        "webhook_endpoint.tested",
    ]


def test_a_form_needs_a_csrf_token(project: Project, endpoint: WebhookEndpoint) -> None:
    browser = Client(enforce_csrf_checks=True)
    token = make_link(project, can_act=True)
    assert browser.post(f"{ROOT}open", {"token": token}).status_code == 403
    browser.cookies["tollgate_webhooks"] = token
    assert browser.post(address(endpoint, "test")).status_code == 403
    assert deliveries(endpoint) == []


def test_what_receivers_answer_is_text_and_secrets_are_not_shown(
    project: Project, endpoint: WebhookEndpoint
) -> None:
    row = create_delivery(endpoint, "<script>alert(1)</script>", 0, timezone.now())
    browser = visitor(make_link(project))
    shown = browser.get(address(endpoint, "deliveries", row.pk)).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert" not in shown
    pages = [shown, browser.get(address(endpoint)).text, browser.get(ROOT).text]
    assert not any("our-gateway-secret" in page or "whsec_" in page for page in pages)


def test_deliveries_are_filtered_and_paged(project: Project, endpoint: WebhookEndpoint) -> None:
    rows = [create_delivery(endpoint, "x", number, timezone.now()) for number in range(60)]
    browser = visitor(make_link(project))
    first = browser.get(address(endpoint)).text
    assert [row.pk in first for row in rows] == [False] * 35 + [True] * 25
    assert f"before={rows[35].pk}" in first
    last = browser.get(address(endpoint), {"before": rows[10].pk}).text
    assert [row.pk in last for row in rows] == [True] * 10 + [False] * 50
    assert "Older deliveries" not in last
    failed = browser.get(address(endpoint), {"state": "failed"}).text
    assert [row.pk in failed for row in rows[40:]] == [True, False] * 10
    assert browser.get(address(endpoint), {"state": "x", "before": "'"}).status_code == 200


def test_pages_cost_a_fixed_number_of_queries(project: Project, endpoint: WebhookEndpoint) -> None:
    browser = visitor(make_link(project))

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(path).status_code == 200
        return len(captured)

    row = create_delivery(endpoint, "x", 0, timezone.now())
    paths = [ROOT, address(endpoint), address(endpoint, "deliveries", row.pk)]
    few = [cost(each) for each in paths]
    for number in range(1, 6):
        create_delivery(endpoint, "x", number, timezone.now())
        endpoint_at(f"{URL}/{number}", project)
    assert [cost(each) for each in paths] == few
    assert max(few) <= 8
