"""The isolation matrix: every route, as everybody who must not get through, against real rows.

Two projects sell through one Stripe account. What the second is answered about the first's rows is
compared, to the byte, with what it is answered about rows that do not exist.
"""

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from common.models import ProjectOwned
from projects.models import ApiKey, Project
from projects.scopes import ALL, PLATFORM
from tests.api_client import ApiClient
from tests.architecture.routes import ROUTES, SIGNED_IN, WITHOUT_A_KEY, Route
from tests.architecture.tables import tables_of
from tests.architecture.tenant import Words, fill, nobodys, words_of
from tests.architecture.transactions import undone
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of

UNTOLD = {"X-Request-ID", "Date", "Content-Length"}
"""Headers that differ between any two answers."""


# Which routes there are.


def declared() -> Iterator[tuple[str, str, Any]]:
    """Method, path and view of every route below /api/v1, from the URLconf itself."""
    for path, pattern in _patterns(get_resolver(), ""):
        if not path.startswith("/api/v1"):
            continue
        short = re.sub(r"<(\w+)>", r"{\1}", path.removeprefix("/api/v1"))
        for method in getattr(pattern.callback, "actions", {"any": ""}):
            yield method.upper(), short, pattern.callback


def _patterns(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        path = prefix + str(each.pattern.regex.pattern).removeprefix("^")
        if isinstance(each, URLResolver):
            yield from _patterns(each, path)
        else:
            yield simplify_regex(path).replace("\\-", "-"), each


def anonymous(path: str) -> str:
    """The path without the names of its parts, which are each app's own business."""
    return re.sub(r"\{\w+\}", "{}", path)


def test_the_matrix_holds_every_route() -> None:
    there = {(method, anonymous(path)) for method, path, _ in declared() if method != "HEAD"}
    listed = {(route.method, anonymous(route.path)) for route in [*ROUTES, *SIGNED_IN]}
    unguarded = {("ANY", anonymous(path)) for path in WITHOUT_A_KEY}

    assert there - listed - unguarded == set(), "Add these routes to tests/architecture/routes.py."
    assert listed | unguarded == there, "These routes are gone."
    assert len(listed) == len(ROUTES) + len(SIGNED_IN)


def test_every_action_asks_for_the_scope_that_the_matrix_says() -> None:
    asked = {}
    for method, path, view in declared():
        scopes: dict[str, str] = getattr(getattr(view, "cls", None), "scopes", {})
        if hasattr(view, "actions") and method != "HEAD":
            asked[method, anonymous(path)] = scopes.get(view.actions[method.lower()])

    every = [*ROUTES, *SIGNED_IN]
    assert asked == {(route.method, anonymous(route.path)): route.scope for route in every}


# Who gets through.


@pytest.fixture
def mine(project: Project, stripe: SandboxStripe, drain: Callable[[], None]) -> Words:
    return words_of(project, stripe, drain)


@pytest.fixture
def theirs(other_project: Project, stripe: SandboxStripe, drain: Callable[[], None]) -> Words:
    return words_of(other_project, stripe, drain)


def call(client: ApiClient, route: Route, words: Words) -> Any:
    return client.request(
        route.method,
        fill(route.path, words),
        fill(route.body, words),
        query=fill(route.query, words),
    )


def rows_of(project: Project) -> dict[str, str]:
    """A fingerprint of every table's rows of this project, but for when its keys were used."""
    prints = {}
    with connection.cursor() as cursor:
        for model in tables_of(ProjectOwned):
            table = model._meta.db_table
            cursor.execute(
                "SELECT md5(coalesce(string_agg(md5((to_jsonb(r) - 'last_used_at')::text), '' "
                f"ORDER BY to_jsonb(r)::text), '')) FROM \"{table}\" r WHERE project_id = %s",
                [project.pk],
            )
            prints[table] = cursor.fetchone()[0]
    return prints


def test_its_owner_gets_through(
    mine: Words, project: Project, platform_api: ApiClient, stripe: SandboxStripe
) -> None:
    """Without this the refusals below could be for any reason at all."""
    owner = ApiClient(key_of(project))
    wrong = []
    for route in ROUTES:
        with undone(), stripe.unchanged():
            answer = call(platform_api if route.scope == PLATFORM else owner, route, mine)
        if answer.status_code != route.status:
            wrong.append(f"{route}: {answer.status_code} {answer.content[:300]!r}")
    assert wrong == []


@pytest.mark.parametrize("caller", ["no key", "revoked key", "a key that never was"])
def test_without_a_live_key_nobody_gets_through(mine: Words, project: Project, caller: str) -> None:
    key = {"no key": "", "a key that never was": "tg_test_" + "a" * 43}.get(caller)
    if key is None:
        key = key_of(project)
        newest = ApiKey.objects.for_project(project).latest("id")
        ApiKey.objects.for_project(project).filter(pk=newest.pk).update(
            revoked_at="2026-01-01T00:00Z"
        )
    client, before = ApiClient(key), rows_of(project)
    expected = "key-required" if caller == "no key" else "invalid-key"

    answers = {str(route): call(client, route, mine) for route in ROUTES}

    assert {
        name: each.status_code for name, each in answers.items() if each.status_code != 401
    } == {}
    assert {each.json()["code"] for each in answers.values()} == {expected}
    assert rows_of(project) == before


def test_without_the_scope_nobody_gets_through(mine: Words, project: Project) -> None:
    keys = {scope: key_of(project, scopes=sorted(set(ALL) - {scope})) for scope in [*ALL, PLATFORM]}
    before = rows_of(project)

    answers = {str(route): call(ApiClient(keys[route.scope]), route, mine) for route in ROUTES}

    assert {
        name: each.status_code for name, each in answers.items() if each.status_code != 403
    } == {}
    assert {each.json()["code"] for each in answers.values()} == {"scope-missing"}
    assert rows_of(project) == before


def test_the_platforms_key_reads_no_tenants_business(
    mine: Words, project: Project, platform_api: ApiClient
) -> None:
    closed = [route for route in ROUTES if not route.path.startswith("/projects")]
    before = rows_of(project)

    answers = {str(route): call(platform_api, route, mine) for route in closed}

    assert {
        name: each.status_code for name, each in answers.items() if each.status_code != 403
    } == {}
    assert rows_of(project) == before


# What a neighbour learns.


def foreign_words(route: Route, mine: Words, theirs: Words) -> Iterator[tuple[str, Words, Words]]:
    """The route with foreign words, all and one at a time; beside each, the same with nobody's."""
    named = {*re.findall(r"\{(\w+)\}", f"{route.path} {route.body} {route.query}")}
    nobody = nobodys()
    for foreign in [named, *({word} for word in named if len(named) > 1)]:
        if foreign:
            yield (
                ", ".join(sorted(foreign)),
                mine | {word: theirs[word] for word in foreign},
                mine | {word: nobody[word] for word in foreign},
            )


def legible(answer: Any) -> str:
    """The body's text; of a signed answer, its claims, without when it was signed."""
    if answer.headers.get("Content-Type") != "application/jwt":
        return str(answer.content.decode())
    claims = base64.urlsafe_b64decode(answer.content.split(b".")[1] + b"==").decode()
    return re.sub(r'"(iat|exp)":\d+', r'"\1":"<time>"', claims)


def told(answer: Any, words: Words) -> tuple[int, str, dict[str, str]]:
    """What the answer tells: what was sent, and what any answer makes anew, is taken out."""
    text = legible(answer)
    for word, value in sorted(words.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"<{word}>")
    text = re.sub(r"\b[a-z]+_[0-9a-z]{26}\b", "<id>", text)
    text = re.sub(r"tg_(test|live)_[\w\-]{43}", "<secret>", text)
    text = re.sub(r'"last_four":"[^"]*"', '"last_four":"<last_four>"', text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
    text = re.sub(r"(cs|cus)_(test_)?\w{10,}", "<stripe id>", text)
    headers = {name: value for name, value in answer.headers.items() if name not in UNTOLD}
    return answer.status_code, text, headers


def test_a_neighbours_row_and_no_row_are_told_alike(
    mine: Words, theirs: Words, project: Project, other_project: Project
) -> None:
    client, before = ApiClient(key_of(project)), rows_of(other_project)
    wrong = []
    for route in ROUTES:
        for foreign, asked, control in foreign_words(route, mine, theirs):
            with undone():
                raw = call(client, route, asked)
                answer = told(raw, asked)
                changed = rows_of(other_project) != before
            with undone():
                nothing = told(call(client, route, control), control)
            if answer != nothing:
                wrong.append(f"{route} with their {foreign}: {answer}\n  and nobody's: {nothing}")
            if changed:
                wrong.append(f"{route} with their {foreign} changed their rows")
            if answer[0] >= 500:
                wrong.append(f"{route} with their {foreign}: {answer}")
            wrong.extend(
                f"{route} with their {foreign} told {value}"
                for value in {*theirs.values()} - {*asked.values()}
                if value in legible(raw)
            )
    assert wrong == []
    assert rows_of(other_project) == before


def test_no_list_holds_a_neighbours_row(mine: Words, theirs: Words, project: Project) -> None:
    client = ApiClient(key_of(project))
    lists = [route for route in ROUTES if route.method == "GET" and "{" not in route.path]
    marks = list(theirs.values())

    answers = {str(route): client.get(route.path, query=fill(route.query, mine)) for route in lists}

    assert {
        name: each.status_code for name, each in answers.items() if each.status_code != 200
    } == {}
    leaks = [
        (name, mark)
        for name, each in answers.items()
        for mark in marks
        if mark in each.content.decode()
    ]
    assert leaks == []
