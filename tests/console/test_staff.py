"""Administrators change staff accounts, and each change is audited."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from console import roles
from events.models import AuditEntry
from tests.console.conftest import PASSWORD

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"


def entries() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "subject", "actor"))


def add(client: Client, username: str) -> User:
    password = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    answer = client.post(f"{USERS}add/", {"username": username, **password})
    assert answer.status_code == 302, answer.text
    return User.objects.get(username=username)


def test_an_account_is_made_and_given_a_role(administrator: Client) -> None:
    user = add(administrator, "grace")
    viewers = Group.objects.get(name=roles.VIEWERS)
    page = f"{USERS}{user.pk}/change/"
    assert administrator.get(page).status_code == 200

    answer = administrator.post(
        page,
        {
            "username": "grace",
            "is_active": "on",
            "is_staff": "on",
            "groups": [viewers.pk],
            "date_joined_0": "2026-11-21",
            "date_joined_1": "12:00:00",
        },
    )

    assert answer.status_code == 302, answer.text
    assert user.groups.get() == viewers
    subject = f"user:{user.pk}"
    assert entries() == [
        ("user.create", subject, "operator:administrator"),
        ("user.change", subject, "operator:administrator"),
    ]


def test_a_changed_password_is_not_audited(administrator: Client) -> None:
    user = add(administrator, "grace")
    new_password = "another-long-passphrase"

    answer = administrator.post(
        f"{USERS}{user.pk}/password/",
        {"password1": new_password, "password2": new_password, "usable_password": "true"},
    )

    assert answer.status_code == 302, answer.text
    user.refresh_from_db()
    assert user.check_password(new_password)
    assert entries()[-1][0] == "user.change"
    written = repr(list(AuditEntry.objects.values()))
    assert new_password not in written
    assert user.password not in written


def test_no_account_is_deleted(administrator: Client) -> None:
    user = add(administrator, "grace")

    assert administrator.post(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    administrator.post(USERS, chosen)

    assert User.objects.filter(pk=user.pk).exists()


def test_other_roles_are_refused_with_a_message(viewer: Client) -> None:
    answer = viewer.get(USERS)

    assert answer.status_code == 403
    assert "You may not do that" in answer.text
