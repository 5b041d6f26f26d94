"""Every route refuses unknown query parameters and then changes nothing."""

from projects.keys.scopes import PLATFORM
from projects.models import Project
from tests.api_client import ApiClient
from tests.architecture.route import Route
from tests.architecture.routes import ROUTES
from tests.architecture.tenant import Words, fill
from tests.architecture.test_isolation import rows_of
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of
from tests.transactions import count_writes, rolled_back


def test_an_unknown_parameter_is_refused_everywhere(
    own_words: Words, project: Project, platform_api: ApiClient, stripe: SandboxStripe
) -> None:
    owner = ApiClient(key_of(project))
    before = rows_of(project)
    taken = []
    for route in ROUTES:
        with rolled_back(), stripe.unchanged():
            writes = count_writes()
            answer = _call(platform_api if route.scope == PLATFORM else owner, route, own_words)
            changed = count_writes() > writes and rows_of(project) != before
            if answer[0] != 422 or "surprise" not in answer[1] or changed:
                taken.append((str(route), *answer))
    assert taken == []


def _call(client: ApiClient, route: Route, words: Words) -> tuple[int, str]:
    query = {**fill(route.query, words), "surprise": "1"}
    path, body = fill(route.path, words), fill(route.body, words)
    answer = client.request(route.method, path, body, query=query)
    return answer.status_code, answer.content.decode()[:300]
