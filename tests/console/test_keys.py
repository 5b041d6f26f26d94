"""Operators issue, rotate and revoke keys with a reason; a secret is shown once."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from events.models import AuditEntry
from projects.keys.selectors import credentials
from projects.models import ApiKey, PlatformKey
from tests.console.dialogs import messages_of, send, was_done
from tests.console.secrets import secret_in
from tests.console.world import World

pytestmark = pytest.mark.django_db


def pages_about(world: World, key: ApiKey | PlatformKey) -> Iterator[str]:
    noun = type(key).__name__.lower()
    yield f"/admin/projects/{noun}/"
    yield f"/admin/projects/{noun}/{key.pk}/change/"
    yield f"/admin/projects/project/{world.project.pk}/change/"
    yield "/admin/events/auditentry/"
    yield "/admin/"


def test_an_operator_issues_a_key(
    world: World, operator: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    expires = timezone.now().replace(second=0, microsecond=0) + timedelta(days=30)

    answer = send(
        operator,
        f"/admin/projects/project/{world.project.pk}/issue-key/",
        name="Billing job",
        app=world.app.pk,
        scopes=["checkout:write", "entitlements:read"],
        expires_at=f"{expires:%Y-%m-%dT%H:%M}",
    )

    secret = secret_in(answer)
    key = ApiKey.objects.for_project(world.project).get(name="Billing job")
    assert (key.app, key.scopes, key.expires_at) == (
        world.app,
        ["checkout:write", "entitlements:read"],
        expires,
    )
    credential = credentials.find(secret=secret, at=timezone.now())
    assert credential is not None
    assert credential.key_id == key.pk
    entry = AuditEntry.objects.get(subject=key.pk)
    assert (entry.action, entry.actor, entry.reason) == (
        "key.issue",
        "operator:operator",
        "The customer asked.",
    )
    assert "no-store" in answer["Cache-Control"]
    assert answer["HX-Retarget"] == "#modal-content"
    assert "issue-key" in caplog.text
    assert secret not in caplog.text


def test_the_secret_is_shown_once(world: World, operator: Client) -> None:
    address = f"/admin/projects/project/{world.project.pk}/issue-key/"
    secret = secret_in(send(operator, address, name="Job", scopes=["checkout:write"]))
    key = ApiKey.objects.for_project(world.project).get(name="Job")

    for page in pages_about(world, key):
        answer = operator.get(page)
        assert answer.status_code == 200
        assert secret not in answer.text
        assert key.digest not in answer.text
    kept = [session.get_decoded() for session in Session.objects.all()]
    assert secret not in repr(kept)
    assert all(secret not in cookie.value for cookie in operator.cookies.values())
    assert secret not in repr(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["platform"]}, "Select a valid choice."),
        ({"app": "app_of_somebody_else"}, "Select a valid choice."),
        ({"expires_at": "2020-01-01T00:00"}, "The expiry must lie in the future."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_an_invalid_key_is_refused(
    fields: dict[str, object], complaint: str, world: World, operator: Client
) -> None:
    complete = {"name": "Job", "scopes": ["checkout:write"], **fields}

    answer = send(operator, f"/admin/projects/project/{world.project.pk}/issue-key/", **complete)

    assert complaint in answer.text
    assert ApiKey.objects.for_project(world.project).count() == 1


def test_an_operator_rotates_a_key(world: World, operator: Client) -> None:
    answer = send(operator, f"/admin/projects/apikey/{world.key.pk}/rotate/", overlap_hours="2")

    credential = credentials.find(secret=secret_in(answer), at=timezone.now())
    world.key.refresh_from_db()
    assert credential is not None
    assert world.key.rotated_to_id == credential.key_id
    assert world.key.expires_at is not None
    assert world.key.expires_at - timezone.now() < timedelta(hours=2, minutes=1)
    entry = AuditEntry.objects.get(action="key.rotate")
    assert (entry.subject, entry.reason) == (world.key.pk, "The customer asked.")


def test_rotating_twice_is_refused_in_the_dialog(world: World, operator: Client) -> None:
    address = f"/admin/projects/apikey/{world.key.pk}/rotate/"
    send(operator, address, overlap_hours="2")

    answer = send(operator, address, overlap_hours="2")

    assert "This key has been revoked or replaced. Issue a new key instead." in answer.text
    assert ApiKey.objects.for_project(world.project).count() == 2


def test_an_operator_revokes_a_key(world: World, operator: Client) -> None:
    answer = send(operator, f"/admin/projects/apikey/{world.key.pk}/revoke/")

    assert was_done(answer)
    assert messages_of(answer) == ["Acme key 0 is revoked."]
    world.key.refresh_from_db()
    assert world.key.revoked_at is not None
    assert AuditEntry.objects.get(action="key.revoke").reason == "The customer asked."


def test_an_administrator_issues_a_platform_key(world: World, administrator: Client) -> None:
    secret = secret_in(send(administrator, "/admin/projects/platformkey/issue/", name="Terraform"))
    key = PlatformKey.objects.get(name="Terraform")
    assert credentials.find(secret=secret, at=timezone.now()) is not None

    assert was_done(send(administrator, f"/admin/projects/platformkey/{key.pk}/revoke/"))

    assert credentials.find(secret=secret, at=timezone.now()) is None
    actions = AuditEntry.objects.filter(subject=key.pk).order_by("pk")
    assert [(each.action, each.reason) for each in actions] == [
        ("platform_key.issue", "The customer asked."),
        ("platform_key.revoke", "The customer asked."),
    ]
