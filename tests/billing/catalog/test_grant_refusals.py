"""``/admin/grant`` and ``/admin/revoke`` refuse invalid and foreign requests and store nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from entitlements.models import Grant
from events.models import AuditEntry
from projects.models import Customer
from tests.billing.catalog.grant_calls import check, event_types, grant, revoke, time_from_now
from tests.factories.entitlements import FeatureFactory

BAD_GRANTS = [
    {},
    {"feature": "sso", "product_id": "prod_1"},
    {"product_id": "prod_1", "value": 5},
    {"feature": "sso", "reason": ""},
    {"feature": "sso", "reason": " \n "},
    {"feature": "sso", "reason": "x" * 1001},
    {"feature": "sso", "reason": None},
    {"feature": "sso", "user_id": ""},
    {"feature": "sso", "user_id": None},
    {"feature": "sso", "user_id": "x" * 256},
    {"feature": "sso", "value": 5},
    {"feature": "sso", "value": None},
    {"feature": "sso", "value": False},
    {"feature": "sso", "value": "true"},
    {"feature": "sso", "value": {}},
    {"feature": "seats"},
    {"feature": "seats", "value": -1},
    {"feature": "seats", "value": 1.5},
    {"feature": "seats", "value": 2**53},
    {"feature": "sso", "expires_at": "yesterday"},
    {"feature": "sso", "expires_at": "2001-01-01T00:00:00Z"},
    {"feature": "sso", "expires_at": "9999-12-31T23:59:59-14:00"},
    {"feature": "sso", "starts_at": "0001-01-01T00:00:00+14:00"},
    {"feature": "sso", "starts_at": "2999-01-02T00:00:00Z", "expires_at": "2999-01-01T00:00:00Z"},
    {"feature": "sso", "surprise": 1},
    {"feature": "sso", "effect": "deny"},
]


@pytest.mark.parametrize("body", BAD_GRANTS, ids=lambda body: str(body)[:60])
def test_bad_grant_is_refused_and_nothing_is_stored(granting_api, project, sso, seats, body):
    response = grant(granting_api, **body)
    assert response.status_code == 422
    assert response.json()["errors"]
    assert not Grant.objects.for_project(project).exists()
    assert not Customer.objects.for_project(project).exists()
    assert event_types(project) == []
    assert not AuditEntry.objects.filter(action__startswith="grant").exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id": "ada"},
        {"feature": "sso"},
        {"grant_id": "grant_1", "user_id": "ada"},
        {"grant_id": "grant_1", "feature": "sso"},
        {"user_id": "ada", "feature": "sso", "product_id": "prod_1"},
        {"grant_id": "grant_1", "expires_at": "2999-01-01T00:00:00Z"},
        {"grant_id": "grant_1", "reason": ""},
        {"grant_id": "x" * 41},
        {"user_id": "ada", "feature": "sso", "value": True},
        {"user_id": "ada", "feature": "sso", "expires_at": "2001-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_bad_revocation_is_refused_and_nothing_is_stored(granting_api, project, sso, body):
    assert revoke(granting_api, **body).status_code == 422
    assert event_types(project) == []


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(granting_api, sso, text):
    assert grant(granting_api, feature="sso", reason=text).status_code == 400
    assert grant(granting_api, feature=text).status_code == 400
    assert revoke(granting_api, grant_id=text).status_code == 400


def test_a_neighbours_rows_are_answered_like_missing_rows(
    granting_api, other_api, other_project, shop, sso
):
    product = shop.product("Pro", sso)
    new_grant = grant(granting_api, feature="sso").json()["grant"]
    customer = Customer.objects.across_projects().get(user_id="ada")

    def status_and_body(response):
        body = response.json()
        body.pop("request_id")
        return response.status_code, body

    for neighbours_id, random, call in (
        (product.pk, "prod_" + "0" * 26, lambda id: grant(other_api, product_id=id)),
        (new_grant["id"], "grant_" + "0" * 26, lambda id: revoke(other_api, grant_id=id)),
        ("sso", "nothing", lambda id: grant(other_api, feature=id)),
        ("sso", "nothing", lambda id: revoke(other_api, user_id="ada", feature=id)),
    ):
        assert status_and_body(call(neighbours_id)) == status_and_body(call(random))
        assert status_and_body(call(neighbours_id))[0] == 404
    assert not Customer.objects.for_project(other_project).exists()
    assert other_api.get("/admin/grants", query={"user_id": customer.pk}).json()["data"] == []
    assert check(granting_api)["allowed"]


def test_expired_grant_cannot_be_revoked(granting_api, project, sso):
    new_grant = grant(granting_api, feature="sso", expires_at=time_from_now(hours=1)).json()[
        "grant"
    ]
    Grant.objects.for_project(project).update(
        starts_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1)
    )
    response = revoke(granting_api, grant_id=new_grant["id"])
    assert (response.status_code, response.json()["code"]) == (409, "grant-expired")


def test_archived_feature_is_not_given(granting_api, project):
    FeatureFactory.create(project=project, code="old", archived_at=timezone.now())
    response = grant(granting_api, feature="old")
    assert (response.status_code, response.json()["code"]) == (409, "feature-archived")
    assert not Customer.objects.for_project(project).exists()
