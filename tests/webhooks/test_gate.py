"""Only bodies that Stripe signed for this endpoint within the tolerance are kept."""

import json
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from billing import endpoint_cache
from billing.accounts import service as stripe_accounts
from billing.models import StripeAccount, StripeEndpoint, SyncObject
from common import crypto
from common.redis import breaker
from projects.models import Project
from tests.webhooks.stripe_post import PATH, StripePost, event, sign
from webhooks.models import InboundEvent

MUTATIONS = 2400
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OTHER = "whsec_somebody_elses"
SECRETS = ("whsec_the_first", "whsec_the_second", "whsec_the_third")


def assert_nothing_kept() -> None:
    assert InboundEvent.objects.count() == 0
    assert SyncObject.objects.count() == 0


def test_a_signed_event_is_kept_and_requests_a_sync(post: StripePost) -> None:
    body = json.dumps(event(), indent=3).encode()
    answer = post(body)
    assert (answer.status_code, answer.json()) == (200, {"received": True})  # type: ignore[attr-defined]
    inbound_event = InboundEvent.objects.get()
    assert bytes(inbound_event.body) == body
    assert (inbound_event.event_id, inbound_event.type, inbound_event.stripe_object_id) == (
        "evt_1",
        "product.updated",
        "prod_1",
    )
    assert inbound_event.sync is not None
    assert (
        inbound_event.sync.kind,
        inbound_event.sync.requested,
        inbound_event.request_number,
    ) == ("product", 1, 1)
    assert inbound_event.status == "waiting"


def test_the_webhook_address_also_exists_under_the_api(post: StripePost) -> None:
    assert post(event(), path=f"/api/v1{PATH}").status_code == 200


def _flip(text: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(text))
    return text[:place] + bytes([text[place] ^ (1 << chance.randrange(8))]) + text[place + 1 :]


def _cut(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text))]


def _repeat(text: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(text))
    return text[:place] + text[place : place + 3] + text[place:]


def _swap(text: bytes, chance: random.Random) -> bytes:
    first, second = sorted(chance.sample(range(len(text)), 2))
    swapped = bytearray(text)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    return bytes(swapped)


def test_mutated_bodies_and_headers_are_refused(post: StripePost) -> None:
    chance = random.Random(1)
    body = json.dumps(event()).encode()
    header = sign(body, post.secret)
    refused = 0
    while refused < MUTATIONS:
        mutate = chance.choice((_flip, _cut, _repeat, _swap))
        if chance.random() < 0.5:
            other = mutate(body, chance)
            answer = post(other, header=header)
            changed = other != body
        else:
            forged = mutate(header.encode(), chance).decode("latin-1")
            if set(forged) & {"\n", "\r"}:
                continue  # no server passes such a header on
            answer = post(body, header=forged)
            changed = _means(forged) != _means(header)
        if changed:
            assert answer.status_code == 400, header
            refused += 1
    assert InboundEvent.objects.count() <= 1
    assert SyncObject.objects.count() <= 1


