"""Signed requests: who may send, what is accepted, and that nothing happens twice."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from common import standard_webhooks
from delivery.inbound import intake, signing_secrets, users
from delivery.models import InboundUser, InboxEntry
from projects.models import Customer, Project
from tests.delivery.inbound.sending import (
    ADDRESS,
    AuthService,
    event_types,
    issue_secret,
    message,
    people,
)
from tests.factories.projects import ProjectFactory
from webhooks.errors import SignatureRefused

pytestmark = pytest.mark.django_db


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_user_becomes_a_customer_is_changed_and_is_erased(
    project: Project, auth_service: AuthService
) -> None:
    created = auth_service.tell("created", 1, email="ada@example.com", name="Ada", locale="de-at")
    assert created == "applied"
    customer = Customer.objects.for_project(project).get(user_id="ada")
    assert (customer.email, customer.name, customer.locale) == ("ada@example.com", "Ada", "de-AT")
    assert auth_service.tell("updated", 2, name=None, plan="unknown members do not matter") == (
        "applied"
    )
    assert people(project) == [("ada", "ada@example.com", "")]
    assert auth_service.tell("deleted", 3) == "applied"
    customer.refresh_from_db()
    assert (customer.user_id, customer.email) == (customer.pk, "")
    assert customer.deleted_at is not None
    assert event_types(project) == ["customer.created", "customer.updated", "customer.deleted"]
    row = InboundUser.objects.for_project(project).get()
    assert (row.version, row.customer_id) == (3, None)
    assert "ada" not in str(row.__dict__)


def test_the_header_names_the_project_too(project: Project, auth_service: AuthService) -> None:
    body = message("created", 1)
    answer = auth_service.send(body, path=ADDRESS, headers={"Tollgate-Project": project.pk})
    assert answer.json() == {"result": "applied"}
    assert [user_id for user_id, _, _ in people(project)] == ["ada"]


def test_one_id_has_one_effect(project: Project, auth_service: AuthService) -> None:
    body = message("created", 1, name="Ada")
    assert auth_service.send(body, message_id="msg_1").json() == {"result": "applied"}
    assert auth_service.send(body, message_id="msg_1").json() == {"result": "duplicate"}
    other = message("updated", 2, name="Eve")
    assert auth_service.send(other, message_id="msg_1").json() == {"result": "duplicate"}
    assert people(project) == [("ada", "", "Ada")]
    assert event_types(project) == ["customer.created"]


def test_the_senders_version_decides_the_order(project: Project, auth_service: AuthService) -> None:
    assert auth_service.tell("updated", 5, name="Fifth") == "applied"
    assert auth_service.tell("created", 1, name="First") == "outdated"
    assert auth_service.tell("updated", 4, name="Fourth") == "outdated"
    assert auth_service.tell("updated", 5, name="Again") == "outdated"
    assert people(project) == [("ada", "", "Fifth")]
    assert auth_service.tell("deleted", 4) == "outdated"
    assert people(project) == [("ada", "", "Fifth")]


def test_a_deletion_is_final_for_its_version(project: Project, auth_service: AuthService) -> None:
    auth_service.tell("created", 1, email="ada@example.com")
    auth_service.tell("deleted", 4)
    assert auth_service.tell("updated", 3, email="ada@example.com") == "outdated"
    assert auth_service.tell("created", 4, email="ada@example.com") == "outdated"
    late = auth_service.send(message("updated", 6, name="Ada"), message_id="msg_late")
    assert refused(late) == (409, "user-deleted")
    assert people(project) == []
    assert auth_service.tell("created", 5, email="new@example.com") == "applied"
    again = auth_service.send(message("updated", 6, name="Ada"), message_id="msg_late")
    assert again.json() == {"result": "applied"}
    assert people(project) == [("ada", "new@example.com", "Ada")]
    assert Customer.objects.for_project(project).count() == 2


def test_a_deletion_of_somebody_unknown_is_remembered(
    project: Project, auth_service: AuthService
) -> None:
    assert auth_service.tell("deleted", 9) == "applied"
    assert auth_service.tell("created", 8) == "outdated"
    assert not Customer.objects.for_project(project).exists()


def test_who_was_erased_here_does_not_come_back_by_a_change(
    api: Any, project: Project, auth_service: AuthService
) -> None:
    auth_service.tell("created", 1, email="ada@example.com")
    assert api.delete("/customers/ada").status_code == 200
    assert auth_service.tell("updated", 2, email="ada@example.com") == "ignored"
    assert people(project) == []
    assert auth_service.tell("created", 3, email="ada@example.com") == "applied"
    assert people(project) == [("ada", "ada@example.com", "")]


def test_deleted_users_are_forgotten_after_a_year(
    project: Project, auth_service: AuthService
) -> None:
    auth_service.tell("created", 1, "bob")
    auth_service.tell("deleted", 1)
    now = timezone.now()
    assert users.purge(at=now + timedelta(days=399)) == 0
    assert users.purge(at=now + timedelta(days=401)) == 1
    assert InboundUser.objects.for_project(project).count() == 1


def test_all_refusals_of_a_signature_are_alike(
    project: Project, other_project: Project, auth_service: AuthService
) -> None:
    """Unknown project, no secret, another project's secret, a changed body, a wrong time."""
    body = message("created", 1)
    now = timezone.now()
    without_secret = ProjectFactory.create()
    zeros = standard_webhooks.PREFIX + "A" * 43 + "="
    guessed = AuthService(without_secret, secret=zeros)
    other = AuthService(other_project, secret=auth_service.secret)
    answers = [
        AuthService(project, secret=standard_webhooks.make_secret()).send(body),
        auth_service.send(body, at=now - timedelta(minutes=6)),
        auth_service.send(body, at=now + timedelta(minutes=6)),
        auth_service.send(body, headers={"webhook-signature": "v1,"}),
        auth_service.send(body, headers={"webhook-id": "msg_of_somebody_else"}),
        auth_service.send(body, path=f"{ADDRESS}/{other_project.pk}"),
        auth_service.send(body, path=f"{ADDRESS}/nothing"),
        auth_service.send(body, path=ADDRESS),
        guessed.send(body),
        other.send(body),
        Client().post(f"{ADDRESS}/{project.pk}", body, content_type="application/json"),
    ]
    shown = [{**answer.json(), "request_id": ""} for answer in answers]
    assert {refused(answer) for answer in answers} == {(400, "signature-refused")}
    assert all(each == shown[0] for each in shown)
    assert not Customer.objects.across_projects().exists()
    assert not InboxEntry.objects.exists()


