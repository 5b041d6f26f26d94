"""Conformance checks: a receiver that verifies with the standard's own library gets an A."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from common.errors import NotFound
from common.standard_webhooks import WebhookUnverified, parse_secret, verify
from delivery.errors import CheckRunning
from delivery.models import WebhookCheck, WebhookEndpoint
from delivery.webhooks import check_cases, checks, endpoints
from delivery.webhooks.check_cases import CASES
from delivery.webhooks.representation import CheckCaseBody
from events.log import sequencer
from projects.models import Project
from tests.delivery.sender.receivers import Receiver, close, receiving
from tests.delivery.webhooks.dispatching import Dispatching, endpoint_at, states

pytestmark = pytest.mark.django_db

Judge = Callable[[dict[str, str], bytes], int]


class CheckedReceiver:
    """Answers what ``judge`` makes of the headers and the body of a request."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.receiver: Receiver | None = None

    def __call__(self, connection: socket.socket) -> None:
        assert self.receiver is not None
        request = self.receiver.requests[-1]
        headers = {name.lower(): value for name, value in request.headers}
        status = HTTPStatus(self.judge(headers, request.body))
        connection.sendall(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode())


def check(
    dispatching: Dispatching, project: Project, make_judge: Callable[[str], Judge]
) -> WebhookCheck:
    """The completed check of a receiver that judges like this."""
    behaviour = CheckedReceiver(lambda headers, body: 500)
    with receiving(behaviour) as receiver:
        behaviour.receiver = receiver
        row, _ = endpoint_at(receiver, project)
        behaviour.judge = make_judge(row.secrets.get().open())
        planned = checks.plan(endpoint=row, actor="test", at=dispatching.at)
        sequencer.run()
        dispatching.until(lambda: stored(planned).state == "completed")
        assert states(row) == []
        assert len(receiver.requests) == len(CASES)
    return stored(planned)


def stored(row: WebhookCheck) -> WebhookCheck:
    return WebhookCheck.objects.for_project(row.project_id).get(pk=row.pk)


def library(secret: str) -> Judge:
    """As a good receiver does it."""
    webhook = Webhook(secret)

    def judge(headers: dict[str, str], body: bytes) -> int:
        try:
            webhook.verify(body, headers)
        except WebhookVerificationError:
            return 401
        return 204

    return judge


def test_a_receiver_with_the_standards_library_gets_an_a(
    dispatching: Dispatching, project: Project
) -> None:
    row = check(dispatching, project, library)
    assert row.grade == "A"
    assert [(each["case"], each["passed"]) for each in row.results] == [
        (case.name, True) for case in CASES
    ]


def test_a_receiver_that_verifies_nothing_fails(dispatching: Dispatching, project: Project) -> None:
    row = check(dispatching, project, lambda secret: lambda headers, body: 200)
    assert row.grade == "F"
    failed = [each["case"] for each in row.results if not each["passed"]]
    assert failed == ["wrong_key", "changed_body", "other_version", "unsigned", "old"]


def test_a_receiver_without_a_clock_gets_a_c(dispatching: Dispatching, project: Project) -> None:
    def timeless(secret: str) -> Judge:
        def ignore_time(headers: dict[str, str], body: bytes) -> int:
            at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=UTC)
            try:
                verify([parse_secret(secret)], headers, body, now=at)
            except WebhookUnverified:
                return 401
            return 200

        return ignore_time

    assert check(dispatching, project, timeless).grade == "C"


def test_a_receiver_that_refuses_repetitions_gets_a_b(
    dispatching: Dispatching, project: Project
) -> None:
    def once(secret: str) -> Judge:
        judge, seen = library(secret), set[str]()

        def refuse_seen(headers: dict[str, str], body: bytes) -> int:
            status = judge(headers, body)
            if status == 204 and headers["webhook-id"] in seen:
                return 409
            seen.add(headers["webhook-id"])
            return status

        return refuse_seen

    assert check(dispatching, project, once).grade == "B"


def test_a_receiver_that_refuses_everything_gets_a_d(
    dispatching: Dispatching, project: Project
) -> None:
    assert check(dispatching, project, lambda secret: lambda headers, body: 403).grade == "D"


def test_a_check_is_made_one_at_a_time_also_of_a_disabled_endpoint(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(close) as receiver:
        row, _ = endpoint_at(receiver, project)
        endpoints.change(endpoint=row, changes={"enabled": False}, actor="test", at=dispatching.at)
        planned = checks.plan(endpoint=row, actor="test", at=dispatching.at)
        with pytest.raises(CheckRunning):
            checks.plan(endpoint=row, actor="test", at=dispatching.at)
        sequencer.run()
        dispatching.until(lambda: stored(planned).state == "completed")
        assert stored(planned).grade == "D"
        with pytest.raises(CheckRunning):
            checks.plan(endpoint=row, actor="test", at=dispatching.at)
        dispatching.move(seconds=11)
        checks.plan(endpoint=row, actor="test", at=dispatching.at)
        endpoints.delete(endpoint=row, actor="test", at=dispatching.at)
        with pytest.raises(NotFound):
            checks.plan(endpoint=row, actor="test", at=dispatching.at)
    assert WebhookEndpoint.objects.for_project(project).get(pk=row.pk).deleted_at


def test_no_answer_at_all_is_no_hole() -> None:
    results = [
        CheckCaseBody(
            case=case.name,
            expected=case.expected,
            passed=case.must_accept,
            status=200 if case.must_accept else None,
            fault="" if case.must_accept else "connection_lost",
            milliseconds=1,
        )
        for case in CASES
    ]
    assert check_cases.grade(results) == "B"
    results[0]["milliseconds"] = 6000
    results[3]["status"] = 200
    assert check_cases.grade(results) == "F"
