"""Two tenants with one of everything, which all tests of this directory share."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.architecture.tenant import Words, words_of
from tests.billing_fixtures import process_everything
from tests.prepared_world import PreparedWorld, open_world


@pytest.fixture(scope="package")
def prepared_world(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[PreparedWorld]:
    with open_world(django_db_blocker) as world:
        yield world


@pytest.fixture(scope="package")
def words_by_slug(prepared_world: PreparedWorld) -> dict[str, Words]:
    """The tenants' names and ids, by project."""
    stripe = prepared_world.stripe
    return {
        slug: words_of(prepared_world.project(slug), stripe, lambda: process_everything(stripe))
        for slug in ("acme", "borealis")
    }


@pytest.fixture
def own_words(words_by_slug: dict[str, Words]) -> Words:
    return dict(words_by_slug["acme"])


@pytest.fixture
def neighbours_words(words_by_slug: dict[str, Words]) -> Words:
    return dict(words_by_slug["borealis"])
