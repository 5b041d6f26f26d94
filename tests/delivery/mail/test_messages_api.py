"""A project sees what was written to its customers and to its own people."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from delivery.mail import planner
from delivery.models import Notification, NotificationState
from delivery.models.notification import OPERATORS
from projects.keys.scopes import KeyScope
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.delivery.mail.notices import NOW, credits_low, planned
from tests.factories.projects import key_of

pytestmark = pytest.mark.django_db


def store(project: Project, **values: Any) -> Notification:
    """A message that was sent."""
    fields = {
        "source": "sub_1:2026-12-01",
        "kind": "renewal_coming",
        "recipient": project.pk,
        "subject": "sub_1",
        "channel": "mail",
        "state": NotificationState.SENT,
        "sent_at": NOW,
        "due_at": NOW,
        "useless_at": NOW,
        "created_at": NOW,
    }
    return Notification.objects.for_project(project).create(**{**fields, **values})


def test_a_planned_message_is_shown_without_its_text(
    api: ApiClient, project: Project, ada: Customer
) -> None:
    row = planned(ada)
    shown = {
        "id": row.pk,
        "kind": "credits_low",
        "state": "planned",
        "reason": None,
        "customer": ada.pk,
        "subject": ada.pk,
        "event": row.source,
        "channel": "mail",
        "attempts": 0,
        "due_at": "2026-11-21T09:30:00Z",
        "sent_at": None,
        "created_at": "2026-11-21T09:30:00Z",
    }
    assert api.get("/messages").json()["data"] == [shown]
    assert api.get(f"/messages/{row.pk}").json() == shown


def test_messages_are_filtered(api: ApiClient, project: Project, ada: Customer) -> None:
    first = planned(ada)
    own = store(project)

    def ids(query: str) -> list[str]:
        return [each["id"] for each in api.get(f"/messages{query}").json()["data"]]

    assert ids("") == [own.pk, first.pk]
    assert ids("?state=sent") == ids("?kind=renewal_coming") == [own.pk]
    assert ids(f"?customer={ada.user_id}") == ids(f"?customer={ada.pk}") == [first.pk]
    assert ids("?customer=nobody") == ids(f"?customer={project.pk}") == []
    assert ids("?limit=1") == [own.pk]
    for query in ("?state=lost", "?kind=spam", "?customer=", "?nope=1"):
        assert api.get(f"/messages{query}").status_code == 422
    shown = api.get(f"/messages/{own.pk}").json()
    assert (shown["customer"], shown["event"], shown["due_at"]) == (None, None, None)
    assert shown["sent_at"] == "2026-11-21T09:30:00Z"


def test_what_operators_and_others_are_told_is_nobodys_business(
    api: ApiClient, project: Project, other_project: Project
) -> None:
    for row in (store(project, recipient=OPERATORS), store(other_project)):
        assert api.get(f"/messages/{row.pk}").status_code == 404
    assert api.get("/messages").json()["data"] == []
    weak = ApiClient(key_of(project, scopes=[KeyScope.PROJECT_READ]))
    assert weak.get("/messages").status_code == 403


def test_a_list_costs_a_fixed_number_of_queries(
    api: ApiClient, project: Project, ada: Customer
) -> None:
    planned(ada)
    api.get("/messages")  # loads what is kept in memory

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api.get("/messages").status_code == 200
        return len(queries)

    few = cost()
    for _ in range(5):
        credits_low(ada)
    planner.run(at=NOW)
    assert cost() == few
