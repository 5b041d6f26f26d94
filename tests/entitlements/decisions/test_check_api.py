"""``/entitlements`` and ``/entitlements/check`` answer a tenant's questions."""

from urllib.parse import quote

import pytest
from django.utils import timezone

from entitlements.cache.local import local_cache
from entitlements.models import Feature
from projects.models import Customer
from tests.api_client import ApiClient
from tests.entitlements.decisions.check_calls import CHECK, COLD, check, queries
from tests.factories.entitlements import FeatureFactory, grant
from tests.factories.projects import CustomerFactory, key_of, platform_key

pytestmark = pytest.mark.django_db


def test_decision_has_every_member(api, entitled):
    response = check(api, feature="seats")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["X-Request-ID"]
    body = response.json()
    assert body.pop("valid_until").endswith("Z")
    assert body == {
        "feature": "seats",
        "allowed": True,
        "reason": "entitled",
        "value": 5,
        "limit": 5,
        "used": None,
        "remaining": None,
        "resets_at": None,
        "version": 1,
        "sources": [{"type": "subscription", "id": "sub_1"}],
    }


def test_warm_and_cold_answers_are_the_same_and_warm_ones_cost_no_query(api, entitled):
    _, unknown_key = queries(lambda: check(api, user_id="somebody else"))
    first, cold = queries(lambda: check(api))
    copied, warm = queries(lambda: check(api))
    local_cache.drop_all()
    kept, warm_in_redis = queries(lambda: check(api))
    assert first.content == copied.content == kept.content
    assert (cold, warm, warm_in_redis) == (COLD, 0, 0)
    assert unknown_key == 1 + 1 + COLD  # its row, its use


def test_common_and_unusual_requests_get_the_same_answer(api, entitled, project):
    CustomerFactory.create(project=project, user_id="line\nfeed")
    plain, padded = check(api), check(api, user_id=" ada ")
    assert padded.content == plain.content
    assert check(api, user_id="line\nfeed").status_code == 200
    assert api.request("HEAD", f"{CHECK}?user_id=ada&feature=sso").status_code == 200


def test_customer_may_be_named_by_our_id(api, entitled):
    assert check(api, user_id=entitled.pk).json() == check(api).json()


def test_unknown_user_is_denied_and_not_made(api, sso):
    body = check(api, user_id="nobody").json()
    assert (body["allowed"], body["reason"], body["version"]) == (False, "not_entitled", 0)
    assert not Customer.objects.across_projects().exists()


def test_unknown_feature_is_denied_with_its_reason(api, entitled):
    body = check(api, feature="warp-drive").json()
    assert (body["allowed"], body["reason"], body["value"]) == (False, "unknown_feature", False)


def test_a_neighbour_is_answered_like_a_stranger(other_api, other_project, entitled):
    FeatureFactory.create(project=other_project, code="sso")
    for user_id in ("ada", entitled.pk, "cus_" + "0" * 26, "nobody"):
        body = check(other_api, user_id=user_id).json()
        assert (body["allowed"], body["reason"], body["version"]) == (False, "not_entitled", 0)
    assert check(other_api, feature="seats").json()["reason"] == "unknown_feature"


def test_grant_and_its_revocation_are_seen_at_once(api, entitled, project, commit):
    beta = FeatureFactory.create(project=project, code="beta")
    assert not check(api, feature="beta").json()["allowed"]
    with commit():
        grant(entitled, beta, at=timezone.now())
    body = check(api, feature="beta").json()
    assert (body["allowed"], body["reason"], body["version"]) == (True, "granted", 2)


def test_without_redis_everything_keeps_answering(own_redis, api, entitled, project, commit):
    own_redis.stop()
    assert check(api).json()["allowed"]
    body = {"checks": [{"user_id": "ada", "feature": "seats"}]}
    assert api.post(CHECK, body).json()["data"][0]["limit"] == 5
    with commit():
        assert (
            api.post(
                "/admin/grant",
                {"user_id": "ada", "feature": "seats", "value": 9, "reason": "Outage."},
            ).status_code
            == 201
        )
    assert check(api, feature="seats").json()["limit"] == 9


