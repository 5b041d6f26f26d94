"""Every route refuses every caller who must not reach it, against real rows.

Two projects sell through one Stripe account. What the second is answered about the first's rows is
compared, to the byte, with what it is answered about rows that do not exist.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from common.models import ProjectOwned
from projects.keys.scopes import ALL_SCOPES, PLATFORM
from projects.models import ApiKey, Project
from tests.api_client import ApiClient
from tests.architecture.route import Route
from tests.architecture.routes import PUBLIC_ROUTES, ROUTES, SIGNED_IN, WITHOUT_A_KEY
from tests.architecture.tables import tables_of
from tests.architecture.tenant import Words, fill, unknown_words
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of
from tests.transactions import count_writes, rolled_back

EVERY_ROUTE = [*ROUTES, *SIGNED_IN, *PUBLIC_ROUTES]
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
    listed = {(route.method, anonymous(route.path)) for route in EVERY_ROUTE}
    unguarded = {("ANY", anonymous(path)) for path in WITHOUT_A_KEY}

    assert there - listed - unguarded == set(), "Add these routes to tests/architecture/routes.py."
    assert listed | unguarded == there, "These routes are gone."
    assert len(listed) == len(EVERY_ROUTE)


def test_every_action_asks_for_the_scope_that_the_matrix_says() -> None:
    scopes_by_action = {}
    for method, path, view in declared():
        scopes: dict[str, str] = getattr(getattr(view, "cls", None), "scopes", {})
        if hasattr(view, "actions") and method != "HEAD":
            scopes_by_action[method, anonymous(path)] = scopes.get(view.actions[method.lower()])

    assert scopes_by_action == {
        (route.method, anonymous(route.path)): route.scope for route in EVERY_ROUTE
    }


# Who gets through.


def call(client: ApiClient, route: Route, words: Words) -> Any:
    return client.request(
        route.method,
        fill(route.path, words),
        fill(route.body, words),
        query=fill(route.query, words),
    )


def rows_of(project: Project) -> dict[str, str]:
    """A fingerprint of every table's rows of this project, but for when its keys were used."""
    tables = [model._meta.db_table for model in tables_of(ProjectOwned)]
    prints = (
        f"SELECT '{table}', md5(coalesce(string_agg(md5((to_jsonb(r) - 'last_used_at')::text), '' "
        f"ORDER BY to_jsonb(r)::text), '')) FROM \"{table}\" r WHERE project_id = %(project)s"
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(prints), {"project": project.pk})
        hash_by_table = dict(cursor.fetchall())
    assert hash_by_table.keys() == set(tables)
    return hash_by_table


def test_the_owner_is_answered_on_every_route(
    own_words: Words, project: Project, platform_api: ApiClient, stripe: SandboxStripe
) -> None:
    """Without this the refusals below could be for any reason at all."""
    owner = ApiClient(key_of(project))
    wrong = []
    for route in ROUTES:
        with rolled_back(), stripe.unchanged():
            answer = call(platform_api if route.scope == PLATFORM else owner, route, own_words)
        if answer.status_code != route.status:
            wrong.append(f"{route}: {answer.status_code} {answer.content[:300]!r}")
    assert wrong == []


def test_every_other_caller_is_refused(
    own_words: Words, project: Project, platform_api: ApiClient, subtests: pytest.Subtests
) -> None:
    """Without a live key, without the route's scope, or with the platform's key, which reads no
    tenant's business but its metrics: refused, and nothing has changed."""
    revoked = ApiClient(key_of(project))
    newest = ApiKey.objects.for_project(project).latest("id")
    ApiKey.objects.for_project(project).filter(pk=newest.pk).update(revoked_at="2026-01-01T00:00Z")
    never = ApiClient("tg_test_" + "a" * 43)
    short = {
        scope: ApiClient(key_of(project, scopes=sorted(set(ALL_SCOPES) - {scope})))
        for scope in [*ALL_SCOPES, PLATFORM]
    }
    closed = [
        route
        for route in ROUTES
        if not route.path.startswith(("/projects", "/metrics/"))
        and route.scope != "admin:reconcile"
    ]
    refused: dict[str, tuple[int, str, list[tuple[Route, ApiClient]]]] = {
        "no key": (401, "key-required", [(route, ApiClient()) for route in ROUTES]),
        "a revoked key": (401, "invalid-key", [(route, revoked) for route in ROUTES]),
        "a key that never was": (401, "invalid-key", [(route, never) for route in ROUTES]),
        "not the scope": (403, "scope-missing", [(route, short[route.scope]) for route in ROUTES]),
        "the platform's key": (403, "scope-missing", [(route, platform_api) for route in closed]),
    }
    before = rows_of(project)

    for caller, (status, code, routes_of_caller) in refused.items():
        with subtests.test(caller), rolled_back():
            answers = {
                str(route): call(client, route, own_words) for route, client in routes_of_caller
            }

            statuses = {name: each.status_code for name, each in answers.items()}
            assert statuses == dict.fromkeys(statuses, status)
            assert {each.json()["code"] for each in answers.values()} == {code}
            assert rows_of(project) == before


