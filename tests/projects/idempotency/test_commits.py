"""A request and its stored answer commit together, whatever interrupts it."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from projects.idempotency.api.idempotency import IdempotencyMiddleware
from projects.models import (
    App,
    Customer,
    IdempotencyKey,
    Project,
)
from tests.api_client import ApiClient
from tests.factories.projects import key_of
from tests.projects.idempotency.keyed_requests import ONCE, START, let_the_lease_end, rows
from tests.waiting import PATIENCE, wait_until


def through(request: HttpRequest, view: Any) -> HttpResponse:
    return IdempotencyMiddleware(view)(request)


@pytest.fixture
def request_once(project: Project) -> HttpRequest:
    return RequestFactory().post(
        "/api/v1/customers",
        data="{}",
        content_type="application/json",
        headers={**ONCE, "Authorization": f"Bearer {key_of(project)}"},
    )


@pytest.mark.django_db(transaction=True)
def test_work_and_answer_commit_together(request_once: HttpRequest, project: Project) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        assert connection.in_atomic_block
        return HttpResponse("{}", status=201)

    through(request_once, view)
    assert Customer.objects.for_project(project).count() == 1
    assert rows(project)[0].status == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_a_failed_request_leaves_nothing(
    request_once: HttpRequest, project: Project, status: int
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        return HttpResponse("{}", status=status)

    assert through(request_once, view).status_code == status
    assert Customer.objects.for_project(project).count() == 0
    assert (rows(project)[0].status, rows(project)[0].locked_at) == (None, None)


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_before_its_answer_did_nothing(
    request_once: HttpRequest, project: Project
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        raise SystemExit

    with pytest.raises(SystemExit):
        through(request_once, view)
    assert Customer.objects.for_project(project).count() == 0
    refused = through(request_once, lambda request: HttpResponse("{}", status=201))
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "5")
    let_the_lease_end(project)
    again = through(request_once, lambda request: HttpResponse("{}", status=201))
    assert again.status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_request_that_takes_longer_than_its_lease_keeps_it(
    request_once: HttpRequest, project: Project
) -> None:
    """Whatever the view waits for, its process renews the claim meanwhile."""

    def view(request: HttpRequest) -> HttpResponse:
        assert connection.in_atomic_block
        first_expiry = rows(project)[0].locked_until
        wait_until(lambda: rows(project)[0].locked_until != first_expiry)
        return HttpResponse("{}", status=201)

    assert through(request_once, view).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_an_abandoned_request_that_resumes_changes_nothing(
    request_once: HttpRequest, project: Project
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        taken_over = {"locked_at": START, "locked_until": Now() + timedelta(seconds=2.5)}
        IdempotencyKey.objects.for_project(project).update(**taken_over)
        return HttpResponse("{}", status=201)

    answer = through(request_once, view)
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "5")
    assert Customer.objects.for_project(project).count() == 0


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_are_carried_out_once(project: Project) -> None:
    key, start = key_of(project), threading.Barrier(8)
    answers: list[Any] = []

    def call() -> None:
        try:
            start.wait(timeout=PATIENCE)
            answers.append(
                ApiClient(key).post(f"/projects/{project.pk}/apps", {"name": "App"}, headers=ONCE)
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)

    contents = {answer.content for answer in answers if answer.status_code == 201}
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert len(answers) == 8
    assert len(contents) == 1
    assert refused <= {"idempotency-key-in-flight"}
    assert App.objects.for_project(project).count() == 1


def test_a_temporary_refusal_is_not_replayed(project: Project) -> None:
    """ "Come back in a second" is said once: the same request is tried again then."""
    headers: Any = {"HTTP_AUTHORIZATION": f"Bearer {key_of(project)}", "HTTP_IDEMPOTENCY_KEY": "k"}
    answers = [HttpResponse(status=409, headers={"Retry-After": "1"}), HttpResponse(status=201)]
    answer = IdempotencyMiddleware(lambda request: answers.pop(0))

    responses = [
        answer(RequestFactory().post("/api/v1/checkout", b"{}", "application/json", **headers))
        for _ in range(3)
    ]

    assert [each.status_code for each in responses] == [409, 201, 201]
    assert responses[2].headers["Idempotent-Replayed"] == "true"
