"""Refusals are ``google.rpc.Status`` with our codes, and tenants see nothing of each other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from django.db import connection, connections

from common.api import error_catalog
from common.errors import DomainError
from events.log import sequencer
from events.models import OutboxEvent
from projects.keys.scopes import ALL_SCOPES
from projects.models import Project
from projects.tenants import projects
from rpc import descriptors, statuses
from rpc.methods import ROUTES
from rpc.statuses import code_of
from tests.events.log.recording import record
from tests.factories.projects import CustomerFactory, key_of, platform_key
from tests.rpc.rpc_server import PACKAGE, RpcClient, RpcRefusal

Clients = Callable[[str], RpcClient]
Code = grpc.StatusCode
CHECK = "EntitlementService/Check"
GET_INVOICE = "billing.BillingService/GetInvoice"
QUESTION = {"user_id": "ada", "feature": "sso"}
IDS = {"id": "pay_01j9zc3k5v8e4w2t7x6y5q4r3s"}


def refusal(client: RpcClient, method: str, values: Any = None) -> RpcRefusal:
    with pytest.raises(RpcRefusal) as raised:
        client.call(method, values)
    return raised.value


@pytest.mark.parametrize("key", ["", "tg_test_" + "x" * 43, "nonsense"])
@pytest.mark.parametrize("method", sorted(ROUTES))
def test_no_method_answers_without_a_key(client: Clients, key: str, method: str) -> None:
    error = refusal(client(key), method.removeprefix("/"))
    assert error.code is Code.UNAUTHENTICATED
    assert error.reason == ("invalid-key" if key else "key-required")


def test_no_method_answers_a_key_without_its_scope(client: Clients, project: Project) -> None:
    for method, route in ROUTES.items():
        scopes = [scope for scope in ALL_SCOPES if scope != route.scope]
        error = refusal(client(key_of(project, scopes=scopes)), method.removeprefix("/"))
        assert (error.code, error.reason) == (Code.PERMISSION_DENIED, "scope-missing"), method
        assert route.scope in error.message


def test_a_platform_key_reads_no_project(client: Clients, project: Project) -> None:
    error = refusal(client(platform_key()), CHECK, QUESTION)
    assert (error.code, error.reason) == (Code.PERMISSION_DENIED, "scope-missing")


def test_a_suspended_project_is_refused(client: Clients, project: Project) -> None:
    key = key_of(project)
    projects.suspend(project=project, actor="x", reason="x", at=project.created_at)
    error = refusal(client(key), "PaymentService/ListPayments")
    assert (error.code, error.reason) == (Code.PERMISSION_DENIED, "project-suspended")


def test_another_project_sees_nothing(
    client: Clients, project: Project, other_project: Project
) -> None:
    CustomerFactory.create(project=project, user_id="ada")
    stranger = client(key_of(other_project))
    body = stranger.call("EntitlementService/ListEntitlements", {"user_id": "ada"})
    assert "customer" not in body


def test_wrong_fields_are_named(rpc: RpcClient) -> None:
    values = {"user_id": "ada", "amount": {"amount": -1, "currency": "xxx"}}
    error = refusal(rpc, "PaymentService/CreatePayment", values)
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "invalid")
    assert sorted(error.fields) == ["amount.amount", "amount.currency"]
    assert error.info.domain == "tollgate"
    assert error.info.metadata["type"].endswith("/docs/errors#invalid")


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({}, ["user_id", "product"]),
        ({"user_id": "ada"}, ["product"]),
        ({"user_id": "ada/prod_x/pause", "product": "x"}, ["user_id"]),
    ],
)
def test_a_part_of_an_address_cannot_be_missing_or_lead_elsewhere(
    rpc: RpcClient, values: dict[str, object], fields: list[str]
) -> None:
    error = refusal(rpc, "SubscriptionService/GetSubscription", values)
    assert (error.code, error.fields) == (Code.INVALID_ARGUMENT, fields)


def test_an_unknown_object_is_not_found(rpc: RpcClient) -> None:
    error = refusal(rpc, "PaymentService/GetPayment", IDS)
    assert (error.code, error.reason) == (Code.NOT_FOUND, "not-found")
    assert error.message == "No payment with this id."


def test_bytes_that_are_no_message_are_refused(rpc: RpcClient) -> None:
    with pytest.raises(RpcRefusal) as raised:
        rpc.raw(CHECK, b"\xff\xff\xff")
    assert (raised.value.code, raised.value.reason) == (Code.INVALID_ARGUMENT, "malformed-body")


def test_text_that_cannot_be_stored_is_refused(rpc: RpcClient) -> None:
    body = {"user_id": "a\x00b", "feature": "sso"}
    error = refusal(rpc, "EntitlementService/Consume", body)
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "malformed-body")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_has_not_is_refused(rpc: RpcClient, number: str) -> None:
    name = "EntitlementService/BatchCheck"
    service = descriptors.services()[f"{PACKAGE}EntitlementService"]
    message: Any = descriptors.message_class(service.methods_by_name["BatchCheck"].input_type)()
    message.checks.add(**QUESTION)
    message.assume.add(feature="sso").value.number_value = float(number)
    with pytest.raises(RpcRefusal) as raised:
        rpc.raw(name, message.SerializeToString())
    assert (raised.value.code, raised.value.reason) == (Code.INVALID_ARGUMENT, "malformed-body")


def test_an_id_cannot_lead_to_another_route(rpc: RpcClient) -> None:
    """`/checkout/subscription` is an address of its own, which cannot be read."""
    error = refusal(rpc, "CheckoutService/GetCheckout", {"id": "subscription"})
    assert (error.code, error.message) == (Code.NOT_FOUND, "No checkout with this id.")
    assert refusal(rpc, "PaymentService/GetPayment", {"id": "status"}).code is Code.NOT_FOUND


@contextmanager
def renamed(table: str, column: str) -> Iterator[None]:
    """Without the column in the meantime: a statement of ours is wrong."""
    rename = f"ALTER TABLE {table} RENAME COLUMN {{}} TO {{}}"
    with connection.cursor() as cursor:
        cursor.execute(rename.format(column, "elsewhere"))
        try:
            yield
        finally:
            cursor.execute(rename.format("elsewhere", column))


def test_an_error_of_ours_tells_nothing(rpc: RpcClient, project: Project) -> None:
    """Not even the statement that PostgreSQL has refused; the log has it under the request's id."""
    with renamed("billing_payment", "metadata"):
        error = refusal(rpc, GET_INVOICE, {"shipment_id": "SH-7"})
    assert (error.code, error.reason) == (Code.INTERNAL, "internal-error")
    assert error.message == "Something went wrong on our side."
    assert error.info.metadata["request_id"] == error.metadata["x-request-id"]


