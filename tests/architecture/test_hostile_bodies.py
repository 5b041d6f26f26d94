"""Refusing a body costs no more than reading it, on every route that the schema describes.

Calls are counted, not seconds: what the service does about a hostile body beyond decoding it must
not grow with the body.
"""

import re
from collections.abc import Callable, Iterator
from cProfile import Profile
from typing import Any

import orjson
from django.test import Client

from common.api.parsers import decode
from common.api.problems import MAX_ERRORS
from projects.keys.scopes import PLATFORM
from projects.models import Project
from tests.api_client import ApiClient
from tests.architecture.route import Route
from tests.architecture.routes import ROUTES, SIGNED_IN
from tests.architecture.tenant import Words, fill
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of
from tests.projects.sign_in.tokens import Browser, sign_in
from tests.transactions import rolled_back

MANY = 2_000
CALLS = 15_000
"""What one request may take beside decoding its body; half of it is usual."""
LONGEST_ANSWER = 64 * 1024
BAD_ENTRIES = 500_000
Schema = dict[str, Any]


def test_no_body_costs_more_to_refuse_than_to_read(
    own_words: Words, project: Project, platform_api: ApiClient, stripe: SandboxStripe
) -> None:
    owner = ApiClient(key_of(project))
    sign_in(owner, project)
    user = Browser(project, sub=own_words["user_id"])
    bodies = bodies_of_routes()
    wrong, tried = [], 0
    for route in [*ROUTES, *SIGNED_IN]:
        client = user if route in SIGNED_IN else platform_api if route.scope == PLATFORM else owner
        for name, body in bodies.get((route.method, anonymous(route.path)), []):
            with rolled_back(), stripe.unchanged():
                tried += 1
                if fault := calls_per_body(client, route, own_words, body):
                    wrong.append((str(route), name, fault))
    assert wrong == []
    assert tried > 300


def calls_per_body(client: ApiClient, route: Route, words: Words, body: Any) -> str:
    """What is wrong with the answer; empty when nothing is."""
    path, reading = fill(route.path, words), calls_of(lambda: decode(orjson.dumps(body)))
    answers: list[Any] = []
    calls = calls_of(lambda: answers.append(client.request(route.method, path, body)))
    [answer] = answers
    if not 400 <= answer.status_code < 500:
        return f"answered {answer.status_code}"
    if len(answer.content) > LONGEST_ANSWER or len(answer.json().get("errors", [])) > MAX_ERRORS:
        return f"an answer of {len(answer.content)} bytes"
    return f"{calls} calls, of which {reading} for reading" if calls > 2 * reading + CALLS else ""


def calls_of(act: Callable[[], object]) -> int:
    """How many functions of Python are called."""
    profile = Profile(builtins=False)
    profile.runcall(act)
    return sum(entry.callcount for entry in profile.getstats())


def bodies_of_routes() -> dict[tuple[str, str], list[tuple[str, Any]]]:
    """Hostile bodies for every method and path that takes a body."""
    document = orjson.loads(Client().get("/api/schema", headers={"Accept": "*/*"}).content)
    components = document["components"]["schemas"]
    return {
        (method.upper(), anonymous(path.removeprefix("/api/v1"))): list(hostile(schema, components))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if (schema := _body_schema(operation)) is not None
    }


def anonymous(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def _body_schema(operation: dict[str, Any]) -> Schema | None:
    content = operation.get("requestBody", {}).get("content", {})
    schema: Schema | None = content.get("application/json", {}).get("schema")
    return schema


def hostile(schema: Schema, components: dict[str, Schema]) -> Iterator[tuple[str, Any]]:
    yield "a list", [0] * MANY
    yield "unknown members", unknown(MANY)
    for steps, kind in value_paths(schema, components):
        for name, value in VALUES[kind].items():
            yield f"{name} at {'.'.join(steps)}", nested(steps, value)


def unknown(count: int) -> dict[str, int]:
    return {f"member_{number}": 0 for number in range(count)}


VALUES: dict[str, dict[str, Any]] = {
    "array": {
        "many entries": [0] * MANY,
        "objects with unknown members": [unknown(MANY // 20)] * 20,
    },
    "object": {"many members": unknown(MANY), "many entries": [0] * MANY},
    "other": {"a long text": "x" * LONGEST_ANSWER},
}


def value_paths(
    schema: Schema, components: dict[str, Schema], steps: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where in a body a value stands, and whether it is a list, an object or something else."""
    for name, member in resolved(schema, components).get("properties", {}).items():
        member_schema = resolved(member, components)
        kind = member_schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        if "object" in kinds or "properties" in member_schema:
            yield (*steps, name), "object"
            if len(steps) < 3:
                yield from value_paths(member_schema, components, (*steps, name))
        else:
            yield (*steps, name), "array" if "array" in kinds else "other"


def resolved(schema: Schema, components: dict[str, Schema]) -> Schema:
    if "$ref" in schema:
        return resolved(components[schema["$ref"].rpartition("/")[2]], components)
    for choice in ("allOf", "oneOf", "anyOf"):
        if choice in schema and "properties" not in schema:
            first: Schema = resolved(schema[choice][0], components)
            return {**schema, **first}
    return schema


def nested(steps: tuple[str, ...], value: Any) -> Any:
    for step in reversed(steps):
        value = {step: value}
    return value


def test_half_a_million_bad_entries_are_refused_by_their_number(api: ApiClient) -> None:
    for path, member in [
        ("/entitlements/check", "checks"),
        ("/carts", "lines"),
        ("/usage", "records"),
    ]:
        answer = api.post(path, {member: [0] * (BAD_ENTRIES // 2)})
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-body"), path
        assert "more than 100,000 values" in answer.json()["detail"]
        some = api.post(path, {member: [0] * 50_000})
        assert some.status_code == 422, path
        assert {"pointer": f"#/{member}", "code": "max_length"}.items() <= next(
            error for error in some.json()["errors"] if error["pointer"] == f"#/{member}"
        ).items()


def test_a_refusal_lists_a_limited_number_of_errors(api: ApiClient) -> None:
    wrong = [{"user_id": "ada", "feature": ""}] * 500
    answer = api.post("/entitlements/check", {"checks": wrong})
    errors = answer.json()["errors"]
    assert (answer.status_code, len(errors)) == (422, MAX_ERRORS)
    assert [errors[0]["pointer"], errors[99]["pointer"]] == [
        "#/checks/0/feature",
        "#/checks/99/feature",
    ]
    surprises = api.post("/entitlements/check", unknown(5000)).json()["errors"]
    assert len(surprises) == MAX_ERRORS
    assert {error["code"] for error in surprises} == {"unknown"}


def test_a_problem_document_quotes_little_of_the_body(api: ApiClient) -> None:
    text = "x" * 200_000
    for body in ({"code": "a", "kind": text}, {text: 1}, {"code": text, "kind": "boolean"}):
        answer = api.post("/features", body)
        assert answer.status_code == 422
        assert len(answer.content) < 4000
