"""The table of methods is complete, and true: against the protos, the views and the OpenAPI
document."""

import re
from typing import Any

import pytest
from django.urls import resolve
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from common.api.permissions import required_scope
from rpc import descriptors
from rpc.methods import ROUTES, SERVICES
from rpc.routes import API, RpcRoute
from tests.contract.answers import openapi
from tests.rpc.rpc_server import PACKAGE

EXAMPLES = {
    "user_id": "alice",
    "product": "prod_01j9zc3k5v8e4w2t7x6y5q4r3s",
    "/payments": "pay_01j9zc3k5v8e4w2t7x6y5q4r3s",
    "/checkout": "chk_01j9zc3k5v8e4w2t7x6y5q4r3s",
    "/invoices": "inv_01j9zc3k5v8e4w2t7x6y5q4r3s",
}
"""By the name of a field in a path; an ``id`` by the beginning of its path."""
OURS = sorted(name for name in ROUTES if PACKAGE in name)
LEFT_OUT = {"WatchChanges": {"wait", "limit"}, "ListPayments": {"metadata"}}
"""Parameters that the server sets itself, and filters that HTTP alone has."""
ONLY_SOMETIMES = {
    f"{PACKAGE}Decision": {"explanation"},
    f"{PACKAGE}Payment": {"url", "client_secret", "publishable_key"},
}
"""Fields that some answers have, of a message that is in many."""
PARTS = {
    "ChangeSubscription": ("subscription", {"bill"}),
    "PreviewSubscriptionChange": ("subscription", {"bill"}),
    "SyncCheckout": ("checkout", {"entitlements"}),
    "Consume": ("decision", {"consumed", "record", "duplicate"}),
}
"""Answers whose body is in a field, and whose further members are beside it."""


def path_of(route: RpcRoute) -> str:
    names = route.path_fields
    values = {
        name: EXAMPLES.get(name) or EXAMPLES[route.path[: route.path.index("/", 1)]]
        for name in names
    }
    return API + route.path.format(**values)


def method_of(name: str) -> Any:
    service, _, method = name.removeprefix("/").partition("/")
    return descriptors.services()[service].methods_by_name[method]


def test_every_method_of_the_protos_is_in_the_table() -> None:
    declared = {
        name: {method.name for method in service.methods}
        for name, service in descriptors.services().items()
    }
    assert declared == {name: set(routes) for name, routes in SERVICES.items()}


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_a_method_needs_the_scope_that_its_view_demands(name: str) -> None:
    route = ROUTES[name]
    view: Any = resolve(path_of(route)).func
    action = view.actions[route.verb.lower()]
    stand_in = type("View", (), {"scopes": view.cls.scopes, "action": action})
    assert required_scope(stand_in, route.verb) == route.scope


@pytest.mark.parametrize("name", OURS)
def test_a_request_has_the_fields_that_the_api_takes(name: str) -> None:
    method, operation = method_of(name), operation_of(ROUTES[name])
    expected = {
        parameter["name"] for parameter in operation.get("parameters", []) if "name" in parameter
    }
    body = operation.get("requestBody")
    schema = body["content"]["application/json"]["schema"] if body else {}
    expected -= LEFT_OUT.get(method.name, set())
    compare(method.input_type, {**properties(schema), **dict.fromkeys(expected)}, set())


@pytest.mark.parametrize("name", OURS)
def test_an_answer_has_the_fields_that_the_api_answers(name: str) -> None:
    method, operation = method_of(name), operation_of(ROUTES[name])
    answer = next(value for status, value in operation["responses"].items() if status < "300")
    members = properties(answer["content"]["application/json"]["schema"])
    message = method.output_type
    if method.name in PARTS:
        inner, beside = PARTS[method.name]
        compare(message, {inner: None, **{each: members[each] for each in beside}}, set())
        members = {each: members[each] for each in members if each not in beside}
        message = message.fields_by_name[inner].message_type
    elif len(message.fields) == 1 and message.fields[0].name not in members:
        message = message.fields[0].message_type
    elif "next_cursor" in message.fields_by_name:
        members["next_cursor"] = members.pop("next")
    compare(message, members, set())


def compare(message: Descriptor, members: dict[str, Any], seen: set[str]) -> None:
    """Compare the fields of a message with the members of a JSON object, and those of each."""
    if message.full_name in seen:
        return
    seen = {*seen, message.full_name}
    names = {field.name for field in message.fields}
    if message.full_name == f"{PACKAGE}CheckResult":  # it has the decision in a field
        members = {name: members[name] for name in ("user_id",)} | {"decision": None}
    if message.full_name == f"{PACKAGE}WatchChangesResponse":
        members = {name: members[name] for name in members if name not in ("has_more", "oldest")}
    names -= ONLY_SOMETIMES.get(message.full_name, set()) - members.keys()
    assert names == set(members), message.full_name
    for field in message.fields:
        compare_field(field, members.get(field.name), seen)


def compare_field(field: FieldDescriptor, schema: Any, seen: set[str]) -> None:
    inner = field.message_type
    if inner is None or not inner.full_name.startswith(PACKAGE) or schema is None:
        return
    if inner.full_name == f"{PACKAGE}TextList" or inner.GetOptions().map_entry:
        return
    compare(inner, properties(schema), seen)


DOCUMENTED = openapi()


def operation_of(route: RpcRoute) -> Any:
    """The operation in the document, whose names of path parameters may differ."""
    pattern = re.compile(re.sub(r"\{\w+\}", r"\\{\\w+\\}", API + route.path) + r"\Z")
    (path,) = (path for path in DOCUMENTED["paths"] if pattern.match(path))
    return DOCUMENTED["paths"][path][route.verb.lower()]


def properties(schema: Any) -> dict[str, Any]:
    """The members of an object, of a list's items, or of the only alternative to null."""
    for key in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(key, ()):
            if members_of_part := properties(part):
                return members_of_part
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return properties(DOCUMENTED["components"]["schemas"][name])
    if "items" in schema:
        return properties(schema["items"])
    members: dict[str, Any] = dict(schema.get("properties", {}))
    return members