def test_an_event_that_fits_no_message_ends_the_stream_without_its_text(
    rpc: RpcClient, project: Project
) -> None:
    deep: Any = "secret"
    for _ in range(120):
        deep = [deep]
    event_id = record(project, "cus_1")
    OutboxEvent.objects.across_projects().filter(pk=event_id).update(data={"deep": deep})
    sequencer.run()
    with pytest.raises(RpcRefusal) as raised:
        list(rpc.stream("EntitlementService/WatchChanges", {"types": ["customer.*"]}))
    assert (raised.value.code, raised.value.reason) == (Code.INTERNAL, "internal-error")
    assert raised.value.message == "Something went wrong on our side."


def test_without_the_database_an_invoice_is_unavailable(
    rpc: RpcClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal(rpc, GET_INVOICE, {"shipment_id": "SH-7"}).code is Code.NOT_FOUND
    monkeypatch.setitem(connections.settings["default"], "PORT", "1")  # of new threads
    error = refusal(rpc, GET_INVOICE, {"shipment_id": "SH-7"})
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "unavailable")
    assert error.retry_seconds > 0


def test_a_message_has_a_size_limit(rpc: RpcClient) -> None:
    with pytest.raises(RpcRefusal) as raised:
        rpc.raw(CHECK, b"x" * 2_000_000)
    assert raised.value.code is Code.RESOURCE_EXHAUSTED


def test_a_method_that_is_not_there_is_unimplemented(served: object, channel: grpc.Channel) -> None:
    stub: Any = channel.unary_unary("/tollgate.v1.EntitlementService/Nothing")
    with pytest.raises(grpc.RpcError) as raised:
        stub(b"")
    assert RpcRefusal(raised.value).code is Code.UNIMPLEMENTED


def test_the_request_id_comes_back(rpc: RpcClient, project: Project) -> None:
    _, metadata = rpc.call_with_metadata(CHECK, QUESTION, metadata={"x-request-id": "req-7"})
    assert metadata["x-request-id"] == "req-7"
    with pytest.raises(RpcRefusal) as raised:
        rpc.call("PaymentService/GetPayment", IDS, metadata={"x-request-id": "req-8"})
    assert raised.value.info.metadata["request_id"] == raised.value.metadata["x-request-id"]
    assert raised.value.metadata["x-request-id"] == "req-8"


def test_every_error_of_the_catalog_has_a_code_of_its_kind() -> None:
    by_status = {entry.status: code_of(entry.status) for entry in error_catalog.entries()}
    assert Code.UNKNOWN not in by_status.values()
    assert Code.OK not in by_status.values()


@pytest.mark.parametrize(
    ("status", "retry_after", "code"),
    [
        (400, None, Code.INVALID_ARGUMENT),
        (401, None, Code.UNAUTHENTICATED),
        (402, None, Code.FAILED_PRECONDITION),
        (403, None, Code.PERMISSION_DENIED),
        (404, None, Code.NOT_FOUND),
        (405, None, Code.UNIMPLEMENTED),
        (408, None, Code.DEADLINE_EXCEEDED),
        (409, None, Code.FAILED_PRECONDITION),
        (409, 3, Code.ABORTED),
        (410, None, Code.OUT_OF_RANGE),
        (413, None, Code.RESOURCE_EXHAUSTED),
        (415, None, Code.INVALID_ARGUMENT),
        (422, None, Code.INVALID_ARGUMENT),
        (429, 7, Code.RESOURCE_EXHAUSTED),
        (500, None, Code.INTERNAL),
        (502, 2, Code.UNAVAILABLE),
        (503, 5, Code.UNAVAILABLE),
        (504, None, Code.DEADLINE_EXCEEDED),
    ],
)
def test_a_status_has_a_code_and_says_when_to_retry(
    status: int, retry_after: int | None, code: grpc.StatusCode
) -> None:
    problem = {"status": status, "code": "some-code", "title": "No.", "oldest": 7}
    built = statuses.status_of(problem, retry_after=retry_after)
    assert (built.code, built.message) == (code.value[0], "No.")
    assert len(built.details) == (2 if retry_after else 1)
    assert DomainError.status in statuses.CODES
