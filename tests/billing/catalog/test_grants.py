"""``/admin/grant``, ``/admin/revoke`` and ``/admin/grants`` grant and deny access by hand."""

from datetime import timedelta

import pytest
from django.utils import timezone

from entitlements.models import Grant
from events.models import AuditEntry, OutboxEvent
from projects.models import Customer
from tests.api_client import ApiClient
from tests.factories.entitlements import FeatureFactory
from tests.factories.projects import key_of

WHY = {"reason": "Beta tester."}


def time_from_now(**delta):
    return (timezone.now() + timedelta(**delta)).isoformat()


def grant(api, **body):
    return api.post("/admin/grant", {"user_id": "ada", **WHY, **body})


def revoke(api, **body):
    return api.post("/admin/revoke", {**WHY, **body})


def check(api, feature="sso", user_id="ada"):
    return api.get("/entitlements/check", query={"user_id": user_id, "feature": feature}).json()


def event_types(project):
    return [event.type for event in OutboxEvent.objects.for_project(project).order_by("pk")]


@pytest.fixture
def api(api, django_capture_on_commit_callbacks):
    """The project's back end; what waits for the commit happens after each call."""

    class Committing(ApiClient):
        def request(self, *args, **kwargs):
            with django_capture_on_commit_callbacks(execute=True):
                return super().request(*args, **kwargs)

    return Committing(api.key)


def test_feature_is_given_and_the_effect_shown(api, project, sso):
    response = grant(api, feature="sso", expires_at=time_from_now(days=1))

    assert response.status_code == 201
    body = response.json()
    given = body["grant"]
    assert (given["user_id"], given["effect"], given["status"]) == ("ada", "allow", "active")
    assert given["features"] == [{"feature": "sso", "value": True}]
    assert given["reason"] == "Beta tester."
    assert given["created_by"].startswith("key:key_")
    [effect] = body["effect"]
    assert (effect["feature"], effect["changed"]) == ("sso", True)
    assert (effect["before"]["allowed"], effect["before"]["reason"]) == (False, "not_entitled")
    assert (effect["after"]["allowed"], effect["after"]["reason"]) == (True, "granted")
    assert effect["after"] == check(api)
    assert effect["after"]["valid_until"] == given["expires_at"]
    assert event_types(project) == ["customer.created", "entitlements.changed", "grant.created"]
    entry = AuditEntry.objects.get(action="grant.create")
    assert (entry.subject, entry.reason, entry.actor) == (
        given["id"],
        "Beta tester.",
        given["created_by"],
    )


def test_limit_is_given_with_its_value_or_without_end(api, seats):
    assert grant(api, feature="seats", value=7).json()["effect"][0]["after"]["limit"] == 7
    assert grant(api, feature="seats", value=None).json()["effect"][0]["after"]["limit"] is None
    assert check(api, "seats")["allowed"]


def test_product_is_given_with_everything_that_it_entitles_to(api, shop, sso, seats):
    product = shop.product("Pro", sso, (seats, 5))
    body = grant(api, product_id=product.pk).json()
    assert body["grant"]["product"] == product.pk
    assert sorted((each["feature"], each["value"]) for each in body["grant"]["features"]) == [
        ("seats", 5),
        ("sso", True),
    ]
    assert [(each["feature"], each["changed"]) for each in body["effect"]] == [
        ("seats", True),
        ("sso", True),
    ]
    assert check(api, "seats")["limit"] == 5


def test_granting_a_product_without_features_is_refused(api, shop):
    response = grant(api, product_id=shop.product("Empty").pk)
    assert response.status_code == 422
    assert not Customer.objects.across_projects().filter(user_id="ada").exists()


def test_revoking_by_id_ends_that_grant(api, project, sso):
    given = grant(api, feature="sso").json()["grant"]
    response = revoke(api, grant_id=given["id"], reason="Over.")
    assert response.status_code == 200
    body = response.json()
    assert (body["grant"]["status"], body["grant"]["revoked_reason"]) == ("revoked", "Over.")
    assert (body["effect"][0]["before"]["allowed"], body["effect"][0]["after"]["allowed"]) == (
        True,
        False,
    )
    assert not check(api)["allowed"]
    assert event_types(project)[-2:] == ["entitlements.changed", "grant.revoked"]
    again = revoke(api, grant_id=given["id"], reason="Again.")
    assert again.status_code == 200
    assert again.json()["grant"]["revoked_reason"] == "Over."
    assert event_types(project)[-2:] == ["entitlements.changed", "grant.revoked"]


def test_revoking_a_users_feature_denies_it_until_the_denial_is_revoked(api, sso):
    grant(api, feature="sso")
    response = revoke(api, user_id="ada", feature="sso")
    assert response.status_code == 201
    denial = response.json()["grant"]
    assert (denial["effect"], denial["features"]) == ("deny", [{"feature": "sso"}])
    assert check(api)["reason"] == "revoked"
    after = grant(api, feature="sso").json()["effect"][0]["after"]
    assert (after["allowed"], after["reason"]) == (False, "revoked")
    revoke(api, grant_id=denial["id"])
    assert check(api)["allowed"]


