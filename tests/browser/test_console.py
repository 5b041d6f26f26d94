"""An operator grants access, revokes it and issues keys in the console, on a phone too."""

import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from console.operators import Role, ensure
from entitlements.decisions.selectors import decisions
from events.models import AuditEntry
from projects.keys.selectors import credentials
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
    """The console of a signed-in operator. It must ask this host only, and must not complain."""
    elsewhere: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    ensure(username="ada", password=PASSWORD, role=Role.OPERATOR)
    browser = Client()
    browser.force_login(get_user_model().objects.get(username="ada"))
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
    )
    yield page
    assert [url for url in elsewhere if not url.startswith((live_server.url, "data:"))] == []
    assert complaints == []


def sign_in(page: Page) -> None:
    """Fill in the form that a visitor without a session gets."""
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_title(re.compile("Overview"))


def can_use(world: World, feature: str) -> tuple[object, str]:
    decision = decisions.check(
        project=world.project,
        user_id=world.customer.user_id,
        feature=feature,
        at=timezone.now(),
    )
    return decision.value, decision.reason.value


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
    assert can_use(world, "feature-1") == (6, "granted")
    dialog.get_by_role("button", name="Grant access").click()

    expect(access.get_by_role("row", name="feature-1")).to_contain_text("25")
    grants = console.get_by_label("Grants")
    expect(grants.get_by_role("row", name="Made up for an outage")).to_contain_text("active")
    assert can_use(world, "feature-1") == (25, "granted")

    grants.get_by_role("row", name="Made up for an outage").get_by_text("End").click()
    expect(dialog.get_by_role("row", name="feature-1")).to_contain_text("6 (granted)")
    dialog.get_by_label("Reason").fill("Enough")
    dialog.get_by_role("button", name="End the grant").click()

    expect(access.get_by_role("row", name="feature-1")).to_contain_text("6")
    expect(grants.get_by_role("row", name="Made up for an outage")).to_contain_text("revoked")
    expect(console.get_by_label("Done by hand")).to_contain_text("Enough")
    assert can_use(world, "feature-1") == (6, "granted")


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
    assert can_use(world, "feature-0") == (False, "revoked")
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
    dialog.get_by_text("Leave access as it is").click()
    expect(dialog).to_be_hidden()
    assert can_use(world, "feature-0") == (True, "entitled")


def focused(console: Page) -> str:
    return str(
        console.evaluate(
            "(document.activeElement.closest('#modal-content') ? 'dialog: ' : 'page: ')"
            " + (document.activeElement.innerText || document.activeElement.name).trim()"
        )
    )


def test_the_keyboard_stays_in_an_open_dialog_and_comes_back(
    console: Page, live_server: LiveServer, world: World
) -> None:
    """Enter must never reach a button behind the dialog, least of all one that takes away."""
    open_customer(console, live_server, world)
    opener = console.get_by_role("link", name="Take access away")
    opener.focus()
    before = focused(console)
    console.keyboard.press("Enter")
    dialog = console.locator("#dialog")
    expect(dialog.get_by_label("What")).to_be_focused()

    for key in ("Tab", "Shift+Tab"):
        for _ in range(12):
            console.keyboard.press(key)
            assert focused(console).startswith("dialog:") or key_is_in_the_browser(console)
    dialog.get_by_label("Reason").fill("Chargeback")
    console.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert focused(console) == before
    assert before.startswith("page:")
    assert "Take access away" in before


def key_is_in_the_browser(console: Page) -> bool:
    """Tab goes around through the browser's own bar: nothing of the page has the keyboard."""
    return bool(console.evaluate("document.activeElement === document.body"))


def test_a_dialog_that_ends_something_says_so_in_red(
    console: Page, live_server: LiveServer, world: World
) -> None:
    """Dismissing and doing are never the same word."""
    at = reverse("admin:billing_subscription_change", args=[quote(world.subscription.pk)])
    console.goto(f"{live_server.url}{at}")
    console.get_by_role("link", name="Cancel").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("When").select_option("now")
    dialog.get_by_label("Reason").fill("Asked for by mail")
    dialog.get_by_role("button", name="Show what will change").click()
    buttons = dialog.locator(".tg-dialog-buttons button")
    expect(buttons).to_have_text(
        [*map(re.compile, ("Keep subscription", "Cancel subscription now"))]
    )
    colours = buttons.evaluate_all("all => all.map(each => getComputedStyle(each).backgroundColor)")
    assert is_red(colours[1])
    assert not is_red(colours[0])
    buttons.first.click()
    expect(dialog).to_be_hidden()
    before = world.subscription.status
    world.subscription.refresh_from_db()
    assert (world.subscription.status, world.subscription.cancel_at) == (before, None)


def is_red(colour: str) -> bool:
    """Of a computed colour, by what a canvas makes of it."""
    return colour in ("rgb(220, 38, 38)", "oklch(0.577 0.245 27.325)", "rgb(231, 0, 11)")


def test_the_secret_of_a_key_is_shown_once(
    console: Page, live_server: LiveServer, world: World
) -> None:
    console.goto(f"{live_server.url}/admin/projects/project/{world.project.pk}/change/")
    console.get_by_role("link", name="Issue a key").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("Name").fill("Billing job")
    dialog.get_by_label("checkout:write").check()
    dialog.get_by_label("Reason").fill("For the new job")

    dialog.get_by_role("button", name="Issue").click()

    secret = console.locator("#new-secret").inner_text()
    assert SECRET.fullmatch(secret)
    credential = credentials.find(secret=secret, at=timezone.now())
    assert credential is not None
    console.get_by_role("link", name="I have copied it").click()
    expect(console.get_by_text("Billing job").first).to_be_visible()
    assert secret not in console.content()
    console.go_back()
    assert secret not in console.content()
    console.goto(f"{live_server.url}/admin/projects/project/{world.project.pk}/change/")
    expect(console.get_by_label("Keys").get_by_role("row", name="Billing job")).to_have_count(1)


def test_a_double_click_submits_once(console: Page, live_server: LiveServer, world: World) -> None:
    console.goto(f"{live_server.url}/admin/webhooks/inboundevent/{world.event.pk}/change/")
    console.get_by_role("link", name="Replay").click()
    dialog = console.locator("#dialog")
    dialog.get_by_label("Reason").fill("Stripe was away")

    dialog.get_by_role("button", name="Replay").dblclick()

    expect(console.get_by_text("The object will be read again.")).to_be_visible()
    assert AuditEntry.objects.filter(action="inbound_event.replay").count() == 1


def test_the_palette_finds_a_customer(console: Page, live_server: LiveServer, world: World) -> None:
    """Of an operator who has signed in with the form."""
    console.context.clear_cookies()
    console.goto(f"{live_server.url}/admin/")
    sign_in(console)
    console.keyboard.press("Control+k")
    console.locator("#search-input-command").type(world.customer.user_id)

    console.locator("#command-results").get_by_text(world.customer.user_id).first.click()

    expect(console.get_by_label("What they may do, and why")).to_be_visible()