BAD = [
    {},
    {"user_id": "ada"},
    {"feature": "sso"},
    {"user_id": "", "feature": "sso"},
    {"user_id": "ada", "feature": ""},
    {"user_id": "  ", "feature": "sso"},
    {"user_id": "ada", "feature": "sso", "surprise": "1"},
    {"user_id": "ada", "feature": "sso", "limit": "1"},
    {"user_id": "a" * 256, "feature": "sso"},
    {"user_id": "ada", "feature": "f" * 65},
    {"user_id": ["ada", "bob"], "feature": "sso"},
]


@pytest.mark.parametrize("query", BAD, ids=lambda query: str(query)[:60])
def test_bad_question_is_refused(api, entitled, query):
    response = api.get(CHECK, query=query)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"]


@pytest.mark.parametrize(
    "raw",
    [
        "user_id=%ED%A0%80&feature=sso",
        "user_id=%FF&feature=%FE",
        "user_id=" + quote("😀") + "&feature=sso",
        "user_id=ada;feature=sso",
        "&&&=&=&",
    ],
)
def test_odd_bytes_never_crash(api, entitled, raw):
    assert api.get(f"{CHECK}?{raw}").status_code in (200, 422)


@pytest.mark.parametrize(
    "query", ["user_id=a%00da&feature=sso", "user_id=ada&feature=%00", "%00=1"]
)
@pytest.mark.parametrize("path", [CHECK, "/entitlements"])
def test_nul_in_a_query_is_refused(api, entitled, path, query):
    response = api.get(f"{path}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "bad-request")


@pytest.mark.parametrize("path", [f"{CHECK}?user_id=ada&feature=sso", "/entitlements?user_id=ada"])
class TestWhoMayAsk:
    def test_no_key(self, path, entitled):
        response = ApiClient().get(path)
        assert response.status_code == 401
        assert response.json()["code"] == "key-required"
        assert response["WWW-Authenticate"] == 'Bearer realm="tollgate"'

    @pytest.mark.parametrize("key", ["nonsense", "tg_test_" + "x" * 43, "\xff", "a b c"])
    def test_wrong_key(self, path, entitled, key):
        response = ApiClient(key).get(path)
        assert (response.status_code, response.json()["code"]) == (401, "invalid-key")
        assert response["WWW-Authenticate"] == 'Bearer realm="tollgate"'

    def test_key_without_the_scope(self, path, entitled, project):
        response = ApiClient(key_of(project, scopes=["catalog:read"])).get(path)
        assert (response.status_code, response.json()["code"]) == (403, "scope-missing")
        assert "'entitlements:read'" in response.json()["detail"]

    def test_platform_key(self, path, entitled):
        assert ApiClient(platform_key()).get(path).status_code == 403

    def test_wrong_method(self, path, entitled, api):
        assert api.delete(path).status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"checks": []},
        {"checks": "ada"},
        {"checks": [{"user_id": "ada"}]},
        {"checks": [{"user_id": "ada", "feature": "sso", "surprise": 1}]},
        {"checks": [{"user_id": "ada", "feature": "sso"}], "surprise": 1},
        {"checks": [{"user_id": "ada", "feature": "sso"}] * 1001},
        {"checks": [{"user_id": {}, "feature": []}]},
        {"checks": [None]},
        {"checks": [{"user_id": 7, "feature": None}]},
    ],
    ids=lambda body: str(body)[:50],
)
def test_bad_questions_are_refused(api, entitled, body):
    response = api.post(CHECK, body)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"


def test_nul_and_lone_surrogates_in_a_body_are_refused(api, entitled):
    for text in ("a\x00da", "\ud800"):
        body = {"checks": [{"user_id": text, "feature": "sso"}]}
        response = api.post(CHECK, body)
        assert (response.status_code, response.json()["code"]) == (400, "malformed-body")


def test_checks_write_nothing(api, entitled):
    before = Feature.objects.across_projects().count(), Customer.objects.across_projects().count()
    check(api, user_id="x", feature="y")
    api.post(CHECK, {"checks": [{"user_id": "x", "feature": "y"}]})
    api.get("/entitlements", query={"user_id": "x"})
    assert before == (
        Feature.objects.across_projects().count(),
        Customer.objects.across_projects().count(),
    )
