"""A message fits on a phone, in the console's preview and by itself."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from console.operators import Role, ensure
from delivery.mail import kinds, messages
from delivery.mail.messages import Reader
from delivery.mail.samples import SAMPLES
from delivery.models import Channel, MailSettings
from projects.models import Project
from tests.browser.test_console import PASSWORD, PHONE, sign_in
from tests.browser.test_phone import OVERFLOW
from tests.factories.projects import ProjectFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def mail_settings(transactional_db: None) -> MailSettings:
    project: Project = ProjectFactory.create(name="Acme")
    return MailSettings.objects.for_project(project).create(
        channel=Channel.MAIL, kinds=list(kinds.NAMES), brand_name="Acme Cloud"
    )


def test_an_operator_looks_at_a_message_on_a_phone(
    page: Page, live_server: LiveServer, mail_settings: MailSettings
) -> None:
    ensure(username="ada", password=PASSWORD, role=Role.ADMINISTRATOR)
    page.set_viewport_size(PHONE)
    page.goto(f"{live_server.url}/admin/")
    sign_in(page)
    page.goto(f"{live_server.url}/admin/delivery/mailsettings/{mail_settings.pk}/change/")
    page.get_by_role("link", name="Preview each message").click()
    page.get_by_label("Message").select_option("trial_ending")
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Show").click()
    frame = page.frame_locator("iframe.tg-mail")
    expect(frame.get_by_text("Guten Tag Ada Lovelace,")).to_be_visible()
    assert page.evaluate(OVERFLOW) == []


@pytest.mark.parametrize("kind", ["receipt", "payment_failed"])
def test_a_message_is_no_wider_than_a_phone(page: Page, kind: str) -> None:
    long_name = "Acme Cloud Services and Infrastructure International"
    message = messages.write(
        kind=kinds.BY_NAME[kind],
        content=SAMPLES[kind],
        settings=MailSettings(),
        project_name=long_name,
        reader=Reader(name="Ada Lovelace"),
        unsubscribe_url="https://example.com/u",
    )
    page.set_viewport_size(PHONE)
    page.set_content(message.html)
    assert page.evaluate(OVERFLOW) == []
