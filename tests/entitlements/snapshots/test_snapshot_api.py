"""Signed snapshots are fetched, verified and rotated."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import jwt
import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.conf import EntitlementsSettings
from entitlements.models import SigningKey
from entitlements.snapshots import signing_keys
from events.models import AuditEntry
from projects.keys.api.authentication import identify
from tests.api_client import ApiClient
from tests.factories.entitlements import FeatureFactory, draft_fact, state
from tests.factories.projects import key_of

pytestmark = pytest.mark.django_db

JWKS = "/.well-known/jwks.json"


def snapshot(api, user_id="ada"):
    response = api.get(f"/entitlements/{user_id}/snapshot")
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/jwt"
    assert response["Cache-Control"] == "no-store"
    return response.content.decode()


def key_set():
    response = Client().get(JWKS)
    assert response.status_code == 200
    return {each["kid"]: each for each in response.json()["keys"]}


def verified(token, project, **kwargs):
    named = key_set()[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(
        token,
        jwt.PyJWK(named),
        algorithms=["EdDSA"],
        **{"audience": project.pk, "issuer": django_settings.PUBLIC_URL, **kwargs},
    )


def rotate(*arguments):
    out = StringIO()
    call_command("rotate_signing_key", *arguments, stdout=out)
    return out.getvalue().split()[0]


@pytest.fixture
def entitled(customer, sso, seats):
    """Ada may use sso, and five seats for an hour."""
    now = timezone.now()
    state(
        customer,
        draft_fact(sso, starts_at=now),
        draft_fact(seats, 5, starts_at=now, ends_at=now + timedelta(hours=1)),
        at=now,
    )
    return customer


def test_a_snapshot_holds_the_entitlements_and_their_end(api, entitled, project):
    token, shown = snapshot(api), api.get("/entitlements", query={"user_id": "ada"}).json()
    (key,) = SigningKey.objects.all()
    assert jwt.get_unverified_header(token) == {
        "alg": "EdDSA",
        "kid": key.pk,
        "typ": "entitlements+jwt",
    }
    claims = verified(token, project)
    decisions = claims.pop("entitlements")
    assert [each.pop("ask_online") for each in decisions] == [False, False]
    assert decisions == shown["entitlements"]
    signed_at, exp = claims.pop("iat"), claims.pop("exp")
    assert claims == {
        "iss": django_settings.PUBLIC_URL,
        "aud": project.pk,
        "sub": "ada",
        "customer": entitled.pk,
        "version": 1,
    }
    assert abs(signed_at - timezone.now().timestamp()) < 60
    assert 3500 < exp - signed_at <= 3600, "the seats end first"
    assert verified(snapshot(api, entitled.pk), project)["sub"] == "ada"


def test_a_snapshot_lives_for_a_day_by_default(api, customer, sso, project, settings):
    claims = verified(snapshot(api), project)
    assert claims["exp"] - claims["iat"] == 86_400
    settings.ENTITLEMENTS = EntitlementsSettings(snapshot_life=timedelta(minutes=5))
    claims = verified(snapshot(api, "nobody"), project)
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["sub"], claims["customer"], claims["version"]) == ("nobody", None, 0)
    for wrong in (timedelta(seconds=59), timedelta(days=8)):
        with pytest.raises(ImproperlyConfigured, match="SNAPSHOT_LIFE"):
            EntitlementsSettings(snapshot_life=wrong)


def test_counted_features_need_an_online_check_and_do_not_end_the_snapshot(api, entitled, project):
    assert api.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"}).json()
    for feature in (
        {"code": "calls", "kind": "metered", "meter": "calls", "period": "hour"},
        {"code": "ai", "kind": "credits"},
    ):
        assert api.post("/features", {"name": "x", **feature}).status_code == 201
    for code, value in (("calls", 10), ("ai", 5)):
        body = {"user_id": "ada", "feature": code, "value": value, "reason": "Test."}
        assert api.post("/admin/grant", body).status_code == 201
    api.post("/credits/ada/grant", {"amount": 12, "reason": "Test."})
    api.post("/usage", {"user_id": "ada", "meter": "calls", "value": 3})
    claims = verified(snapshot(api), project)
    claim_by_feature = {each["feature"]: each for each in claims["entitlements"]}
    assert {code for code, each in claim_by_feature.items() if each["ask_online"]} == {
        "ai",
        "calls",
    }
    assert (claim_by_feature["calls"]["used"], claim_by_feature["calls"]["remaining"]) == (3, 7)
    assert (claim_by_feature["ai"]["value"], claim_by_feature["ai"]["remaining"]) == (5, 2)
    state(entitled, source="sub_1", at=timezone.now())
    claims = verified(snapshot(api), project)
    assert claims["exp"] - claims["iat"] == 86_400, "neither the hour nor the balance ends it"


def test_altered_and_foreign_snapshots_do_not_verify(api, other_api, entitled, project):
    token = snapshot(api)
    header, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["entitlements"][0]["allowed"] = not claims["entitlements"][0]["allowed"]
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    other = snapshot(other_api)
    for altered in (
        f"{header}.{forged}.{signature}",
        f"{header}.{body}.{signature[:-4]}AAAA",
        f"{header}.{other.split('.')[1]}.{signature}",
    ):
        with pytest.raises(jwt.InvalidSignatureError):
            verified(altered, project)
    with pytest.raises(jwt.InvalidAudienceError):
        verified(other, project)
    with pytest.raises(jwt.InvalidIssuerError):
        verified(token, project, issuer="https://elsewhere.example.com")


def test_a_neighbour_learns_nothing(api, other_api, other_project, entitled):
    for user_id in ("ada", entitled.pk):
        claims = verified(snapshot(other_api, user_id), other_project)
        assert (claims["customer"], claims["version"], claims["entitlements"]) == (None, 0, [])
        assert claims["sub"] == user_id


def test_snapshots_need_a_scope_and_a_valid_request(project, entitled, api):
    path = "/entitlements/ada/snapshot"
    assert ApiClient().get(path).status_code == 401
    assert ApiClient(key_of(project, scopes=["catalog:read"])).get(path).status_code == 403
    assert api.get(path, query={"at": "now"}).status_code == 422
    assert api.get(f"/entitlements/{'a' * 256}/snapshot").status_code == 422
    assert not SigningKey.objects.exists(), "nobody was answered"


def test_rotation_keeps_the_old_key_published(api, entitled, project):
    before = snapshot(api)
    old = jwt.get_unverified_header(before)["kid"]
    new = rotate("--reason", "Once a year.")
    after = snapshot(api)
    assert jwt.get_unverified_header(after)["kid"] == new
    assert list(key_set()) == [new, old]
    for token in (before, after):
        assert verified(token, project)["sub"] == "ada"
    row = SigningKey.objects.get(pk=old)
    assert row.published_until is not None
    assert row.retired_at == row.published_until - timedelta(days=7, hours=1)
    listed = signing_keys.key_set(at=row.published_until - timedelta(seconds=1))["keys"]
    assert [each["kid"] for each in listed] == [new, old]
    listed = signing_keys.key_set(at=row.published_until)["keys"]
    assert [each["kid"] for each in listed] == [new]
    entry = AuditEntry.objects.get(action="signing_key.rotate")
    assert (entry.subject, entry.reason, entry.actor) == (new, "Once a year.", "command")
    assert (entry.before, entry.after) == ({"key": old}, {"key": new, "withdrawn": False})


def test_after_a_leak_snapshots_of_older_keys_do_not_verify(api, entitled, project):
    tokens = [snapshot(api)]
    rotate()
    tokens.append(snapshot(api))
    new = rotate("--withdraw")
    assert list(key_set()) == [new]
    assert {jwt.get_unverified_header(each)["kid"] for each in tokens}.isdisjoint({new})


def test_the_key_set_is_public_and_cacheable(db):
    response = Client().get(JWKS)
    assert response["Content-Type"] == "application/jwk-set+json"
    directives = set(response["Cache-Control"].split(", "))
    assert directives == {"public", "max-age=300", "stale-if-error=86400"}
    (key,) = response.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")
    assert Client().post(JWKS).status_code == 405


def test_the_private_part_is_sealed(api, entitled):
    token = snapshot(api)
    row = SigningKey.objects.get()
    private = signing_keys.decrypt_private_key(row).private_bytes_raw()
    assert base64.b64encode(private).decode() not in row.private
    SigningKey.objects.update(private=row.private[:-8] + "AAAAAAA=")
    response = api.get("/entitlements/ada/snapshot")
    assert (response.status_code, response.json()["code"]) == (503, "signing-unavailable")
    assert jwt.get_unverified_header(token)["kid"] in key_set(), "what is out still verifies"


def test_queries_are_the_same_for_any_number_of_features(api, entitled, project):
    snapshot(api)
    with CaptureQueriesContext(connection) as authentication:
        identify(f"Bearer {api.key}".encode(), at=timezone.now())
    with CaptureQueriesContext(connection) as few:
        snapshot(api)
    for number in range(30):
        state(
            entitled,
            draft_fact(FeatureFactory.create(project=project)),
            source=f"sub_{number + 10}",
        )
    with CaptureQueriesContext(connection) as many:
        snapshot(api)
    assert len(few) == len(many)
    with CaptureQueriesContext(connection) as shown:
        api.get("/entitlements", query={"user_id": "ada"})
    assert len(many) == len(shown) + 1
    assert len(many) - len(authentication) <= 9


@pytest.mark.django_db(transaction=True)
def test_parallel_first_requests_make_one_key():
    def use(number):
        try:
            now = timezone.now()
            if number % 8 == 7:
                return signing_keys.rotate(actor=f"operator:{number}", at=now)
            return signing_keys.current(at=now)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        key_ids = list(threads.map(use, range(32)))
    assert SigningKey.objects.filter(retired_at__isnull=True).count() == 1
    assert {each.pk for each in key_ids} == set(SigningKey.objects.values_list("pk", flat=True))
