"""Sources state facts; changes are appended, versioned and recorded."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from common.models import UnscopedQuery
from entitlements.decisions.selectors import decisions
from entitlements.decisions.selectors import facts as fact_selectors
from entitlements.facts import notices
from entitlements.facts import service as facts
from entitlements.models import Fact, Snapshot
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.decision import Question
from entitlements.resolution.facts import Reason
from events.models import OutboxEvent
from projects.customers import selectors as customers
from tests.factories.entitlements import NOW, FeatureFactory, draft_fact, state
from tests.factories.projects import CustomerFactory

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
CHANGE = 10
"""Queries of one change: the lock, a savepoint (2), the rows that count before it, the version, the
version of the rules, the facts, the snapshot before and after, the event."""

pytestmark = pytest.mark.django_db


def version(customer):
    customer.refresh_from_db()
    return customer.version


def decision(customer, feature, at=NOW):
    return decisions.check(
        project=customer.project, user_id=customer.user_id, feature=feature.code, at=at
    )


def change_events(customer):
    events = OutboxEvent.objects.for_project(customer.project).order_by("pk")
    return [event for event in events if event.type == "entitlements.changed"]


def rows(customer):
    return Fact.objects.for_project(customer.project).filter(customer=customer)


def test_stated_facts_become_decisions(customer, sso, seats):
    assert state(customer, draft_fact(sso), draft_fact(seats, 5))
    assert decision(customer, sso).allowed
    assert decision(customer, seats).limit == 5
    assert version(customer) == 1


def test_stating_the_same_facts_again_changes_nothing(customer, sso, seats):
    state(customer, draft_fact(sso), draft_fact(seats, None))
    assert not state(
        customer, draft_fact(seats, None), draft_fact(sso), draft_fact(sso), at=NOW + DAY
    )
    assert version(customer) == 1
    assert rows(customer).count() == 2
    assert len(change_events(customer)) == 1


def test_a_source_replaces_its_own_facts_only(customer, sso, seats):
    state(customer, draft_fact(sso), draft_fact(seats, 5), source="sub_1")
    state(customer, draft_fact(seats, 9), source="sub_2")
    assert state(customer, draft_fact(sso), source="sub_1")
    assert not state(customer, draft_fact(seats, 9), source="sub_2"), "it says the same as before"
    assert decision(customer, sso).allowed
    assert decision(customer, seats).limit == 9
    assert [source.id for source in decision(customer, seats).sources] == ["sub_2"]


def test_a_source_without_facts_ends_access_and_leaves_one_row(customer, sso):
    state(customer, draft_fact(sso))
    assert state(customer)
    assert not state(customer)
    assert not decision(customer, sso).allowed
    silence = rows(customer).get(version=2)
    assert (silence.effect, silence.feature) == (Effect.NONE, None)


def test_an_unknown_source_ends_nothing(customer):
    assert not state(customer)
    assert version(customer) == 0
    assert not rows(customer).exists()


def test_true_is_not_one_and_null_is_not_zero(customer, seats):
    for number, value in enumerate([1, True, 0, None], start=1):
        assert state(customer, draft_fact(seats, value))
        assert version(customer) == number


def test_each_difference_of_a_fact_is_a_change(customer, sso):
    changes: list[dict[str, Any]] = [
        {"reason": Reason.TRIAL},
        {"starts_at": NOW + SECOND},
        {"ends_at": NOW + DAY},
        {"effect": Effect.DENY, "reason": Reason.REVOKED},
    ]
    state(customer, draft_fact(sso))
    for number, change in enumerate(changes, start=2):
        assert state(customer, draft_fact(sso, **change))
        assert version(customer) == number


def test_denials_and_permissions_share_no_reason(sso):
    with pytest.raises(ValueError, match="denys"):
        draft_fact(sso, effect=Effect.DENY)
    with pytest.raises(ValueError, match="allows"):
        draft_fact(sso, reason=Reason.HELD)
    with pytest.raises(ValueError, match="allows"):
        draft_fact(sso, reason=Reason.REVOKED)
    with pytest.raises(ValueError, match="allows"):
        draft_fact(sso, reason=Reason.NOT_ENTITLED)


def test_history_is_append_only(customer, sso):
    state(customer, draft_fact(sso))
    for forbidden in (
        lambda: rows(customer).update(value=False),
        lambda: rows(customer).delete(),
        lambda: rows(customer).get().save(),
    ):
        with pytest.raises(DatabaseError, match=r"Cannot (update|delete)"), transaction.atomic():
            forbidden()
    assert rows(customer).get().value is True


def test_neighbours_rows_cannot_be_mixed(customer, other_project, sso):
    other_feature = FeatureFactory.create(project=other_project, code="sso")
    state(customer, draft_fact(other_feature))
    with pytest.raises(IntegrityError, match="entitlements_fact_feature_tenant_fk"):
        connection.check_constraints()
    with pytest.raises(UnscopedQuery):
        Fact.objects.count()


def test_an_outdated_customer_object_is_refused(customer, sso, seats):
    state(customer, draft_fact(sso))
    with transaction.atomic(), pytest.raises(RuntimeError, match="out of date"):
        facts.replace(
            customer=customer,
            source_type=SourceType.SUBSCRIPTION,
            source_id="sub_2",
            drafts=[draft_fact(seats, 1)],
            at=NOW,
        )
    assert decision(customer, seats).limit == 0


def test_version_grows_by_one_with_each_change_and_every_version_can_be_read_again(customer, seats):
    for number in range(1, 6):
        state(customer, draft_fact(seats, number * 10), source=f"sub_{number % 2}")
        assert version(customer) == number
    read = [
        sorted(
            int(row.value or 0) for row in fact_selectors.current(customer=customer, as_of=number)
        )
        for number in range(6)
    ]
    assert read == [[], [10], [10, 20], [20, 30], [30, 40], [40, 50]]


def test_event_carries_the_whole_new_state_and_the_old_of_what_changed(customer, sso, seats):
    state(customer, draft_fact(sso), draft_fact(seats, 5))
    state(customer, draft_fact(sso), draft_fact(seats, 9))

    event = change_events(customer)[-1]

    assert (event.subject, event.customer_id, event.version) == (customer.pk, customer.pk, 2)
    assert event.occurred_at == NOW
    assert (event.data["user_id"], event.data["customer"], event.data["version"]) == (
        "ada",
        customer.pk,
        2,
    )
    assert [(each["feature"], each["value"]) for each in event.data["entitlements"]] == [
        ("seats", 9),
        ("sso", True),
    ]
    assert event.previous["entitlements"] == [
        {
            "feature": "seats",
            "allowed": True,
            "reason": "entitled",
            "value": 5,
            "limit": 5,
            "used": None,
            "remaining": None,
            "resets_at": None,
            "valid_until": None,
            "version": 1,
            "sources": [{"type": "subscription", "id": "sub_1"}],
        }
    ]


def test_a_change_without_effect_records_no_event(customer, seats):
    state(customer, draft_fact(seats, 9), source="sub_1")
    assert state(customer, draft_fact(seats, 5), source="sub_2")
    assert version(customer) == 2
    assert [event.version for event in change_events(customer)] == [1]


def test_an_expiry_is_recorded_with_the_next_change(customer, sso):
    state(customer, draft_fact(sso, ends_at=NOW + DAY))
    state(customer, at=NOW + DAY + SECOND)
    previous = change_events(customer)[-1].previous["entitlements"]
    assert [(each["feature"], each["allowed"]) for each in previous] == [("sso", True)]


def test_a_change_by_time_is_recorded_once_when_it_happens(customer, sso):
    state(customer, draft_fact(sso, starts_at=NOW + DAY, ends_at=NOW + 2 * DAY))
    assert [event.data["entitlements"][0]["allowed"] for event in change_events(customer)] == [
        False
    ]

    for moment in (NOW + DAY - SECOND, NOW + DAY, NOW + DAY + SECOND, NOW + 3 * DAY, NOW + 4 * DAY):
        notices.notify_due(at=moment, limit=10)

    assert [
        (event.occurred_at, event.data["entitlements"][0]["allowed"], event.version)
        for event in change_events(customer)
    ] == [(NOW, False, 1), (NOW + DAY, True, 2), (NOW + 3 * DAY, False, 3)]
    assert Snapshot.objects.for_project(customer.project).get().changes_at is None


def test_a_time_without_effect_records_no_event(customer, seats):
    state(customer, draft_fact(seats, None), source="sub_1")
    state(customer, draft_fact(seats, 5, ends_at=NOW + DAY), source="sub_2")
    notices.notify_due(at=NOW + DAY, limit=10)
    last = change_events(customer)[-1]
    assert last.data["entitlements"][0]["valid_until"] is None
    assert last.previous["entitlements"][0]["valid_until"] == "2026-11-22T12:00:00Z"


def test_unknown_user_is_entitled_to_nothing_and_is_not_made(project, sso):
    listing = decisions.entitlements_of(project=project, user_id="nobody", at=NOW)
    assert (listing.customer_id, listing.version) == (None, 0)
    assert listing.decisions["sso"].reason is Reason.NOT_ENTITLED
    assert customers.find(project=project, user_id="nobody") is None


def test_same_user_elsewhere_has_nothing(customer, other_project, sso):
    state(customer, draft_fact(sso))
    FeatureFactory.create(project=other_project, code="sso")
    CustomerFactory.create(project=other_project, user_id="ada")
    assert not decisions.check(project=other_project, user_id="ada", feature="sso", at=NOW).allowed
    assert not decisions.check(
        project=other_project, user_id=customer.pk, feature="sso", at=NOW
    ).allowed


def test_archived_feature_still_answers_who_has_it(customer, project, sso):
    state(customer, draft_fact(sso))
    sso.archived_at = NOW
    sso.save()
    assert decision(customer, sso).allowed
    listed = decisions.by_feature(project=project, user_id="ada", at=NOW)
    assert list(listed) == ["sso"]
    assert decisions.by_feature(project=project, user_id="nobody", at=NOW) == {}


@pytest.mark.parametrize("sources", [1, 40])
def test_queries_do_not_grow_with_sources_versions_or_questions(
    project, customer, seats, sources, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):  # the process keeps the rules
        for number in range(sources):
            state(customer, draft_fact(seats, number), source=f"sub_{number}")
            state(customer, draft_fact(seats, number + 1), source=f"sub_{number}")
    others = [CustomerFactory.create(project=project) for _ in range(sources)]
    questions = [
        Question(user_id, feature)
        for user_id in ("ada", customer.pk, "nobody", *(each.user_id for each in others))
        for feature in ("seats", "unknown")
    ]
    with CaptureQueriesContext(connection) as queries:
        answers = decisions.check_many(project=project, questions=questions, at=NOW)
    assert len(queries) == 1
    for name in ("ada", customer.pk):
        assert answers[Question(name, "seats")].limit == sources
    with CaptureQueriesContext(connection) as queries:
        decisions.entitlements_of(project=project, user_id="ada", at=NOW)
    assert len(queries) == 4
    with CaptureQueriesContext(connection) as queries:
        state(customer, draft_fact(seats, 1000))
    assert len(queries) == CHANGE
