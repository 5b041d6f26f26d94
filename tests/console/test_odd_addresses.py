"""Odd addresses of the console get an answer and no server error."""

import pytest
from django.test import Client

from tests.console.pages import PAGES
from tests.console.world import build
from tests.transactions import rolled_back

pytestmark = pytest.mark.django_db

SHOWN = "q=%ED%A0%80%FF&p=-1&o=99.-99.x&id__gt=1"
"""Odd values that every list takes: one does not hide another."""
ODD = [
    {"q": "x" * 5000, "p": "999999999999"},
    {"q": "nul\x00"},
    {"status": "nonsense"},
    {"state": "nonsense\x00"},
    {"project__id__exact": "prj_nothing"},
    {"project__id__exact": "\x00"},
    {"created_at_from": "yesterday", "created_at_to": "2026-99-99"},
    {"nonsense": "1"},
    {"customer__project__own_stripe_account__secret_key__startswith": "k"},
]


def test_odd_queries_of_lists_do_not_crash(
    administrator: Client, subtests: pytest.Subtests
) -> None:
    build()

    for noun in PAGES:
        with subtests.test(noun.name), rolled_back():
            for query in ODD:
                answer = administrator.get(noun.listing, query)
                assert answer.status_code in (200, 302, 400), (query, answer.status_code)
            assert administrator.get(f"{noun.listing}?{SHOWN}").status_code == 200


def test_missing_rows_are_not_found(administrator: Client, subtests: pytest.Subtests) -> None:
    for noun in PAGES:
        with subtests.test(noun.name), rolled_back():
            for key in ("nothing", "0", "%00", "x" * 300, "a/b", "é"):
                answer = administrator.get(f"{noun.listing}{key}/change/")
                assert answer.status_code in (302, 400, 404), (key, answer.status_code)


@pytest.mark.parametrize("term", ["x", "a\x00b", "x" * 5000, "prj_", "'; --"])
def test_odd_searches_do_not_crash(term: str, administrator: Client) -> None:
    build()

    answer = administrator.get("/admin/search/", {"s": term, "extended": "1"})

    assert answer.status_code in (200, 400)
