"""An operator at work in the console: gives access, takes it back, issues a key; on a phone too."""

import re
from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from config.operators import Role, ensure
from entitlements.selectors import decisions
from events.models import AuditEntry
from projects.selectors import credentials
from tests.console.world import World, build

pytestmark = pytest.mark.browser

PASSWORD = "a-long-enough-passphrase"
PHONE: ViewportSize = {"width": 390, "height": 844}
SECRET = re.compile(r"tg_test_[A-Za-z0-9_\-]{43}")


@pytest.fixture
def world(transactional_db: None) -> World:
    return build(size=2)


@pytest.fixture
def console(page: Page, live_server: LiveServer, world: World) -> Iterator[Page]:
    """The console after sign-in. It must ask this host only, and must not complain."""
    elsewhere: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda asked: elsewhere.append(asked.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type == "error" else None,
    )
    ensure(username="ada", password=PASSWORD, role=Role.OPERATOR)
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title(re.compile("Overview"))
    yield page
    assert [url for url in elsewhere if not url.startswith((live_server.url, "data:"))] == []
    assert complaints == []


def may(world: World, feature: str) -> tuple[object, str]:
    found = decisions.check(
        project=world.project,
        user_id=world.customer.user_id,
        feature=feature,
        at=timezone.now(),
    )
    return found.value, found.reason.value


def open_customer(console: Page, live_server: LiveServer, world: World) -> None:
    console.goto(f"{live_server.url}/admin/projects/customer/?q={world.customer.user_id}")
    console.get_by_role("link", name=world.customer.user_id, exact=True).first.click()


def test_grant_and_end_access(console: Page, live_server: LiveServer, world: World) -> None:
    open_customer(console, live_server, world)
    access = console.get_by_label("What they may do, and why")
    expect(access.get_by_role("row", name="feature-1")).to_contain_text("6")

    console.get_by_role("link", name="Grant access").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("What").select_option("feature:feature-1")
    dialog.get_by_label("Value").fill("25")
    dialog.get_by_label("Reason").fill("Made up for an outage")
    dialog.get_by_role("button", name="Show what will change").click()
    expect(dialog.get_by_role("row", name="feature-1")).to_contain_text("25 (granted)")
    assert may(world, "feature-1") == (6, "granted")
    dialog.get_by_role("button", name="Grant access").click()

    expect(access.get_by_role("row", name="feature-1")).to_contain_text("25")
    grants = console.get_by_label("Grants")
    expect(grants.get_by_role("row", name="Made up for an outage")).to_contain_text("active")
    assert may(world, "feature-1") == (25, "granted")

    grants.get_by_role("row", name="Made up for an outage").get_by_text("End").click()
    expect(dialog.get_by_role("row", name="feature-1")).to_contain_text("6 (granted)")
    dialog.get_by_label("Reason").fill("Enough")
    dialog.get_by_role("button", name="End the grant").click()

    expect(access.get_by_role("row", name="feature-1")).to_contain_text("6")
    expect(grants.get_by_role("row", name="Made up for an outage")).to_contain_text("revoked")
    expect(console.get_by_label("Done by hand")).to_contain_text("Enough")
    assert may(world, "feature-1") == (6, "granted")


def test_grant_from_the_list(console: Page, live_server: LiveServer, world: World) -> None:
    console.goto(f"{live_server.url}/admin/entitlements/grant/")
    console.get_by_role("link", name="Grant access").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("Project").select_option(world.project.pk)
    dialog.get_by_label("User id").fill(world.customer.user_id)
    dialog.get_by_role("button", name="Continue").click()

    dialog.get_by_label("What").select_option(f"product:{world.product.pk}")
    dialog.get_by_label("Reason").fill("Beta tester")
    dialog.get_by_role("button", name="Show what will change").click()
    dialog.get_by_role("button", name="Grant access").click()

    expect(console.get_by_label("Grants").get_by_role("row", name="Beta tester")).to_be_visible()


def test_take_access_away_on_a_phone(console: Page, live_server: LiveServer, world: World) -> None:
    console.set_viewport_size(PHONE)
    open_customer(console, live_server, world)

    console.get_by_role("link", name="Take access away").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("What").select_option("feature:feature-0")
    dialog.get_by_label("Reason").fill("Chargeback")
    dialog.get_by_role("button", name="Show what will change").click()
    expect(dialog.get_by_role("row", name="feature-0")).to_contain_text("off (revoked)")
    dialog.get_by_role("button", name="Take access away").click()

    row = console.get_by_label("What they may do, and why").get_by_role("row", name="feature-0")
    expect(row.get_by_role("cell", name="revoked", exact=True)).to_be_visible()
    assert may(world, "feature-0") == (False, "revoked")
    too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not console.evaluate(too_wide)


def test_a_missing_reason_is_asked_for(
    console: Page, live_server: LiveServer, world: World
) -> None:
    open_customer(console, live_server, world)
    console.get_by_role("link", name="Take access away").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("What").select_option("feature:feature-0")

    dialog.get_by_role("button", name="Show what will change").click()

    expect(dialog).to_contain_text("This field is required.")
    dialog.get_by_text("Cancel").click()
    expect(dialog).to_be_hidden()
    assert may(world, "feature-0") == (True, "entitled")


def test_a_key_is_seen_once(console: Page, live_server: LiveServer, world: World) -> None:
    console.goto(f"{live_server.url}/admin/projects/project/{world.project.pk}/change/")
    console.get_by_role("link", name="Issue a key").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("Name").fill("Billing job")
    dialog.get_by_label("checkout:write").check()
    dialog.get_by_label("Reason").fill("For the new job")

    dialog.get_by_role("button", name="Issue").click()

    secret = console.locator("#new-secret").inner_text()
    assert SECRET.fullmatch(secret)
    found = credentials.find(secret=secret, at=timezone.now())
    assert found is not None
    console.get_by_role("link", name="I have copied it").click()
    expect(console.get_by_text("Billing job").first).to_be_visible()
    assert secret not in console.content()
    console.go_back()
    assert secret not in console.content()
    console.goto(f"{live_server.url}/admin/projects/project/{world.project.pk}/change/")
    expect(console.get_by_label("Keys").get_by_role("row", name="Billing job")).to_have_count(1)


def test_a_double_click_sends_once(console: Page, live_server: LiveServer, world: World) -> None:
    console.goto(f"{live_server.url}/admin/webhooks/inboundevent/{world.event.pk}/change/")
    console.get_by_role("link", name="Replay").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("Reason").fill("Stripe was away")

    dialog.get_by_role("button", name="Replay").dblclick()

    expect(console.get_by_text("The object will be read again.")).to_be_visible()
    assert AuditEntry.objects.filter(action="inbound_event.replay").count() == 1


def test_the_palette_finds_a_customer(console: Page, live_server: LiveServer, world: World) -> None:
    console.keyboard.press("Control+k")
    console.locator("#search-input-command").type(world.customer.user_id)

    console.locator("#command-results").get_by_text(world.customer.user_id).first.click()

    expect(console.get_by_label("What they may do, and why")).to_be_visible()
