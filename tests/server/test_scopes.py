"""A key without the scope is refused also where the event loop answers from what it remembers."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
import pytest

from config.server.application import Application
from projects.keys.scopes import KeyScope
from projects.models import Project
from tests.factories.projects import key_of
from tests.server.metered_project import key_with_limit
from tests.server.server_requests import run_with_application, send
from tests.wsgi_calls import CHECK, CONSUME, drop_local_caches
from usage.models import Counter

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT, TURNS = 100, 3
"""``TURNS``: the process remembers the answer, and the key, whose use is recorded by then."""
Ask = Callable[[Application, str], Awaitable[Any]]


async def check(app: Application, key: str) -> Any:
    query = "user_id=ada&feature=api"
    return await send(app, CHECK, b"", method="GET", query_string=query, **bearer(key))


async def consume(app: Application, key: str) -> Any:
    body = orjson.dumps({"feature": "api", "user_id": "ada"})
    return await send(app, CONSUME, body, **bearer(key))


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def play(app: Application, *, ask: Ask, instead: Ask, keys: list[str]) -> list[list[int]]:
    """The statuses that each key gets, one after the other in each turn; the last key may only
    ask ``instead``, and does so first."""
    allowed = [(await instead(app, keys[-1]))[0] for _ in range(TURNS)]
    turns = [[(await ask(app, key))[0] for key in keys] for _ in range(TURNS)]
    return [allowed, *(list(statuses) for statuses in zip(*turns, strict=True))]


@pytest.mark.parametrize(
    ("ask", "instead", "scope"),
    [(check, consume, KeyScope.USAGE_WRITE), (consume, check, KeyScope.ENTITLEMENTS_READ)],
    ids=["check", "consume"],
)
def test_a_remembered_key_is_refused_without_the_scope(
    ask: Ask, instead: Ask, scope: KeyScope, project: Project
) -> None:
    drop_local_caches()
    keys = [key_with_limit(project, limit=LIMIT), key_of(project, scopes=[scope])]
    story = partial(play, ask=ask, instead=instead, keys=keys)
    assert run_with_application(story) == [[200] * TURNS, [200] * TURNS, [403] * TURNS]
    counted = Counter.objects.for_project(project).values_list("used", flat=True)
    assert list(counted) == [TURNS], "What was refused is not counted."
