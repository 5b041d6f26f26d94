"""Who sends a request, before its body is read."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import RequestFactory

from config.server.callers import CallerStatus, cached_caller, find_caller
from projects.keys import key_cache
from projects.models import Project
from tests.factories.projects import key_of

pytestmark = pytest.mark.django_db(transaction=True)


def environ_of(path: str, authorization: str = "") -> dict[str, Any]:
    headers = {"Authorization": authorization} if authorization else {}
    return RequestFactory().post(path, "{}", "application/json", headers=headers).environ


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/webhooks/stripe", CallerStatus.SIGNED),
        ("/webhook", CallerStatus.SIGNED),
        ("/api/v1/events/inbound", CallerStatus.SIGNED),
        ("/api/v1/events/inbound/prj_1", CallerStatus.SIGNED),
        ("/api/v1/events/inbound/prj_1/more", CallerStatus.KEYLESS),
        ("/api/v1/customers", CallerStatus.KEYLESS),
        ("/api/api/v1/billing/plans", CallerStatus.KEYLESS),
        ("/graphql", CallerStatus.KEYLESS),
        ("/admin/login/", CallerStatus.ANONYMOUS),
    ],
)
def test_a_caller_without_a_key(path: str, status: CallerStatus) -> None:
    caller = cached_caller(environ_of(path))
    assert caller is not None
    assert (caller.status, caller.credential) == (status, None)


def test_a_key_is_known_once_it_was_looked_up(project: Project) -> None:
    environ = environ_of("/api/v1/customers", f"Bearer {key_of(project)}")
    assert cached_caller(environ) is None
    for caller in (find_caller(environ), cached_caller(environ)):
        assert caller is not None
        assert caller.status is CallerStatus.KNOWN
        assert caller.credential is not None
        assert caller.credential.tenant == project
    wrong = environ_of("/api/v1/customers", "Bearer tg_test_" + "x" * 43)
    assert find_caller(wrong).status is CallerStatus.REFUSED


def test_without_the_database_nobody_is_taken_for_a_stranger(project: Project) -> None:
    """Strangers have a narrow limit; this caller has done nothing wrong."""
    environ = environ_of("/api/v1/customers", f"Bearer {key_of(project)}")
    key_cache.cache.drop_all()

    def fail(*_: Any) -> None:
        raise OperationalError("The database is away.")

    with connection.execute_wrapper(fail):
        assert find_caller(environ).status is CallerStatus.UNIDENTIFIED
