"""Manual grants and denials change decisions, expire and are audited."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from common.errors import Invalid
from entitlements.decisions.selectors import decisions, effects
from entitlements.errors import FeatureArchived, GrantExpired
from entitlements.grants import selectors as grant_selectors
from entitlements.grants import service as grants
from entitlements.models import Grant
from entitlements.models.fact import Effect
from entitlements.models.grant import GrantStatus
from entitlements.resolution.facts import Reason
from events.models import AuditEntry, OutboxEvent
from tests.factories.entitlements import NOW, FeatureFactory, draft_fact, grant, state

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

pytestmark = pytest.mark.django_db


def decision(customer, feature, at=NOW):
    return decisions.check(
        project=customer.project, user_id=customer.user_id, feature=feature.code, at=at
    )


def event_types(customer):
    events = OutboxEvent.objects.for_project(customer.project_id).order_by("pk")
    return [event.type for event in events]


def audited(customer):
    entries = AuditEntry.objects.filter(project_id=customer.project_id).order_by("pk")
    return [(entry.action, entry.actor, entry.reason) for entry in entries]


def deny(customer, *features, **kwargs):
    named = [(feature, None) for feature in features]
    return grant(customer, *named, **{"reason": "Abuse.", "effect": Effect.DENY, **kwargs})


def revoke(grant, at=NOW, **kwargs):
    return grants.revoke(grant=grant, at=at, **{"reason": "Over.", "actor": "key:k", **kwargs})


def test_a_grant_gives_access_and_is_recorded_and_audited(customer, sso, seats):
    new_grant = grant(customer, sso, (seats, 7), expires_at=NOW + DAY)

    assert decision(customer, sso).reason is Reason.GRANTED
    assert decision(customer, seats).limit == 7
    assert decision(customer, seats).valid_until == NOW + DAY
    assert event_types(customer) == ["entitlements.changed", "grant.created"]
    event = OutboxEvent.objects.for_project(customer.project_id).get(type="grant.created")
    assert (event.subject, event.customer_id, event.version) == (new_grant.pk, customer.pk, 1)
    assert event.data == {
        "id": new_grant.pk,
        "user_id": "ada",
        "effect": "allow",
        "status": "active",
        "features": [{"feature": "sso", "value": True}, {"feature": "seats", "value": 7}],
        "product": None,
        "reason": "Goodwill.",
        "starts_at": "2026-11-21T12:00:00Z",
        "expires_at": "2026-11-22T12:00:00Z",
        "created_by": "operator:ada",
        "created_at": "2026-11-21T12:00:00Z",
        "revoked_at": None,
        "revoked_by": None,
        "revoked_reason": None,
    }
    assert audited(customer) == [("grant.create", "operator:ada", "Goodwill.")]


def test_grant_holds_from_its_start_until_just_before_its_expiry(customer, sso):
    new_grant = grant(customer, sso, starts_at=NOW + DAY, expires_at=NOW + 2 * DAY)
    moments = [NOW, NOW + DAY - TICK, NOW + DAY, NOW + 2 * DAY - TICK, NOW + 2 * DAY]
    answers = [decision(customer, sso, at=moment).allowed for moment in moments]
    assert answers == [False, False, True, True, False]
    statuses = [new_grant.status(moment) for moment in moments]
    assert statuses == ["scheduled", "scheduled", "active", "active", "expired"]
    for moment, status in zip(moments, statuses, strict=True):
        for each in GrantStatus:
            rows = grant_selectors.listing(project=customer.project, at=moment, status=each)
            assert rows.exists() is (each == status)


def test_revoking_ends_that_grant_only(customer, sso, seats):
    first, second = grant(customer, sso), grant(customer, sso, (seats, 1))
    ended = revoke(first, at=NOW + DAY)
    assert (ended.revoked_at, ended.revoked_by, ended.revoked_reason) == (
        NOW + DAY,
        "key:k",
        "Over.",
    )
    assert [source.id for source in decision(customer, sso).sources] == [second.pk]
    revoke(second, at=NOW + DAY)
    assert not decision(customer, sso, at=NOW + DAY).allowed
    assert audited(customer)[-1] == ("grant.revoke", "key:k", "Over.")
    assert event_types(customer)[-1] == "grant.revoked"


@pytest.mark.parametrize(("starts_in", "before"), [(timedelta(0), "active"), (DAY, "scheduled")])
def test_the_event_of_a_revocation_holds_the_earlier_grant(customer, sso, starts_in, before):
    new_grant = grant(customer, sso, starts_at=NOW + starts_in)
    revoke(new_grant)

    event = OutboxEvent.objects.for_project(customer.project_id).get(type="grant.revoked")
    assert event.previous == {"status": before}
    assert (event.subject, event.data["status"]) == (new_grant.pk, "revoked")


def test_revoking_twice_is_the_same_as_once(customer, sso):
    new_grant = grant(customer, sso)
    revoke(new_grant)
    before = event_types(customer), audited(customer)
    again = revoke(new_grant, at=NOW + DAY, reason="Again.")
    assert again.revoked_reason == "Over."
    assert (event_types(customer), audited(customer)) == before


def test_expired_grant_cannot_be_revoked(customer, sso):
    new_grant = grant(customer, sso, expires_at=NOW + DAY)
    with pytest.raises(GrantExpired):
        revoke(new_grant, at=NOW + DAY)
    assert event_types(customer) == ["entitlements.changed", "grant.created"]
    revoke(new_grant, at=NOW + DAY - TICK)


def test_denial_beats_what_was_paid_for_until_it_is_revoked(customer, sso, seats):
    state(customer, draft_fact(sso), draft_fact(seats, None))
    denial = deny(customer, sso, seats)
    assert decision(customer, sso).reason is Reason.REVOKED
    assert decision(customer, seats).limit == 0
    grant(customer, sso)
    assert not decision(customer, sso).allowed
    revoke(denial)
    assert decision(customer, sso).allowed
    assert decision(customer, seats).limit is None
    assert denial.features == [{"feature": "sso"}, {"feature": "seats"}]
    assert audited(customer)[0] == ("grant.deny", "operator:ada", "Abuse.")


def test_an_expired_denial_restores_access(customer, sso):
    state(customer, draft_fact(sso))
    deny(customer, sso, expires_at=NOW + DAY)
    assert not decision(customer, sso, at=NOW + DAY - TICK).allowed
    assert decision(customer, sso, at=NOW + DAY).allowed


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_reason_is_required(customer, sso, reason):
    new_grant = grant(customer, sso)
    before = event_types(customer), audited(customer)
    for act in (
        lambda: grant(customer, sso, reason=reason),
        lambda: deny(customer, sso, reason=reason),
        lambda: revoke(new_grant, reason=reason),
    ):
        with pytest.raises(Invalid):
            act()
    assert (event_types(customer), audited(customer)) == before


@pytest.mark.parametrize(
    "period",
    [
        {"expires_at": NOW},
        {"expires_at": NOW - DAY},
        {"starts_at": NOW + DAY, "expires_at": NOW + DAY},
        {"starts_at": NOW - 2 * DAY, "expires_at": NOW - DAY},
    ],
)
def test_period_that_could_never_hold_is_refused(customer, sso, period):
    with pytest.raises(Invalid, match="expiry"):
        grant(customer, sso, **period)
    assert not Grant.objects.for_project(customer.project_id).exists()


@pytest.mark.parametrize("value", [7, None, False, "true"])
def test_value_that_a_boolean_does_not_know_is_refused(customer, sso, value):
    with pytest.raises(Invalid, match="sso: the value is true"):
        grant(customer, (sso, value))


@pytest.mark.parametrize("value", [True, -1, 1.5, "7", 2**53])
def test_value_that_a_limit_does_not_know_is_refused(customer, seats, value):
    with pytest.raises(Invalid, match="seats: the value is a whole number"):
        grant(customer, (seats, value))


def test_archived_feature_is_given_only_as_part_of_a_product(customer, sso):
    sso.archived_at = NOW
    sso.save()
    with pytest.raises(FeatureArchived):
        grant(customer, sso)
    grant(customer, sso, product_id="prod_1")
    deny(customer, sso)


def test_nothing_to_give_is_refused(customer):
    with pytest.raises(Invalid):
        grant(customer)


def test_neighbours_feature_cannot_be_given(customer, other_project):
    grant(customer, FeatureFactory.create(project=other_project, code="sso"))
    with pytest.raises(IntegrityError, match="entitlements_fact_feature_tenant_fk"):
        connection.check_constraints()


def test_expiry_is_recorded_once(customer, sso, seats):
    expiring = grant(customer, sso, expires_at=NOW + DAY)
    revoked = grant(customer, (seats, 1), expires_at=NOW + DAY)
    revoke(revoked)
    grant(customer, (seats, 2))

    assert grants.expire_due(at=NOW + DAY - TICK, limit=10) == 0
    assert grants.expire_due(at=NOW + DAY, limit=10) == 1
    assert grants.expire_due(at=NOW + 2 * DAY, limit=10) == 0

    assert event_types(customer)[-2:] == ["entitlements.changed", "grant.expired"]
    events = OutboxEvent.objects.for_project(customer.project_id)
    expired = events.get(type="grant.expired")
    assert (expired.subject, expired.data["status"]) == (expiring.pk, "expired")
    assert expired.previous == {"status": "active"}
    changed = events.filter(type="entitlements.changed").latest("pk")
    assert [each["feature"] for each in changed.previous["entitlements"]] == ["sso"]
    assert audited(customer)[-1] == ("grant.expire", "command", "")


def test_a_grant_revoked_meanwhile_does_not_expire(customer, sso):
    new_grant = grant(customer, sso, expires_at=NOW + DAY)
    [due] = grant_selectors.due_to_expire(at=NOW + DAY, limit=10, rule=grants.RULE)
    revoke(new_grant, at=NOW + DAY - TICK)
    assert not grants._expire(due, NOW + DAY)
    assert event_types(customer)[-1] == "grant.revoked"
    assert Grant.objects.for_project(customer.project_id).get().expired_at is None


def test_expiry_works_in_batches_oldest_first(customer, seats):
    for hours in (3, 1, 2):
        grant(customer, (seats, hours), expires_at=NOW + timedelta(hours=hours))
    assert grants.expire_due(at=NOW + DAY, limit=2) == 2
    left = Grant.objects.for_project(customer.project_id).get(expired_at__isnull=True)
    assert left.features == [{"feature": "seats", "value": 3}]


def test_effect_is_what_the_grant_changed_even_when_asked_later(customer, sso, seats):
    state(customer, draft_fact(seats, 10))
    new_grant = grant(customer, sso, (seats, 5))
    state(customer, draft_fact(seats, 3))

    effect_by_feature = {
        each.after.feature: each for each in effects.of_grant(grant=new_grant, at=NOW)
    }

    assert (effect_by_feature["sso"].before.allowed, effect_by_feature["sso"].after.allowed) == (
        False,
        True,
    )
    assert effect_by_feature["sso"].is_change
    assert (effect_by_feature["seats"].before.limit, effect_by_feature["seats"].after.limit) == (
        10,
        10,
    )
    assert not effect_by_feature["seats"].is_change
    ended = effects.of_grant(grant=revoke(new_grant), at=NOW)
    assert [(each.before.limit, each.after.limit) for each in ended] == [(5, 3), (None, None)]


def test_a_scheduled_grant_changes_only_valid_until(customer, sso):
    new_grant = grant(customer, sso, starts_at=NOW + DAY)
    [effect] = effects.of_grant(grant=new_grant, at=NOW)
    assert not effect.after.allowed
    assert (effect.before.valid_until, effect.after.valid_until) == (None, NOW + DAY)
    assert effect.is_change
