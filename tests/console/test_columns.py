"""Columns of the console show rendered values and never sealed ones."""

import re

import pytest
from django.test import Client

from tests.console.pages import NAMES, PAGES, Page
from tests.console.world import World, build

SEALED = re.compile(r"\bt\d+\.[A-Za-z0-9_\-]{20,}")
"""As :mod:`common.crypto` writes it."""


@pytest.fixture
def world(db: None) -> World:
    return build(size=2)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_column_is_shadowed_by_a_field_of_its_name(page: Page) -> None:
    """Django would show the field, and the method that says something better would never run."""
    names = {field.name for field in page.model._meta.concrete_fields}
    own_names = {name for each in type(page.admin).mro() for name in vars(each) if name in names}
    shown = {str(each) for each in (*page.admin.list_display, *(page.admin.fields or ()))}
    assert own_names & shown == set()


def test_sealed_values_are_never_shown(world: World, administrator: Client) -> None:
    for page in PAGES:
        for address in (page.listing, page.of(page.row_of(world))):
            assert not SEALED.search(administrator.get(address).content.decode()), address
