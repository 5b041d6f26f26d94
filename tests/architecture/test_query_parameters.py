"""Every route refuses unknown query parameters and then changes nothing."""

from collections.abc import Callable

import pytest

from projects.keys.scopes import PLATFORM
from projects.models import Project
from tests.api_client import ApiClient
from tests.architecture.route import Route
from tests.architecture.routes import ROUTES
from tests.architecture.tenant import Words, fill, words_of
from tests.architecture.test_isolation import rows_of
from tests.architecture.transactions import rolled_back
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of


@pytest.fixture
def words(project: Project, stripe: SandboxStripe, drain: Callable[[], None]) -> Words:
    return words_of(project, stripe, drain)


def test_an_unknown_parameter_is_refused_everywhere(
    words: Words, project: Project, platform_api: ApiClient, stripe: SandboxStripe
) -> None:
    owner = ApiClient(key_of(project))
    before = rows_of(project)
    taken = []
    for route in ROUTES:
        with rolled_back(), stripe.unchanged():
            answer = _call(platform_api if route.scope == PLATFORM else owner, route, words)
            if answer[0] != 422 or "surprise" not in answer[1] or rows_of(project) != before:
                taken.append((str(route), *answer))
    assert taken == []


def _call(client: ApiClient, route: Route, words: Words) -> tuple[int, str]:
    query = {**fill(route.query, words), "surprise": "1"}
    path, body = fill(route.path, words), fill(route.body, words)
    answer = client.request(route.method, path, body, query=query)
    return answer.status_code, answer.content.decode()[:300]
