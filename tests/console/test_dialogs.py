"""A dialog changes rows only when sent with a token and a reason."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from common.admin.pages import everywhere
from events.models import AuditEntry, OutboxEvent
from tests.console.dialogs import SENT
from tests.console.pages import PAGES, Page
from tests.console.world import World
from tests.transactions import count_writes, rolled_back

pytestmark = pytest.mark.django_db


BUTTONS = re.compile(r"<button (?!type=.button. class=.absolute)([^>]*)>(.*?)</button>", re.DOTALL)
"""What stands on the button that leaves a dialog, and on the one that sends it."""
ASKS_WHO = "/admin/entitlements/grant/begin/"
"""The one dialog that only leads to another; it changes nothing and needs no reason."""


def state_of(world: World) -> list[object]:
    """Everything that a dialog could have changed."""
    rows = [list(everywhere(type(row)).order_by("pk").values()) for row in vars(world).values()]
    outbox = OutboxEvent.objects.across_projects().count()
    return [*rows, AuditEntry.objects.count(), outbox]


@contextmanager
def nothing_changes(world: World, before: list[object]) -> Iterator[None]:
    """Inside, no row is written, or those of the world and the logs are as before in the end."""
    writes = count_writes()
    yield
    if count_writes() > writes:
        assert state_of(world) == before


def dialogs_of(noun: Page, world: World) -> list[str]:
    return [*noun.list_dialogs(), *noun.row_dialogs(noun.row_of(world))]


def test_opening_changes_nothing_and_shows_two_different_buttons(
    world: World, administrator: Client, subtests: pytest.Subtests
) -> None:
    before = state_of(world)
    for noun in PAGES:
        with subtests.test(noun.name), rolled_back(), nothing_changes(world, before):
            for address in dialogs_of(noun, world):
                body = {**SENT, "reason": "Because.", "name": "x"}
                page = administrator.get(address, body)
                assert page.status_code == 200
                assert_buttons_differ(page.text)
                assert administrator.head(address, body).status_code == 200


def assert_buttons_differ(page: str) -> None:
    """Nobody has to guess which of two buttons ends a subscription; only the one that does is
    red, and what it takes away has its own words for keeping it."""
    dismiss, submit = BUTTONS.findall(page)
    words = [" ".join(strip_tags(each[1]).split()) for each in (dismiss, submit)]
    words[1] = words[1].removeprefix("refresh ").strip()
    assert words[0] != words[1]
    assert "Cancel" not in words
    assert "bg-red-600" not in dismiss[0]
    if "bg-red-600" in submit[0]:
        assert words[0] != "Close"


def test_without_a_reason_nothing_changes(
    world: World, administrator: Client, subtests: pytest.Subtests
) -> None:
    before = state_of(world)
    for noun in PAGES:
        asking = [address for address in dialogs_of(noun, world) if address != ASKS_WHO]
        with subtests.test(noun.name), rolled_back(), nothing_changes(world, before):
            for address, reason in itertools.product(asking, ["", "  ", "no", "x" * 501]):
                answer = administrator.post(address, {**SENT, "reason": reason, "name": "x"})
                assert answer.status_code == 200
                assert 'name="reason"' in answer.text
                assert "errors" in answer.text


def test_without_a_token_nothing_changes(
    world: World, administrator: Client, subtests: pytest.Subtests
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="administrator"))
    before = state_of(world)
    for noun in PAGES:
        with subtests.test(noun.name), rolled_back(), nothing_changes(world, before):
            for address in dialogs_of(noun, world):
                assert strict.post(address, {**SENT, "reason": "Because."}).status_code == 403
