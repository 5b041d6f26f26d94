"""The title of a page is the sidebar's word for it."""

import re
from html import unescape

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from common.admin.sidebar import SidebarEntry
from console.sidebar import sidebar_entries
from tests.console.pages import PAGES
from tests.console.world import World

pytestmark = pytest.mark.django_db

ENTRIES = sidebar_entries()


@pytest.mark.parametrize("model", ENTRIES, ids=lambda model: model.__name__)
def test_a_list_has_the_title_of_its_entry_in_the_sidebar(
    model: type[Model], administrator: Client
) -> None:
    options, entry = model._meta, ENTRIES[model]
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")

    page = administrator.get(address).text

    assert text_of(page, "title") == f"{entry.title} | Tollgate"
    assert text_of(page, "h1").startswith(heading(entry))
    assert re.search(
        rf"<a href=\"{address}\"[^>]*>[^<]*<[^>]*>[^<]*</span>\s*<[^>]*>\s*"
        rf"{entry.title}",
        page,
    ), "the sidebar's own word"


def test_a_row_has_the_words_of_its_list_above_it(
    administrator: Client, world: World, subtests: pytest.Subtests
) -> None:
    for noun in PAGES:
        if noun.model in ENTRIES:
            with subtests.test(noun.name):
                page = administrator.get(noun.of(noun.row_of(world))).text
                assert text_of(page, "h1").startswith(f"{heading(ENTRIES[noun.model])} › ")


def heading(entry: SidebarEntry) -> str:
    return f"{entry.group} › {entry.title}"


def text_of(page: str, element: str) -> str:
    """The text of the first element of this kind, with › for the sign between its parts."""
    match = re.search(rf"<{element}\b.*?</{element}>", page, re.DOTALL)
    assert match is not None
    words = unescape(strip_tags(match[0])).replace("chevron_right", " › ")
    return " ".join(words.split())