def test_revoking_a_users_product_denies_all_its_features(api, shop, sso, seats):
    product = shop.product("Pro", sso, (seats, 5))
    grant(api, product_id=product.pk)
    assert revoke(api, user_id="ada", product_id=product.pk).status_code == 201
    assert [check(api, code)["reason"] for code in ("sso", "seats")] == ["revoked", "revoked"]


def test_a_scheduled_grant_takes_effect_at_its_start(api, sso):
    body = grant(
        api, feature="sso", starts_at=time_from_now(days=1), expires_at=time_from_now(days=2)
    ).json()
    assert body["grant"]["status"] == "scheduled"
    assert not check(api)["allowed"]
    assert check(api)["valid_until"] == body["grant"]["starts_at"]


def test_list_is_newest_first_and_filtered(api, other_api, sso):
    first = grant(api, feature="sso").json()["grant"]
    second = grant(api, feature="sso", user_id="bob").json()["grant"]
    third = grant(api, feature="sso", starts_at=time_from_now(days=1)).json()["grant"]
    revoke(api, grant_id=first["id"])

    def ids(**query):
        return [row["id"] for row in api.get("/admin/grants", query=query).json()["data"]]

    assert ids() == [third["id"], second["id"], first["id"]]
    assert ids(user_id="ada") == [third["id"], first["id"]]
    assert ids(user_id="nobody") == []
    assert ids(status="revoked") == [first["id"]]
    assert ids(status="active") == [second["id"]]
    assert ids(user_id="ada", status="scheduled") == [third["id"]]
    assert ids(limit=1) == [third["id"]]
    assert other_api.get("/admin/grants").json()["data"] == []
    assert other_api.get("/admin/grants", query={"cursor": third["id"]}).json()["data"] == []
    for query in ({"status": "odd"}, {"surprise": "1"}, {"user_id": ""}):
        assert api.get("/admin/grants", query=query).status_code == 422


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
def test_bad_grant_is_refused_and_nothing_is_stored(api, project, sso, seats, body):
    response = grant(api, **body)
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
def test_bad_revocation_is_refused_and_nothing_is_stored(api, project, sso, body):
    assert revoke(api, **body).status_code == 422
    assert event_types(project) == []


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_text_that_cannot_be_stored_is_refused(api, sso, text):
    assert grant(api, feature="sso", reason=text).status_code == 400
    assert grant(api, feature=text).status_code == 400
    assert revoke(api, grant_id=text).status_code == 400


def test_a_neighbours_rows_are_answered_like_missing_rows(api, other_api, other_project, shop, sso):
    product = shop.product("Pro", sso)
    given = grant(api, feature="sso").json()["grant"]
    customer = Customer.objects.across_projects().get(user_id="ada")

    def status_and_body(response):
        body = response.json()
        body.pop("request_id")
        return response.status_code, body

    for theirs, random, call in (
        (product.pk, "prod_" + "0" * 26, lambda id: grant(other_api, product_id=id)),
        (given["id"], "grant_" + "0" * 26, lambda id: revoke(other_api, grant_id=id)),
        ("sso", "nothing", lambda id: grant(other_api, feature=id)),
        ("sso", "nothing", lambda id: revoke(other_api, user_id="ada", feature=id)),
    ):
        assert status_and_body(call(theirs)) == status_and_body(call(random))
        assert status_and_body(call(theirs))[0] == 404
    assert not Customer.objects.for_project(other_project).exists()
    assert other_api.get("/admin/grants", query={"user_id": customer.pk}).json()["data"] == []
    assert check(api)["allowed"]


def test_expired_grant_cannot_be_revoked(api, project, sso):
    given = grant(api, feature="sso", expires_at=time_from_now(hours=1)).json()["grant"]
    Grant.objects.for_project(project).update(
        starts_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1)
    )
    response = revoke(api, grant_id=given["id"])
    assert (response.status_code, response.json()["code"]) == (409, "grant-expired")


def test_archived_feature_is_not_given(api, project):
    FeatureFactory.create(project=project, code="old", archived_at=timezone.now())
    response = grant(api, feature="old")
    assert (response.status_code, response.json()["code"]) == (409, "feature-archived")
    assert not Customer.objects.for_project(project).exists()


def test_an_existing_customer_is_reused(api, project, sso):
    grant(api, feature="sso")
    customer = Customer.objects.for_project(project).get()
    grant(api, feature="sso", user_id=customer.pk)
    assert Customer.objects.for_project(project).count() == 1
    assert len(check(api)["sources"]) == 2


def test_a_repeated_request_grants_once(api, project, sso):
    body = {"user_id": "ada", "feature": "sso", **WHY}
    first, second = (
        api.post("/admin/grant", body, headers={"Idempotency-Key": "once"}) for _ in range(2)
    )
    assert first.content == second.content
    assert Grant.objects.for_project(project).count() == 1


def test_scopes(project, sso):
    reader = ApiClient(key_of(project, scopes=["admin:read"]))
    giver = ApiClient(key_of(project, scopes=["admin:grant"]))
    assert reader.get("/admin/grants").status_code == 200
    assert grant(reader, feature="sso").status_code == 403
    assert revoke(reader, grant_id="grant_1").status_code == 403
    assert giver.get("/admin/grants").status_code == 403
    assert grant(giver, feature="sso").status_code == 201
