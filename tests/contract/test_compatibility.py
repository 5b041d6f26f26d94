"""Each row of ``docs/compatibility.md`` is true: the old name is called, and the present one is
where the row says."""

import re
import subprocess
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from billing.models.payment import PaymentStatus
from billing.models.subscription import SubscriptionStatus
from common.api.serializers import OLD_NAMES
from common.ids import new_id
from delivery.inbound.user_messages import UserEvent
from delivery.signals.planner import SIGNALS
from events.catalog import EventType
from projects.models import Project
from rpc import descriptors
from tests.api_client import ApiClient
from tests.contract.answers import openapi
from tests.contract.compatibility_table import CompatibilityRow, anonymous, operation, rows
from tests.factories.projects import key_of
from tests.projects.sign_in.tokens import Browser, sign_in
from tests.services import ROOT

OPENAPI = openapi()
PATHS = {anonymous(path): item for path, item in OPENAPI["paths"].items()}
PREFIXES = {
    "payments": "pay",
    "checkout": "chk",
    "invoices": "inv",
    "webhook-endpoints": "whe",
    "carts": "cart",
    "metrics": "prj",
}
STATUSES = {"payment": PaymentStatus, "subscription": SubscriptionStatus}
MEANINGS = {"same", "old address", "old page", "old name", "renamed"}
HEADINGS = ("Paths", "Fields", "Statuses", "Events", "Commands and files", "Other doors")


def table(heading: str) -> pytest.MarkDecorator:
    """Run the test once for each row of this table."""
    return pytest.mark.parametrize("row", rows(heading), ids=str)


def sample(path: str) -> str:
    """The path with an id in place of each parameter."""
    resource = path.removeprefix("/api/v1/").split("/")[0]
    path = path.replace("{user_id}", "alice")
    path = re.sub(r"\{product(_id)?\}", new_id("prod"), path)
    return re.sub(r"\{\w+\}", new_id(PREFIXES.get(resource, "x")), path)


def documented(text: str) -> dict[str, Any]:
    """The operation in the OpenAPI document."""
    method, path = operation(text)
    found_operation: dict[str, Any] = PATHS[anonymous(path)][method.lower()]
    return found_operation


def resolved(node: Any) -> Any:
    """The component that a reference names."""
    while "$ref" in node:
        node = OPENAPI["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    return node


def fields_of(place: str) -> set[str]:
    """Names of the fields of an operation's body, ``query`` or ``answer``."""
    declaration = documented(place)
    if place.endswith("query"):
        return {each["name"] for each in declaration["parameters"] if "name" in each}
    if place.endswith("answer"):
        responses = declaration["responses"]
        content = next(responses[status] for status in ("200", "201") if status in responses)
    else:
        content = declaration["requestBody"]
    return set(resolved(content["content"]["application/json"]["schema"])["properties"])


def test_every_table_has_rows_and_every_row_an_end() -> None:
    every = [row for heading in HEADINGS for row in rows(heading)]
    assert len(every) > 150
    assert {row.how for row in every} <= MEANINGS
    assert [row for row in every if not row.now] == []
    assert {row.team for row in every} == {"S", "U", "L", "C", "P", "–"}


@pytest.mark.django_db
@table("Paths")
def test_a_path(row: CompatibilityRow, settings: Settings) -> None:
    method, earlier = operation(row.earlier)
    _, present = operation(row.now)
    answer = Client(raise_request_exception=False).generic(
        method, sample(earlier), "{}", "application/json"
    )
    if row.how == "old page":
        assert (answer.status_code, answer.headers["Location"]) == (302, present)
        return
    assert documented(row.now)
    if row.how == "renamed":
        assert answer.status_code == 404
        assert anonymous(earlier) not in PATHS
        return
    assert answer.status_code in (200, 400, 401), answer.content
    assert ("Deprecation" in answer.headers) == (row.how == "old address")
    if row.how == "old address":
        assert f"<{settings.PUBLIC_URL}{present}>" in answer.headers["Link"]
        assert answer.headers["Sunset"] == "Fri, 31 Dec 2027 00:00:00 GMT"
    else:
        assert anonymous(earlier) == anonymous(present)


@table("Fields")
def test_a_field_is_documented(row: CompatibilityRow) -> None:
    fields = fields_of(row.place)
    assert row.now in fields
    name = row.earlier.partition("[")[0]
    assert (name == row.now) == (row.how == "same")
    assert (name in fields) == (row.how == "same")
    assert (OLD_NAMES.get(name) == row.now) == (row.how == "old name")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "row", [row for row in rows("Fields") if not row.place.endswith("answer")], ids=str
)
def test_a_field_is_taken_by_its_earlier_name(
    row: CompatibilityRow, api: ApiClient, project: Project
) -> None:
    """Sent alone: no answer says that its name is not known, unless it was renamed."""
    sign_in(api, project)
    method, path = operation(row.place)
    client = Browser(project) if "/billing/" in path else ApiClient(key_of(project))
    if row.place.endswith("query"):
        answer = client.get(sample(path), query={row.earlier: "x"})
    else:
        answer = client.request(method, sample(path), {row.earlier: "x"})
    unknown = [
        error["pointer"]
        for error in answer.json().get("errors", ())
        if "is not known" in error["detail"]
    ]
    assert unknown == ([f"#/{row.earlier}"] if row.how == "renamed" else [])


@table("Statuses")
def test_a_status(row: CompatibilityRow) -> None:
    values = STATUSES[row.place].values
    assert row.now in values
    assert (row.earlier in values) == (row.how == "same")
    assert row.earlier.lower() == row.now


@pytest.mark.django_db
@table("Events")
def test_an_event(row: CompatibilityRow) -> None:
    if row.now.startswith("signal on"):
        assert SIGNALS[EventType(row.now.split("`")[1])] == row.earlier
    elif row.now.startswith("received at"):
        assert row.earlier in list(UserEvent)
        assert documented(row.now.split("`")[1])
    else:
        assert row.now == row.earlier
        schema = Client().get(f"/api/events-schema/{row.now}")
        assert schema.status_code == 200
        assert schema.json()["properties"]["type"] == {"const": row.earlier}


@table("Commands and files")
def test_a_command(row: CompatibilityRow) -> None:
    verb = re.findall(r"make ([a-z-]+)", row.now)[0]
    plan = subprocess.run(
        ["make", "--dry-run", verb], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert plan.returncode == 0, plan.stderr
    assert plan.stdout
    if "artifacts/" in row.earlier:
        assert "artifacts/" in (ROOT / ".gitignore").read_text().splitlines()


@table("Other doors")
def test_another_door(row: CompatibilityRow) -> None:
    """A service or method of gRPC by its full name, or a field of GraphQL."""
    if "(" in row.now:
        queries = (ROOT / "tests" / "contract" / "schema.graphql").read_text()
        assert f"  {row.now}" in queries
        return
    service, _, method = row.now.partition("/")
    declared = descriptors.services()[service]
    assert not method or method in {each.name for each in declared.methods}
