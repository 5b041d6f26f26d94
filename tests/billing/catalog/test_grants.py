"""``/admin/grant``, ``/admin/revoke`` and ``/admin/grants`` grant and deny access by hand."""

from entitlements.models import Grant
from events.models import AuditEntry
from projects.models import Customer
from tests.api_client import ApiClient
from tests.billing.catalog.grant_calls import WHY, check, event_types, grant, revoke, time_from_now
from tests.factories.projects import key_of


def test_feature_is_given_and_the_effect_shown(granting_api, project, sso):
    response = grant(granting_api, feature="sso", expires_at=time_from_now(days=1))

    assert response.status_code == 201
    body = response.json()
    new_grant = body["grant"]
    assert (new_grant["user_id"], new_grant["effect"], new_grant["status"]) == (
        "ada",
        "allow",
        "active",
    )
    assert new_grant["features"] == [{"feature": "sso", "value": True}]
    assert new_grant["reason"] == "Beta tester."
    assert new_grant["created_by"].startswith("key:key_")
    [effect] = body["effect"]
    assert (effect["feature"], effect["changed"]) == ("sso", True)
    assert (effect["before"]["allowed"], effect["before"]["reason"]) == (False, "not_entitled")
    assert (effect["after"]["allowed"], effect["after"]["reason"]) == (True, "granted")
    assert effect["after"] == check(granting_api)
    assert effect["after"]["valid_until"] == new_grant["expires_at"]
    assert event_types(project) == ["customer.created", "entitlements.changed", "grant.created"]
    entry = AuditEntry.objects.get(action="grant.create")
    assert (entry.subject, entry.reason, entry.actor) == (
        new_grant["id"],
        "Beta tester.",
        new_grant["created_by"],
    )


def test_limit_is_given_with_its_value_or_without_end(granting_api, seats):
    assert grant(granting_api, feature="seats", value=7).json()["effect"][0]["after"]["limit"] == 7
    assert (
        grant(granting_api, feature="seats", value=None).json()["effect"][0]["after"]["limit"]
        is None
    )
    assert check(granting_api, "seats")["allowed"]


def test_product_is_given_with_everything_that_it_entitles_to(granting_api, shop, sso, seats):
    product = shop.product("Pro", sso, (seats, 5))
    body = grant(granting_api, product_id=product.pk).json()
    assert body["grant"]["product"] == product.pk
    assert sorted((each["feature"], each["value"]) for each in body["grant"]["features"]) == [
        ("seats", 5),
        ("sso", True),
    ]
    assert [(each["feature"], each["changed"]) for each in body["effect"]] == [
        ("seats", True),
        ("sso", True),
    ]
    assert check(granting_api, "seats")["limit"] == 5


def test_granting_a_product_without_features_is_refused(granting_api, shop):
    response = grant(granting_api, product_id=shop.product("Empty").pk)
    assert response.status_code == 422
    assert not Customer.objects.across_projects().filter(user_id="ada").exists()


def test_revoking_by_id_ends_that_grant(granting_api, project, sso):
    new_grant = grant(granting_api, feature="sso").json()["grant"]
    response = revoke(granting_api, grant_id=new_grant["id"], reason="Over.")
    assert response.status_code == 200
    body = response.json()
    assert (body["grant"]["status"], body["grant"]["revoked_reason"]) == ("revoked", "Over.")
    assert (body["effect"][0]["before"]["allowed"], body["effect"][0]["after"]["allowed"]) == (
        True,
        False,
    )
    assert not check(granting_api)["allowed"]
    assert event_types(project)[-2:] == ["entitlements.changed", "grant.revoked"]
    again = revoke(granting_api, grant_id=new_grant["id"], reason="Again.")
    assert again.status_code == 200
    assert again.json()["grant"]["revoked_reason"] == "Over."
    assert event_types(project)[-2:] == ["entitlements.changed", "grant.revoked"]


def test_revoking_a_users_feature_denies_it_until_the_denial_is_revoked(granting_api, sso):
    grant(granting_api, feature="sso")
    response = revoke(granting_api, user_id="ada", feature="sso")
    assert response.status_code == 201
    denial = response.json()["grant"]
    assert (denial["effect"], denial["features"]) == ("deny", [{"feature": "sso"}])
    assert check(granting_api)["reason"] == "revoked"
    after = grant(granting_api, feature="sso").json()["effect"][0]["after"]
    assert (after["allowed"], after["reason"]) == (False, "revoked")
    revoke(granting_api, grant_id=denial["id"])
    assert check(granting_api)["allowed"]


def test_revoking_a_users_product_denies_all_its_features(granting_api, shop, sso, seats):
    product = shop.product("Pro", sso, (seats, 5))
    grant(granting_api, product_id=product.pk)
    assert revoke(granting_api, user_id="ada", product_id=product.pk).status_code == 201
    assert [check(granting_api, code)["reason"] for code in ("sso", "seats")] == [
        "revoked",
        "revoked",
    ]


def test_a_scheduled_grant_takes_effect_at_its_start(granting_api, sso):
    body = grant(
        granting_api,
        feature="sso",
        starts_at=time_from_now(days=1),
        expires_at=time_from_now(days=2),
    ).json()
    assert body["grant"]["status"] == "scheduled"
    assert not check(granting_api)["allowed"]
    assert check(granting_api)["valid_until"] == body["grant"]["starts_at"]


def test_list_is_newest_first_and_filtered(granting_api, other_api, sso):
    first = grant(granting_api, feature="sso").json()["grant"]
    second = grant(granting_api, feature="sso", user_id="bob").json()["grant"]
    third = grant(granting_api, feature="sso", starts_at=time_from_now(days=1)).json()["grant"]
    revoke(granting_api, grant_id=first["id"])

    def ids(**query):
        return [row["id"] for row in granting_api.get("/admin/grants", query=query).json()["data"]]

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
        assert granting_api.get("/admin/grants", query=query).status_code == 422


def test_an_existing_customer_is_reused(granting_api, project, sso):
    grant(granting_api, feature="sso")
    customer = Customer.objects.for_project(project).get()
    grant(granting_api, feature="sso", user_id=customer.pk)
    assert Customer.objects.for_project(project).count() == 1
    assert len(check(granting_api)["sources"]) == 2


def test_a_repeated_request_grants_once(granting_api, project, sso):
    body = {"user_id": "ada", "feature": "sso", **WHY}
    first, second = (
        granting_api.post("/admin/grant", body, headers={"Idempotency-Key": "once"})
        for _ in range(2)
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
