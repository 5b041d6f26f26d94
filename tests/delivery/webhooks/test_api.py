"""The API of webhook endpoints, as a tenant's back end calls it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from common.standard_webhooks import parse_secret
from delivery.models import WebhookCheck, WebhookEndpoint, WebhookSecret
from events.log import sequencer
from events.models import AuditEntry, OutboxEvent
from projects.models import Project
from tests.api_client import ApiClient
from tests.delivery.sender.receivers import receiving
from tests.delivery.webhooks.dispatching import Dispatching, check_signature, header
from tests.delivery.webhooks.inner_addresses import SPELLINGS
from tests.events.log.recording import record
from tests.factories.projects import AppFactory, key_of

pytestmark = pytest.mark.django_db
URL = "https://hook.example.com/tollgate"


def create(api: ApiClient, **body: Any) -> dict[str, Any]:
    response = api.post("/webhook-endpoints", {"url": URL, **body})
    assert response.status_code == 201, response.content
    return dict(response.json())


def test_an_endpoint_is_created_and_its_secret_is_shown_once(
    api: ApiClient, project: Project
) -> None:
    created = create(
        api, event_types=["payment.*", "invoice.paid"], headers={"X-Token": "t0p-secret"}, rate=5
    )
    assert len(parse_secret(created.pop("secret"))) == 32
    assert created["headers"] == {"x-token": "•••"}
    assert (created["state"], created["ordering"], created["rate"]) == ("enabled", "none", 5)
    assert api.get(f"/webhook-endpoints/{created['id']}").json() == created
    assert api.get("/webhook-endpoints").json()["data"] == [created]
    event = OutboxEvent.objects.for_project(project).get(type="webhook_endpoint.created")
    audit = AuditEntry.objects.get(subject=created["id"])
    for text in (str(event.data), str(audit.after)):
        assert "t0p-secret" not in text
        assert "whsec_" not in text
    row = WebhookEndpoint.objects.for_project(project).get()
    assert "t0p-secret" not in row.sealed_headers
    assert "whsec_" not in WebhookSecret.objects.for_project(project).get().sealed


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_inner_address_is_accepted(api: ApiClient, url: str) -> None:
    assert api.post("/webhook-endpoints", {"url": url}).status_code == 422
    endpoint = create(api)
    response = api.patch(f"/webhook-endpoints/{endpoint['id']}", {"url": url})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/url"
    assert api.get(f"/webhook-endpoints/{endpoint['id']}").json()["url"] == URL


@pytest.mark.parametrize(
    "url",
    [
        "https://billing.example.com/api/v1/webhook-endpoints/whe_1/test",
        "https://BILLING.example.com./",
        "https://billing.example.com:443/",
    ],
)
def test_tollgate_sends_nothing_to_itself(api: ApiClient, settings: Settings, url: str) -> None:
    """With a key in its own headers, an endpoint that asks for a test would ask for ever."""
    settings.PUBLIC_URL = "https://billing.example.com"
    response = api.post("/webhook-endpoints", {"url": url})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/url"
    endpoint = create(api, url="https://billing.example.com:8443/hook")
    assert api.patch(f"/webhook-endpoints/{endpoint['id']}", {"url": url}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"event_types": ["payment.exploded"]},
        {"event_types": ["*"]},
        {"headers": {"Host": "x"}},
        {"headers": {"Content-Length": "1"}},
        {"headers": {"Webhook-Id": "1"}},
        {"headers": {"X-A": "a\r\nX-B: b"}},
        {"headers": {"X A": "b"}},
        {"headers": {"X-A": "é"}},
        {"headers": {"x-a": "1", "X-A": "2"}},
        {"headers": {f"x-{number}": "v" for number in range(21)}},
        {"headers": {"x-a": "v" * 2000, "x-b": "v" * 2000, "x-c": "v" * 200}},
        {"headers": {"x-a": None}},
        {"headers": ["x-a"]},
        {"schema_version": 0},
        {"schema_version": 2},
        {"schema_version": "one"},
        {"rate": 0},
        {"rate": 101},
        {"ordering": "strict"},
        {"secret": "whsec_mine"},
        {"description": "x" * 501},
    ],
)
def test_bad_settings_are_refused_and_leave_nothing(
    api: ApiClient, project: Project, body: dict[str, Any]
) -> None:
    response = api.post("/webhook-endpoints", {"url": URL, **body})
    assert response.status_code == 422, response.content
    assert not WebhookEndpoint.objects.for_project(project).exists()


def test_a_project_has_at_most_32_endpoints(api: ApiClient) -> None:
    for _ in range(32):
        create(api)
    refused = api.post("/webhook-endpoints", {"url": URL})
    assert (refused.status_code, refused.json()["code"]) == (409, "too-many-webhook-endpoints")
    endpoint = api.get("/webhook-endpoints").json()["data"][0]
    assert api.delete(f"/webhook-endpoints/{endpoint['id']}").status_code == 204
    create(api)


def test_settings_are_changed_and_the_endpoint_is_disabled_and_enabled(
    api: ApiClient, project: Project
) -> None:
    path = f"/webhook-endpoints/{create(api)['id']}"
    changed = api.patch(path, {"enabled": False, "description": "Off"}).json()
    assert (changed["state"], changed["disabled_reason"]) == ("disabled", "manual")
    enabled = api.patch(path, {"enabled": True, "ordering": "customer"}).json()
    assert (enabled["state"], enabled["disabled_reason"]) == ("enabled", None)
    assert api.patch(path, {"enabled": True}).json() == enabled
    rows = OutboxEvent.objects.for_project(project).filter(type__startswith="webhook_endpoint")
    types = list(rows.order_by("pk").values_list("type", flat=True))
    assert types == [
        "webhook_endpoint.created",
        "webhook_endpoint.disabled",
        "webhook_endpoint.updated",
    ]
    disabled = rows.order_by("pk")[1]
    assert disabled.previous == {
        "state": "enabled",
        "description": "",
        "disabled_reason": None,
        "disabled_at": None,
    }


def test_an_endpoint_is_pinned_to_a_version_of_events(api: ApiClient, project: Project) -> None:
    created = create(api, schema_version=1)
    assert created["schema_version"] == create(api)["schema_version"] == 1
    path = f"/webhook-endpoints/{created['id']}"
    WebhookEndpoint.objects.for_project(project).filter(pk=created["id"]).update(schema_version=0)
    assert api.patch(path, {"description": "kept"}).json()["schema_version"] == 0
    changed = api.patch(path, {"schema_version": 1})
    assert (changed.status_code, changed.json()["schema_version"]) == (200, 1)
    assert api.patch(path, {"schema_version": 2}).status_code == 422


def test_skipping_what_was_missed(api: ApiClient, project: Project) -> None:
    path = f"/webhook-endpoints/{create(api)['id']}"
    record(project, "cus_1", 1)
    sequencer.run()
    before = api.get(path).json()["position"]
    skipped = api.patch(path, {"skip_missed": True}).json()
    assert skipped["position"] > before


def test_a_secret_is_replaced_and_never_more_than_two_are_live(
    api: ApiClient, project: Project
) -> None:
    path = f"/webhook-endpoints/{create(api)['id']}"
    secrets = WebhookSecret.objects.for_project(project)
    first = api.post(f"{path}/rotate-secret", {"overlap_hours": 2}).json()["secret"]
    assert secrets.count() == 2
    second = api.post(f"{path}/rotate-secret").json()["secret"]
    assert first != second
    assert secrets.count() == 2
    assert {row.open() for row in secrets.all()} == {first, second}
    third = api.post(f"{path}/rotate-secret", {"overlap_hours": 0}).json()["secret"]
    assert [row.open() for row in secrets.all()] == [third]
    assert api.post(f"{path}/rotate-secret", {"overlap_hours": 73}).status_code == 422


def test_a_repeated_request_gets_the_same_secret(api: ApiClient, project: Project) -> None:
    first = api.post("/webhook-endpoints", {"url": URL}, headers={"Idempotency-Key": "one"})
    again = api.post("/webhook-endpoints", {"url": URL}, headers={"Idempotency-Key": "one"})
    assert first.content == again.content
    assert WebhookEndpoint.objects.for_project(project).count() == 1


def test_deliveries_and_attempts_are_shown(
    api: ApiClient, project: Project, dispatching: Dispatching
) -> None:
    with receiving() as receiver:
        created = create(api, url=receiver.url())
        path = f"/webhook-endpoints/{created['id']}"
        event_id = record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        [shown, *_] = api.get(f"{path}/deliveries?event={event_id}").json()["data"]
        assert (shown["state"], shown["attempts"], shown["kind"]) == ("done", 1, "live")
        whole = api.get(f"{path}/deliveries/{shown['id']}").json()
        [attempt] = whole["tries"]
        assert (attempt["status"], attempt["response_body"]) == (200, "ok")
        assert attempt["milliseconds"]["total"] >= 0
        assert attempt["request_headers"]["webhook-id"] == event_id
        assert api.get(f"/events/{event_id}/deliveries").json()["data"] == [shown]
        assert api.get(f"/events/evt_{'0' * 26}/deliveries").status_code == 404
        assert api.get(f"{path}/deliveries?state=failed").json()["data"] == []
        again = api.post(f"{path}/deliveries/{shown['id']}/send-again").json()
        assert (again["kind"], again["event"]) == ("replay", event_id)
        dispatching.move(minutes=1)
        dispatching.settle()
        assert api.get(f"{path}/deliveries/{again['id']}").json()["state"] == "done"
    assert [header(each, "tollgate-replay") for each in receiver.requests][-1] == again["id"]
    check_signature(receiver.requests[-1], parse_secret(created["secret"]), at=dispatching.at)


def test_replays_are_created_shown_and_canceled(api: ApiClient, project: Project) -> None:
    record(project, "cus_1", 1)
    sequencer.run()
    path = f"/webhook-endpoints/{create(api)['id']}"
    replay = api.post(f"{path}/replays", {"since": "2020-01-01T00:00:00Z"}).json()
    assert (replay["after"], replay["state"]) == (0, "running")
    refused = api.post(f"{path}/replays", {"after": 0})
    assert (refused.status_code, refused.json()["code"]) == (409, "replay-running")
    canceled = api.post(f"{path}/replays/{replay['id']}/cancel").json()
    assert canceled["state"] == "canceled"
    assert api.get(f"{path}/replays/{replay['id']}").json() == canceled
    assert api.get(f"{path}/replays").json()["data"] == [canceled]
    for body in ({}, {"after": 0, "since": "2020-01-01T00:00:00Z"}, {"after": -1}, {"after": 99}):
        assert api.post(f"{path}/replays", body).status_code == 422
    assert api.post(f"{path}/replays", {"since": "2999-01-01T00:00:00Z"}).status_code == 422


def test_a_check_is_asked_for(api: ApiClient) -> None:
    path = f"/webhook-endpoints/{create(api)['id']}"
    check = api.post(f"{path}/checks").json()
    assert (check["state"], check["grade"], check["results"]) == ("planned", None, [])
    assert api.get(f"{path}/checks/{check['id']}").json() == check
    assert api.post(f"{path}/checks").json()["code"] == "check-running"


def test_the_key_of_an_app_reads_and_does_not_write(project: Project, api: ApiClient) -> None:
    created = create(api)
    app = ApiClient(key_of(project, app=AppFactory.create(project=project)))
    assert app.get(f"/webhook-endpoints/{created['id']}").status_code == 200
    assert app.post("/webhook-endpoints", {"url": URL}).status_code == 403
    assert app.delete(f"/webhook-endpoints/{created['id']}").status_code == 403


def test_lists_cost_a_fixed_number_of_queries(api: ApiClient, project: Project) -> None:
    record(project, "cus_1", 1)
    sequencer.run()
    path = f"/webhook-endpoints/{create(api)['id']}"
    api.post(f"{path}/test")

    def cost(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert api.get(address).status_code == 200
        return len(queries)

    sequencer.run()
    [sent] = api.get(f"{path}/deliveries").json()["data"]
    addresses = [
        "/webhook-endpoints",
        *(f"{path}/{name}" for name in ("deliveries", "replays", "checks")),
        f"/events/{sent['event']}/deliveries",
    ]
    few = [cost(address) for address in addresses]
    for _ in range(5):
        create(api)
        api.post(f"{path}/test")
        api.post(f"{path}/deliveries/{sent['id']}/send-again")
        replay = api.post(f"{path}/replays", {"after": 0}).json()
        api.post(f"{path}/replays/{replay['id']}/cancel")
        api.post(f"{path}/checks")
        WebhookCheck.objects.for_project(project).update(state="completed")
    assert [cost(address) for address in addresses] == few
