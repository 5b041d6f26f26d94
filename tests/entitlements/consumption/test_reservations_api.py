"""``/entitlements/reserve``, ``commit`` and ``release`` hold use back and return the rest."""

from datetime import timedelta

import pytest
from django.utils import timezone

from entitlements.consumption import reservation_expiry
from entitlements.models import Reservation
from entitlements.models.feature import FeatureKind
from tests.entitlements.consumption.consumption_calls import (
    allow,
    consume,
    cost,
    deny,
    post,
    post_credits,
    reserve,
    row_counts,
)
from tests.factories.entitlements import FeatureFactory

pytestmark = pytest.mark.django_db


def test_a_partial_commit_returns_the_rest_of_the_reservation(
    api, project, customer, calls
) -> None:
    allow(customer, calls, 10)
    body = reserve(api, 8, expires_in=60)
    reservation, decision = body["reservation"], body["decision"]
    assert (reservation["status"], reservation["amount"]) == ("open", 8)
    assert (decision["allowed"], decision["used"], decision["remaining"]) == (True, 0, 2)
    assert reserve(api, 3)["reservation"] is None
    assert consume(api, 3)["consumed"] == 0
    assert consume(api, 1)["remaining"] == 1
    id_ = {"reservation": reservation["id"]}
    assert post(api, "commit", 422, **id_, amount=9)["errors"][0]["pointer"] == "#/amount"
    for _ in range(2):
        done = post(api, "commit", **id_, amount=5)["reservation"]
        assert (done["status"], done["committed_amount"]) == ("committed", 5)
    assert post(api, "commit", 409, **id_, amount=4)["code"] == "reservation-closed"
    assert post(api, "release", 409, **id_)["code"] == "reservation-closed"
    assert row_counts(project) == [2, 2, 1, 6, 0]
    other = {"reservation": reserve(api, 4)["reservation"]["id"]}
    assert row_counts(project)[-2:] == [6, 4]
    for _ in range(2):
        assert post(api, "release", **other)["reservation"]["status"] == "released"
    assert post(api, "commit", 409, **other)["code"] == "reservation-closed"
    assert row_counts(project) == [2, 2, 1, 6, 0]


def test_reservation_with_a_key_is_made_once(api, project, customer, calls) -> None:
    allow(customer, calls, 10)
    first = reserve(api, 6, key="job")
    again = reserve(api, 6, key="job")
    assert again == {**first, "duplicate": True}
    assert post(api, "reserve", 409, user_id="ada", feature="api", amount=5, key="job")["code"] == (
        "reservation-key-reused"
    )
    assert row_counts(project)[-2:] == [0, 6]
    assert Reservation.objects.for_project(project).count() == 1


def test_an_expired_reservation_is_released_on_demand_and_by_the_task(
    api, project, customer, calls
) -> None:
    allow(customer, calls, 10)
    mine = Reservation.objects.for_project(project)
    first, second = (reserve(api, 5)["reservation"]["id"] for _ in range(2))
    now = timezone.now()
    mine.filter(pk=first).update(expires_at=now)
    assert post(api, "commit", 409, reservation=first)["code"] == "reservation-expired"
    assert consume(api, 6)["consumed"] == 0
    assert consume(api, 5)["consumed"] == 5
    assert post(api, "release", reservation=first)["reservation"]["status"] == "expired"
    mine.filter(pk=second).update(expires_at=now)
    before = now - timedelta(microseconds=1)
    assert reservation_expiry.expire_due(at=before, limit=10) == 0
    assert mine.get(pk=second).status(before) == "open"
    assert [reservation_expiry.expire_due(at=now, limit=10) for _ in range(2)] == [1, 0]
    assert row_counts(project) == [1, 1, 1, 5, 0]
    third = mine.get(pk=reserve(api, 5)["reservation"]["id"])
    mine.filter(pk=third.pk).update(expires_at=now)
    assert reserve(api, 5)["decision"]["allowed"]


def test_a_reservation_outlives_the_access_it_was_made_under(api, project, customer, calls) -> None:
    allow(customer, calls, 10)
    reservation_id = reserve(api, 6)["reservation"]["id"]
    allow(customer, calls, 4)
    lowered = consume(api)
    assert (lowered["reason"], lowered["limit"], lowered["remaining"]) == ("limit_reached", 4, 0)
    allow(customer, calls, 8)
    assert consume(api, 2)["consumed"] == 2
    deny(customer, calls)
    assert post(api, "commit", reservation=reservation_id)["reservation"]["committed_amount"] == 6
    assert row_counts(project)[-2:] == [8, 0]


def test_neighbour_cannot_touch_a_reservation(api, other_api, project, customer, calls) -> None:
    allow(customer, calls, 5)
    held = {"reservation": reserve(api, 4)["reservation"]["id"]}
    for verb in ("commit", "release"):
        assert post(other_api, verb, 404, **held)["code"] == "not-found"
    assert row_counts(project)[-2:] == [0, 4]


def test_more_credits_than_a_row_can_hold_are_not_reserved(api, project, customer, images) -> None:
    cost(customer, images, 2**50)
    post_credits(api, 100)
    refused = reserve(api, 2**52, feature="image")
    assert refused["reservation"] is None
    assert (refused["decision"]["reason"], refused["decision"]["remaining"]) == (
        "credits_exhausted",
        0,
    )
    assert not Reservation.objects.for_project(project).exists()
    assert consume(api, 2**52, feature="image")["consumed"] == 0


def test_reservations_count_under_every_anchor(api, project, customer, meter) -> None:
    """Another source of the same limit begins its months on another day."""
    feature = FeatureFactory.create(
        project=project,
        code="api",
        kind=FeatureKind.METERED,
        meter=meter,
        period="month",
        is_anchored=True,
    )
    now = timezone.now()
    allow(customer, feature, 10, anchored_at=now - timedelta(days=3))
    reservation_id = reserve(api, 8)["reservation"]["id"]
    allow(customer, feature, 10, anchored_at=now - timedelta(days=9))
    body = api.get("/entitlements/check", query={"user_id": "ada", "feature": "api"}).json()
    assert (body["used"], body["remaining"]) == (0, 2)
    assert (consume(api, 3)["consumed"], reserve(api, 3)["reservation"]) == (0, None)
    assert consume(api, 2)["remaining"] == 0
    post(api, "commit", reservation=reservation_id, amount=5)
    assert consume(api, 3)["remaining"] == 0
    assert reserve(api, 1)["reservation"] is None