def verify_at(sender: AuthService, at: datetime) -> Project:
    """Verify what is signed and received at this time."""
    keys = [standard_webhooks.parse_secret(sender.secret)]
    headers = standard_webhooks.sign(keys, message_id="msg_late", at=at, body=b"{}")
    return intake.verify(project_id=sender.project.pk, headers=headers, body=b"{}", at=at)


def test_two_secrets_work_while_one_replaces_the_other(
    project: Project, auth_service: AuthService
) -> None:
    second = AuthService(project, issue_secret(project))
    assert auth_service.tell("created", 1) == second.tell("created", 1, "bob") == "applied"
    third = AuthService(project, issue_secret(project))
    assert refused(auth_service.send(message("updated", 2))) == (400, "signature-refused")
    assert second.tell("updated", 2, "bob") == third.tell("updated", 2) == "applied"
    late = timezone.now() + timedelta(hours=25)
    assert verify_at(third, late) == project
    with pytest.raises(SignatureRefused):
        verify_at(second, late)
    signing_secrets.rotate(project=project, actor="test", at=timezone.now(), overlap=timedelta(0))
    assert refused(third.send(message("updated", 3))) == (400, "signature-refused")


def test_a_tenant_never_reaches_another_tenants_customers(
    project: Project, other_project: Project, auth_service: AuthService
) -> None:
    other = AuthService(other_project)
    other.tell("created", 1, email="theirs@example.com")
    auth_service.tell("created", 1, email="ours@example.com")
    body = {**message("deleted", 7), "project": other_project.pk}
    assert auth_service.send(body, message_id="same").json() == {"result": "applied"}
    assert people(other_project) == [("ada", "theirs@example.com", "")]
    answer = other.send(message("updated", 2, name="Ada"), message_id="same")
    assert answer.json() == {"result": "applied"}


def test_a_suspended_project_is_refused(project: Project, auth_service: AuthService) -> None:
    Project.objects.filter(pk=project.pk).update(suspended_at=timezone.now())
    assert refused(auth_service.send(message("created", 1))) == (403, "project-suspended")
    assert people(project) == []


def test_a_large_body_is_not_read(project: Project, auth_service: AuthService) -> None:
    body = message("created", 1, padding="x" * intake.MAX_BODY)
    assert refused(auth_service.send(body)) == (413, "body-too-large")


def raw(user_id: bytes = b'"ada"', version: bytes = b"1") -> bytes:
    """A message with these bytes in it."""
    data = b'{"user_id":%s,"version":%s}' % (user_id, version)
    return b'{"type":"user.created","timestamp":"2026-11-23T12:00:00Z","data":%s}' % data


HOSTILE: list[Any] = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"null",
    b'{"type": "user.created", "type": "user.deleted"}',
    b'{"type":' + b"[" * 5000 + b"]" * 5000 + b"}",
    {"type": "user.created"},
    {"type": ["user.created"]},
    {"type": 1},
    {**message("created", 1), "timestamp": 5},
    {**message("created", 1), "data": []},
    message("created", "1"),
    message("created", 1.0),
    message("created", True),
    message("created", -1),
    message("created", None),
    message("created", 1, user_id=7),
    message("created", 1, user_id=""),
    message("created", 1, user_id="a" * 256),
    message("created", 1, user_id={"$ne": ""}),
    message("created", 1, user_id="cus_" + "0" * 26),
    message("created", 1, email="no address"),
    message("created", 1, email=["a@example.com"]),
    message("created", 1, name=5),
    message("created", 1, name="x" * 256),
    message("created", 1, locale="not a tag!"),
    raw(b'"a\\u0000"'),
    raw(b'"\\ud800"'),
    raw(version=b"9223372036854775808"),
    raw(version=b"1e3"),
    raw(version=b"NaN"),
]


@pytest.mark.parametrize("body", HOSTILE)
def test_what_is_no_message_is_refused_and_can_be_sent_again(
    project: Project, auth_service: AuthService, body: Any
) -> None:
    answer = auth_service.send(body, message_id="msg_1")
    assert answer.status_code in (400, 422), answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not Customer.objects.for_project(project).exists()
    corrected = auth_service.send(message("created", 1), message_id="msg_1")
    assert corrected.json() == {"result": "applied"}


def test_messages_about_other_things_are_ignored(
    project: Project, auth_service: AuthService
) -> None:
    answer = auth_service.send({"type": "session.created", "data": 5})
    assert (answer.status_code, answer.json()) == (200, {"result": "ignored"})


def test_only_post_is_answered(project: Project) -> None:
    assert Client().get(f"{ADDRESS}/{project.pk}").status_code == 405