# What a neighbour learns.


def foreign_words(
    route: Route, own_words: Words, neighbours_words: Words
) -> Iterator[tuple[str, Words, Words]]:
    """The route with foreign words, all and one at a time; beside each, the same with nobody's."""
    named = {*re.findall(r"\{(\w+)\}", f"{route.path} {route.body} {route.query}")}
    nobody = unknown_words()
    for foreign in [named, *({word} for word in named if len(named) > 1)]:
        if foreign:
            yield (
                ", ".join(sorted(foreign)),
                own_words | {word: neighbours_words[word] for word in foreign},
                own_words | {word: nobody[word] for word in foreign},
            )


def readable_text(answer: Any) -> str:
    """The body's text; of a signed answer, its claims, without when it was signed."""
    if answer.headers.get("Content-Type") != "application/jwt":
        return str(answer.content.decode())
    claims = base64.urlsafe_b64decode(answer.content.split(b".")[1] + b"==").decode()
    return re.sub(r'"(iat|exp)":\d+', r'"\1":"<time>"', claims)


def comparable(answer: Any, words: Words) -> tuple[int, str, dict[str, str]]:
    """What the answer tells: what was sent, and what any answer makes anew, is taken out."""
    text = readable_text(answer)
    for word, value in sorted(words.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"<{word}>")
    text = re.sub(r"\b[a-z]+_[0-9a-z]{26}\b", "<id>", text)
    text = re.sub(r"tg_(test|live)_[\w\-]{43}", "<secret>", text)
    text = re.sub(r'"last_four":"[^"]*"', '"last_four":"<last_four>"', text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
    text = re.sub(r"(cs|cus)_(test_)?\w{10,}", "<stripe id>", text)
    headers = {name: value for name, value in answer.headers.items() if name not in UNTOLD}
    return answer.status_code, text, headers


def test_another_projects_row_is_answered_like_a_missing_row(
    own_words: Words,
    neighbours_words: Words,
    project: Project,
    other_project: Project,
    subtests: pytest.Subtests,
) -> None:
    client, before = ApiClient(key_of(project)), rows_of(other_project)
    for route in ROUTES:
        for foreign, words, control in foreign_words(route, own_words, neighbours_words):
            with subtests.test(f"{route} with their {foreign}"):
                with rolled_back():
                    writes = count_writes()
                    raw = call(client, route, words)
                    answer = comparable(raw, words)
                    changed = count_writes() > writes and rows_of(other_project) != before
                with rolled_back():
                    nothing = comparable(call(client, route, control), control)
                leaked = {*neighbours_words.values()} - {*words.values()}
                assert answer == nothing
                assert not changed
                assert answer[0] < 500
                assert [value for value in leaked if value in readable_text(raw)] == []
    with subtests.test("lists"):
        assert lists_with_marks(client, own_words, list(neighbours_words.values())) == []
    assert rows_of(other_project) == before


def lists_with_marks(
    client: ApiClient, own_words: Words, marks: list[str]
) -> list[tuple[str, str]]:
    """Which list holds which of these marks."""
    lists = [
        route
        for route in ROUTES
        if route.method == "GET" and "{" not in route.path and route.scope != PLATFORM
    ]
    answers = {
        str(route): client.get(route.path, query=fill(route.query, own_words)) for route in lists
    }
    assert {
        name: each.status_code for name, each in answers.items() if each.status_code != 200
    } == {}
    return [
        (name, mark)
        for name, each in answers.items()
        for mark in marks
        if mark in each.content.decode()
    ]
