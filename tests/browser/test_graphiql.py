"""The page for GraphQL queries works in a browser that can reach no other host."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_api_docs import LARGE, PHONE, needed_width, open_on_a_phone, watched
from tests.factories.projects import CustomerFactory, ProjectFactory, key_of

__all__ = ["watched"]

pytestmark = pytest.mark.browser


def test_graphiql_runs_queries_and_shows_the_schema(
    watched: Page,  # the fixture
    live_server: LiveServer,
    settings: Settings,
) -> None:
    settings.GRAPHIQL = True
    project = ProjectFactory.create()
    CustomerFactory.create(project=project, user_id="ada")

    open_on_a_phone(watched, f"{live_server.url}/graphiql")
    watched.get_by_label("Key").fill(key_of(project))
    watched.get_by_label("Query").fill(
        "query ($n: Int!) { customers(first: $n) { nodes { userId } } }"
    )
    watched.get_by_label("Variables").fill('{"n": 3}')
    watched.get_by_role("button", name="Run").click()

    expect(watched.locator("#answer")).to_contain_text('"userId": "ada"')
    expect(watched.locator("#schema")).to_contain_text("getInvoice(shipmentId: ID!): Invoice")
    assert needed_width(watched) <= PHONE["width"]

    watched.set_viewport_size(LARGE)
    watched.get_by_label("Query").fill("{ nothing }")
    watched.get_by_label("Query").press("Control+Enter")
    expect(watched.locator("#answer")).to_contain_text("query-invalid")


def test_graphiql_is_for_development_only(page: Page, live_server: LiveServer) -> None:
    response = page.goto(f"{live_server.url}/graphiql")

    assert response is not None
    assert response.status == 404