def _means(header: str) -> tuple[list[str], list[str]]:
    """Time and signatures; what else a header says does not count."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    return (
        [value.lstrip("0") for name, _, value in pairs if name == "t"],
        [value for name, _, value in pairs if name == "v1" and value],
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header: "",
        lambda header: "t=",
        lambda header: "v1=",
        lambda header: header.partition(",")[2],
        lambda header: header.partition(",")[0],
        lambda header: header.replace("v1=", "v0="),
        lambda header: header.replace("v1=", "v1=é"),
        lambda header: f"{header},{header}",
        lambda header: header.replace("t=", "t=-"),
        lambda header: header.replace("t=", "t=٣"),
        lambda header: header.replace("t=", "t=1e"),
        lambda header: header.replace("t=", "t=" + "9" * 5000),
        lambda header: "t=1," + ",".join("v1=" + "0" * 64 for _ in range(20_000)),
        lambda header: "x" * 65_536,
        lambda header: header.split(",")[0] + ",v1=00" * 6 + "," + header.split(",")[1],
        lambda header: ",,,===,,",
        lambda header: "\x00",
    ],
)
def test_odd_headers_are_refused(post: StripePost, spoil: Callable[[str], str]) -> None:
    body = json.dumps(event()).encode()
    answer = post(body, header=spoil(sign(body, post.secret)))
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert_nothing_kept()


@pytest.mark.parametrize(
    ("seconds", "accepted"),
    [(-86_400, False), (-301, False), (-300, True), (0, True), (300, True), (301, False),
     (86_400, False)],
)  # fmt: skip
def test_the_tolerance_is_exact_to_the_second(
    post: StripePost, seconds: int, accepted: bool
) -> None:
    with time_machine.travel(NOW, tick=False):
        answer = post(event(), at=NOW + timedelta(seconds=seconds))
    assert answer.status_code == (200 if accepted else 400)
    assert InboundEvent.objects.count() == int(accepted)


def test_another_secret_is_refused(post: StripePost) -> None:
    assert post(event(), secret=OTHER).status_code == 400
    assert_nothing_kept()


@pytest.mark.parametrize("secrets", [(), ("",), ("  ",)])
def test_without_a_secret_nothing_verifies(
    post: StripePost, settings: Settings, secrets: tuple[str, ...]
) -> None:
    settings.BILLING = replace(settings.BILLING, stripe_webhook_secrets=secrets)
    for secret in ("", "  ", post.secret):
        assert post(event(), header=sign(json.dumps(event()).encode(), secret)).status_code == 400
    assert_nothing_kept()


def test_both_secrets_verify_while_one_is_rolled(post: StripePost, settings: Settings) -> None:
    """400 events across the rotation: none refused; afterwards the old secret opens nothing."""
    old, new = post.secret, "whsec_rolled"
    for number in range(400):
        if number == 100:
            settings.BILLING = replace(settings.BILLING, stripe_webhook_secrets=(new, old))
        if number == 300:
            settings.BILLING = replace(settings.BILLING, stripe_webhook_secrets=(new,))
        signed_with = old if number < 200 else new
        answer = post(event(id=f"evt_{number}"), secret=signed_with)
        assert answer.status_code == 200, number
    assert post(event(id="evt_late"), secret=old).status_code == 400
    assert InboundEvent.objects.count() == 400


def test_unknown_tokens_get_the_same_answer(post: StripePost, endpoint: StripeEndpoint) -> None:
    wrong = ["x", endpoint.token[:-1], endpoint.token + "x", "a" * 64, "a" * 65, "é", "a b"]
    answers = [post(event(), path=f"{PATH}/{token}") for token in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert post(event(), path=f"{PATH}/%00").status_code == 400
    documents = [json.loads(answer.content) for answer in answers]
    for document in documents:
        document.pop("request_id")
    assert all(document == documents[0] for document in documents)
    assert_nothing_kept()


class TestRemembered:
    """What a process remembers of an endpoint is not believed for longer than five seconds."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1_000_000.0]
        monkeypatch.setattr(endpoint_cache.cache, "_clock", lambda: now[0])
        return now

    @pytest.fixture
    def own(self, endpoint: StripeEndpoint, project: Project) -> StripeEndpoint:
        """Of an account of the project's own, whose secrets are rows."""
        account = StripeAccount.objects.create(project=project, livemode=False)
        own_endpoint = StripeEndpoint(account=account, token="own")
        own_endpoint.secrets = [crypto.encrypt(SECRETS[0], context=own_endpoint.secret_context)]
        own_endpoint.save(force_insert=True)
        return own_endpoint

    @pytest.mark.parametrize("is_redis_dead", [False, True])
    def test_within_five_seconds_although_nobody_said_so(
        self, post: StripePost, own: StripeEndpoint, clock: list[float], is_redis_dead: bool
    ) -> None:
        path = f"{PATH}/{own.token}"
        spoils: list[tuple[int, dict[str, Any]]] = [
            (400, {"secrets": [crypto.encrypt(OTHER, context=own.secret_context)]}),
            (404, {"disabled_at": NOW}),
        ]
        rows = StripeEndpoint.objects.filter(pk=own.pk)
        for status, spoil in spoils:
            rows.update(disabled_at=None, secrets=own.secrets)
            clock[0] += endpoint_cache.LONGEST
            assert post(event(), path=path, secret=SECRETS[0]).status_code == 200
            if is_redis_dead:
                breaker.trip()
            rows.update(**spoil)
            clock[0] += endpoint_cache.LONGEST - 0.001
            assert post(event(), path=path, secret=SECRETS[0]).status_code == 200
            clock[0] += 0.002
            assert post(event(), path=path, secret=SECRETS[0]).status_code == status
        breaker.close()
        assert endpoint_cache.LONGEST < 5

    def test_at_once_where_a_secret_was_replaced(
        self,
        post: StripePost,
        own: StripeEndpoint,
        django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Any]]],
    ) -> None:
        def opens(secret: str) -> bool:
            return post(event(), path=f"{PATH}/{own.token}", secret=secret).status_code == 200

        assert [opens(secret) for secret in SECRETS] == [True, False, False]
        for secret in SECRETS[1:]:
            with django_capture_on_commit_callbacks(execute=True):
                stripe_accounts.add_signing_secret(
                    account=own.account, signing_secret=secret, actor="command", at=NOW
                )
        assert [opens(secret) for secret in SECRETS] == [False, True, True]


@pytest.mark.parametrize(
    ("size", "status"), [(0, 400), (1, 400), (1024 * 1024, 200), (1024 * 1024 + 1, 413)]
)
def test_the_body_is_capped(post: StripePost, size: int, status: int) -> None:
    padded = json.dumps(event()).encode().ljust(size) if size > 1000 else b" " * size
    answer = post(padded, header=None if status == 200 or status == 413 else "t=1,v1=0")
    assert answer.status_code == status
    assert InboundEvent.objects.count() == int(status == 200)


def test_only_post_is_allowed(post: StripePost, project: Project) -> None:
    for method in ("get", "put", "patch", "delete", "head"):
        answer = getattr(Client(), method)(PATH)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST"
