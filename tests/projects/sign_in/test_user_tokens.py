"""User tokens are verified by the project's own keys, algorithms and claims."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone
from pytest_django import Settings

from common.conf import EgressSettings
from common.redis import client
from projects import errors
from projects.models import Project
from projects.sign_in import jwks, user_tokens
from projects.sign_in import selectors as jwt_settings
from tests.api_client import ApiClient
from tests.common.local_servers import serving
from tests.projects.sign_in.tokens import (
    AUDIENCE,
    SECRET,
    IdentityProvider,
    claims,
    forged,
    new_private_key,
    sign_in,
    signed,
)


@pytest.fixture
def provider(settings: Settings) -> Iterator[IdentityProvider]:
    settings.EGRESS = EgressSettings(loopback=True)
    jwks.forget_all()
    with serving() as server:
        yield IdentityProvider(server)
    jwks.forget_all()


@pytest.fixture
def secret_project(api: ApiClient, project: Project) -> Project:
    sign_in(api, project, shared_secret=SECRET, algorithms=["HS256", "HS512"])
    return project


@pytest.fixture
def key_set_project(api: ApiClient, project: Project, provider: IdentityProvider) -> Project:
    provider.add("k1")
    sign_in(api, project, jwks_url=provider.jwks_url)
    return project


def user(project: Project, token: str) -> str:
    return user_tokens.verify(project_id=project.pk, token=token).user_id


def refusal_of(project: Project, token: str) -> type:
    with pytest.raises((errors.TokenRefused, errors.KeysUnavailable)) as refusal:
        user(project, token)
    assert refusal.value.detail
    assert SECRET not in refusal.value.detail
    return refusal.type


def test_a_good_token_names_its_user(secret_project: Project) -> None:
    verified = user_tokens.verify(project_id=secret_project.pk, token=signed("ünïcode/with slash"))
    assert (verified.project.pk, verified.user_id) == (secret_project.pk, "ünïcode/with slash")
    assert user(secret_project, signed(way="HS512")) == "alice"
    assert user(secret_project, signed(aud=["other", AUDIENCE])) == "alice"
    assert user(secret_project, signed("x" * 255)) == "x" * 255
    now = int(time.time())
    assert user(secret_project, signed(exp=now - 20, nbf=now + 20, iat=now + 20)) == "alice"


def test_a_refused_token_names_its_defect(secret_project: Project) -> None:
    now = int(time.time())
    for token, expected in (
        (signed(exp=now - 40), errors.TokenExpired),
        (signed(nbf=now + 60), errors.TokenNotYetValid),
        (signed(iat=now + 60), errors.TokenNotYetValid),
        (signed(aud="other"), errors.TokenAudienceWrong),
        (signed(aud=["other"]), errors.TokenAudienceWrong),
        (signed(iss="https://other/"), errors.TokenIssuerWrong),
        (signed(exp=None), errors.TokenClaimMissing),
        (signed(aud=None), errors.TokenClaimMissing),
        (signed(iss=None), errors.TokenClaimMissing),
        (signed(None), errors.TokenClaimMissing),
        (signed(secret="o" * 64), errors.TokenUnverified),
        (signed(way="HS384"), errors.TokenAlgorithmRefused),
        (signed()[:-3], errors.TokenUnverified),
        (signed()[:-1] + "!", errors.TokenMalformed),
        ("", errors.TokenMalformed),
        ("tg_test_" + "x" * 43, errors.TokenMalformed),
        ("a.b.c", errors.TokenMalformed),
        ("a.b.c.d.e", errors.TokenMalformed),
        (signed(note="x" * 8192), errors.TokenMalformed),
        ("ä" + signed(), errors.TokenMalformed),
    ):
        assert refusal_of(secret_project, token) is expected, token[:80]


def test_a_sub_is_text_and_no_id_of_ours(secret_project: Project) -> None:
    key = SECRET.encode()
    header = {"alg": "HS256"}
    cus = "cus_01j9zc3k5v8e4w2t7x6y5q4r3s"
    subs: list[Any] = ["", "x" * 256, 17, ["alice"], {"id": 1}, True, "a\x00b", "a\nb", " a", cus]
    for sub in subs:
        assert (
            refusal_of(secret_project, forged(header, claims(sub), key)) is errors.TokenClaimMissing
        )
    for name in ("exp", "nbf", "iat"):
        values: list[Any] = ["soon", [], {}, 1e400]
        for value in values:
            token = forged(header, claims(**{name: value}), key)
            assert issubclass(refusal_of(secret_project, token), errors.TokenRefused)


def test_an_algorithm_is_never_the_tokens_choice(
    secret_project: Project, api: ApiClient, provider: IdentityProvider
) -> None:
    """No "none", and no public key as a shared secret."""
    for alg in ("none", "None", "NONE", "", None, 7, ["HS256"], "RS256", "ES256", "hs256"):
        token = forged({"alg": alg, "typ": "JWT"}, claims())
        assert issubclass(refusal_of(secret_project, token), errors.TokenRefused), alg
    provider.add("k1", "2048")
    sign_in(api, secret_project, jwks_url=provider.jwks_url)
    public = provider.keys["k1"][1].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, provider.key_set().encode(), b""):
        for alg in ("HS256", "none"):
            token = forged({"alg": alg, "kid": "k1"}, claims(), secret)
            assert refusal_of(secret_project, token) is errors.TokenAlgorithmRefused
    key_in_header = jwt.encode(
        claims(), new_private_key("2048"), algorithm="RS256",
        headers={"kid": "k1", "jwk": json.loads(provider.key_set())["keys"][0], "jku": "http://x/"},
    )  # fmt: skip
    assert refusal_of(secret_project, key_in_header) is errors.TokenUnverified
    critical = jwt.encode(
        claims(), provider.keys["k1"][1], algorithm="RS256", headers={"kid": "k1", "crit": ["x"]}
    )
    assert refusal_of(secret_project, critical) is errors.TokenMalformed
    assert user(secret_project, provider.token("k1")) == "alice"


def test_each_key_verifies_its_own_algorithm_only(
    api: ApiClient, project: Project, provider: IdentityProvider
) -> None:
    for kid, kind in (("r", "2048"), ("e", "P-256"), ("f", "P-384"), ("d", "Ed25519")):
        provider.add(kid, kind)
    ways = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
    sign_in(api, project, jwks_url=provider.jwks_url, algorithms=ways)
    for kid in provider.keys:
        assert user(project, provider.token(kid, f"user of {kid}")) == f"user of {kid}"
    key = provider.keys["r"][1]
    assert user(project, jwt.encode(claims(), key, "PS256", headers={"kid": "r"})) == "alice"
    for kid in ("e", "f", "d"):
        token = jwt.encode(claims(), key, "RS256", headers={"kid": kid})
        assert refusal_of(project, token) is errors.TokenAlgorithmRefused
    nameless = jwt.encode(claims(), key, "RS256")
    assert refusal_of(project, nameless) is errors.TokenUnverified, "which of four?"


def test_only_usable_public_keys_count() -> None:
    provider = IdentityProvider()
    provider.add("a")
    provider.add("weak", "1024")
    usable = {"alg": "ES256"}
    assert set(jwks.parse(provider.key_set())) == {"a"}
    assert set(jwks.parse(provider.key_set(**usable))) == {"a"}
    unusables: list[dict[str, Any]] = [
        {"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": 7}, {"alg": "HS256"}, {"alg": "none"},
        {"alg": ["ES256"]}, {"d": "secret"}, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": []},
        {"x": 1}, {"x": "!"}, {"crv": "P-384"}, {"crv": "secp256k1"},
    ]  # fmt: skip
    for unusable in unusables:
        assert jwks.parse(provider.key_set(**unusable)) == {}, unusable
    for text in ("[]", "{}", '{"keys": 1}', '{"keys": [1, null, {}]}', "null"):
        assert jwks.parse(text) == {}


def test_a_key_set_is_fetched_once_and_its_rotation_is_followed(
    key_set_project: Project, provider: IdentityProvider
) -> None:
    assert provider.server is not None
    with time_machine.travel(time.time(), tick=False) as traveller:
        for _ in range(5):
            assert user(key_set_project, provider.token("k1")) == "alice"
        jwks.forget_all()  # as another process, which finds the set in Redis
        assert user(key_set_project, provider.token("k1")) == "alice"
        assert len(provider.server.asked) == 1
        provider.add("k2")
        assert refusal_of(key_set_project, provider.token("k2")) is errors.TokenUnverified, (
            "cooling down"
        )
        traveller.shift(jwks.COOLDOWN_SECONDS + 1)
        client().flushdb()  # its clock does not travel
        assert user(key_set_project, provider.token("k2")) == "alice"
        assert user(key_set_project, provider.token("k1")) == "alice"
        assert len(provider.server.asked) == 2
        del provider.keys["k1"]
        old = IdentityProvider()
        old.add("k1")
        traveller.shift(jwks.FRESH_SECONDS + 1)
        client().flushdb()
        assert user(key_set_project, provider.token("k2")) == "alice"
        assert refusal_of(key_set_project, old.token("k1")) is errors.TokenUnverified
        assert len(provider.server.asked) == 3


def test_unknown_key_ids_cause_few_fetches(
    key_set_project: Project, provider: IdentityProvider
) -> None:
    assert provider.server is not None
    stranger = IdentityProvider()
    for number in range(30):
        stranger.add(f"unknown-{number}")
        assert (
            refusal_of(key_set_project, stranger.token(f"unknown-{number}"))
            is errors.TokenUnverified
        )
    assert len(provider.server.asked) == 1


def test_a_key_set_is_used_for_an_hour_after_its_address_fails(
    key_set_project: Project, provider: IdentityProvider
) -> None:
    assert provider.server is not None
    token = provider.token("k1", exp=int(time.time()) + 2 * 3600)
    with time_machine.travel(time.time(), tick=False) as traveller:
        assert user(key_set_project, token) == "alice"
        bad: list[tuple[int, dict[str, str], bytes]] = [
            (500, {}, b"{}"), (200, {}, b"not json"), (200, {}, b'{"keys": []}'),
            (302, {"Location": provider.jwks_url}, b""), (200, {}, b"[" * 60_000),
            (200, {}, b" " * 70_000 + provider.key_set().encode()), (200, {}, b"\xff"),
        ]  # fmt: skip
        for answer in bad:
            traveller.shift(jwks.FRESH_SECONDS + 1)
            client().flushdb()
            provider.server.reply = lambda path, answer=answer: answer  # type: ignore[misc]
            assert user(key_set_project, token) == "alice", answer[:2]
        assert len(provider.server.asked) == 1 + len(bad)
        traveller.shift(jwks.STALE_SECONDS - len(bad) * (jwks.FRESH_SECONDS + 1) + 1)
        client().flushdb()
        assert refusal_of(key_set_project, token) is errors.KeysUnavailable
        count = len(provider.server.asked)
        assert refusal_of(key_set_project, token) is errors.KeysUnavailable
        assert len(provider.server.asked) == count, "not asked again at once"


def test_parallel_requests_fetch_the_key_set_once(
    key_set_project: Project, provider: IdentityProvider
) -> None:
    assert provider.server is not None
    reply, settings = provider.server.reply, jwt_settings.of(key_set_project)
    assert settings is not None
    inside = threading.Event()

    def slowly(path: str) -> Any:
        inside.wait(0.3)
        return reply(path)

    provider.server.reply = slowly
    with ThreadPoolExecutor(12) as herd:
        keys = list(herd.map(lambda _: jwks.find(settings=settings, kid="k1"), range(12)))
    assert all(each is not None for each in keys)
    assert len(provider.server.asked) == 1


def test_an_address_that_is_not_public_is_never_asked(
    key_set_project: Project, provider: IdentityProvider, settings: Settings
) -> None:
    """Also when it was accepted before: the door decides each time."""
    assert provider.server is not None
    settings.EGRESS = EgressSettings()
    assert refusal_of(key_set_project, provider.token("k1")) is errors.KeysUnavailable
    assert provider.server.asked == []


def test_a_token_opens_the_named_project_only(
    secret_project: Project, other_project: Project, other_api: ApiClient
) -> None:
    """Even where two tenants say the same issuer and audience."""
    sign_in(other_api, other_project, shared_secret="o" * 64)
    assert refusal_of(other_project, signed()) is errors.TokenUnverified
    secret_project.suspended_at = timezone.now()
    secret_project.save()
    nobody = Project(pk="prj_" + "0" * 26)
    messages = set()
    for project in (secret_project, nobody, Project(pk="x"), Project(pk="")):
        with pytest.raises(errors.ProjectUnnamed) as refusal:
            user(project, signed())
        messages.add(refusal.value.detail)
    assert len(messages) == 1
