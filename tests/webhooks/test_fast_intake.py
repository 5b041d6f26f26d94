"""The fast path takes in deliveries and answers exactly as Django does."""

import io
import json
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from billing.models import StripeEndpoint, SyncObject
from config.fast_path import FastPath
from config.wsgi import application
from tests.webhooks.stripe_post import PATH, StripePost, event, sign
from tests.wsgi_calls import WsgiAnswer, comparable, fail_if_called, wsgi_environ
from webhooks.models import InboundEvent

LONG = b" " * (settings.WEBHOOKS.max_body + 1)


def signed(body: bytes, secret: str, **more: Any) -> dict[str, Any]:
    json_ = "application/json"
    return {"HTTP_STRIPE_SIGNATURE": sign(body, secret), "content_type": json_, **more}


def test_the_fast_path_and_django_give_the_same_answer(
    post: StripePost, endpoint: StripeEndpoint
) -> None:
    body = json.dumps(event()).encode()
    good = signed(body, post.secret)
    for method, path, data, more in [
        ("POST", PATH, body, good),
        ("POST", f"/api/v1{PATH}", body, good),
        ("POST", f"{PATH}/{endpoint.token}", body, good),
        ("POST", PATH, b"poison", signed(b"poison", post.secret)),
        ("POST", PATH, b"", signed(b"", post.secret)),
        ("POST", PATH, body, signed(body, "whsec_somebody_elses")),
        ("POST", PATH, body, {"content_type": "application/json"}),
        ("POST", PATH, body, {**good, "HTTP_STRIPE_SIGNATURE": "t=1,v1=\x00\xe9"}),
        ("POST", PATH, LONG, {**good, "HTTP_STRIPE_SIGNATURE": "t=1,v1=0"}),
        ("POST", PATH, body, {**good, "CONTENT_LENGTH": "many"}),
        ("POST", PATH, body, {**good, "CONTENT_LENGTH": ""}),
        ("POST", PATH, body, {**good, "CONTENT_LENGTH": "7"}),
        ("POST", PATH, body, {**good, "HTTP_IDEMPOTENCY_KEY": "once"}),
        ("POST", f"{PATH}?surprise=1", body, good),
        ("POST", f"{PATH}/", body, good),
        ("POST", f"{PATH}/nobody", body, good),
        ("POST", f"{PATH}/a%20b", body, good),
        ("POST", f"{PATH}/%00", body, good),
        ("POST", f"{PATH}s", body, good),
        ("GET", PATH, b"", good),
    ]:
        usual = Client(raise_request_exception=False).generic(method, path, data, **more)
        one = WsgiAnswer(application, wsgi_environ(method, path, data, **more))
        assert comparable(one) == comparable(usual), (path, more)
        assert one.headers["X-Request-ID"].startswith("req_")


def test_an_event_reaches_neither_django_nor_a_second_statement(
    post: StripePost, settings: Settings
) -> None:
    ready = FastPath(fail_if_called)
    bodies = [json.dumps(event(id=f"evt_{number}")).encode() for number in range(3)]
    WsgiAnswer(ready, wsgi_environ("POST", PATH, bodies[0], **signed(bodies[0], post.secret)))
    for body in bodies[1:]:
        with CaptureQueriesContext(connection) as seen:
            answer = WsgiAnswer(
                ready, wsgi_environ("POST", PATH, body, **signed(body, post.secret))
            )
        assert (answer.status_code, answer.json(), len(seen)) == (200, {"received": True}, 1)
    kept = InboundEvent.objects.order_by("id").values_list("body", flat=True)
    assert [bytes(each) for each in kept] == bodies
    settings.ALLOWED_HOSTS = ["tollgate.example"]
    with pytest.raises(LookupError):
        WsgiAnswer(ready, wsgi_environ("POST", PATH, bodies[0], **signed(bodies[0], post.secret)))


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


def test_an_incomplete_body_is_refused(post: StripePost) -> None:
    body = json.dumps(event()).encode()
    whole = wsgi_environ("POST", PATH, body, **signed(body, post.secret))
    for rest in (io.BytesIO(body[:-1]), Broken()):
        answer = WsgiAnswer(application, {**whole, "wsgi.input": rest})
        assert (answer.status_code, answer.json()["code"]) == (400, "signature-refused")
    assert (InboundEvent.objects.count(), SyncObject.objects.count()) == (0, 0)
