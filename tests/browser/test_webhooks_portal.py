"""A tenant's developer opens the link to the page of webhooks, on a phone and on a desktop."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Request, expect
from pytest_django.live_server_helper import LiveServer

from delivery.models import WebhookEndpoint
from delivery.webhooks.portal import links
from projects.models import Project
from tests.browser.test_console import PHONE
from tests.browser.test_phone import OVERFLOW
from tests.console.world_webhooks import create_delivery, create_endpoint
from tests.factories.projects import ProjectFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture
def project(transactional_db: None) -> Project:
    project: Project = ProjectFactory.create(name="Acme Cloud Services and Infrastructure")
    now = timezone.now()
    endpoint = create_endpoint(project, "events/with/a/rather/long/path/for/a/phone" * 2, now)
    WebhookEndpoint.objects.for_project(project).filter(pk=endpoint.pk).update(
        breaker_until=now + timedelta(minutes=30), state="enabled"
    )
    for number in range(30):
        create_delivery(endpoint, '{"error": "The receiver is away."}', number, now)
    working = create_endpoint(project, "other", now)
    WebhookEndpoint.objects.for_project(project).filter(pk=working.pk).update(
        failing_since=None, last_problem="", last_success_at=now, description="Billing"
    )
    return project


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_developer_sends_a_failed_delivery_again(
    page: Page, live_server: LiveServer, project: Project, size: dict[str, int], tmp_path: Path
) -> None:
    addresses: list[str] = []
    referrers: list[str] = []

    def note(request: Request) -> None:
        addresses.append(request.url)
        referrers.append(request.headers.get("referer", ""))

    page.on("request", note)
    page.set_viewport_size(size)  # type: ignore[arg-type]  # width and height
    link = links.create(project=project, can_act=True, hours=1, actor="test", at=timezone.now())
    page.goto(f"{live_server.url}{links.OPEN_PATH}#{link.token}")
    expect(page.get_by_role("heading", name="Endpoints")).to_be_visible()
    look(page, tmp_path, "endpoints")
    page.get_by_role("link", name="https://hook.example.com/events").first.click()
    page.get_by_role("link", name="Failed", exact=True).click()
    expect(page.get_by_role("link", name="Failed", exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    look(page, tmp_path, "endpoint")
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    look(page, tmp_path, "delivery")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("The event is no longer kept.")).to_be_visible()
    look(page, tmp_path, "refused")
    page.get_by_role("link", name="Back to the endpoint").click()
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_role("status")).to_contain_text("A test event is on its way.")
    look(page, tmp_path, "tested")
    secret = link.token.partition(":")[0]
    assert not any(secret in each for each in (*addresses, *referrers, page.url))
    assert all(each.startswith((live_server.url, "data:")) for each in addresses), addresses


def test_a_link_that_does_not_work_says_what_to_do(
    page: Page, live_server: LiveServer, project: Project, tmp_path: Path
) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{live_server.url}{links.OPEN_PATH}#nonsense")
    expect(page.get_by_text("ask the person who gave it to you")).to_be_visible()
    look(page, tmp_path, "closed")
    page.goto(f"{live_server.url}{links.PATH}")
    page.goto(f"{live_server.url}{links.OPEN_PATH}")
    expect(page.get_by_text("This address is complete only with")).to_be_visible()


def look(page: Page, folder: Path, name: str) -> None:
    """Keep a picture, and check that nothing sticks out and every control has a name."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    assert page.evaluate(OVERFLOW) == []
    for role in ("link", "button"):
        for control in page.get_by_role(role).all():
            assert control.inner_text().strip(), control
    assert page.get_by_role("main").count() == 1
    assert page.locator("h1").count() == 1
