"""Secrets and signatures of Standard Webhooks, judged by the standard's own library."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from common import standard_webhooks
from common.standard_webhooks import SecretRefused, WebhookFault, WebhookUnverified

NOW = datetime(2026, 11, 23, 18, 0, 0, 900_000, tzinfo=UTC)
BODY = '{"type":"subscription.updated","data":{"name":"Zoë"}}'.encode()
OLD, NEW = standard_webhooks.make_secret(), standard_webhooks.make_secret()


def signed(
    *texts: str, at: datetime = NOW, body: bytes = BODY, message_id: str = "evt_01j9"
) -> dict[str, str]:
    keys = [standard_webhooks.parse_secret(text) for text in texts]
    return standard_webhooks.sign(keys, message_id=message_id, at=at, body=body)


def fault(
    texts: Sequence[str], headers: dict[str, str], body: bytes = BODY, now: datetime = NOW
) -> WebhookFault | None:
    keys = [standard_webhooks.parse_secret(text) for text in texts]
    try:
        standard_webhooks.verify(keys, headers, body, now=now)
    except WebhookUnverified as refusal:
        return refusal.fault
    return None


def test_a_secret_is_32_random_bytes_in_standard_base64() -> None:
    texts = {standard_webhooks.make_secret() for _ in range(100)}
    assert len(texts) == 100
    for text in texts:
        assert text.startswith("whsec_")
        assert len(base64.b64decode(text[6:], validate=True)) == 32
        assert len(standard_webhooks.parse_secret(text)) == 32


def whsec(size: int) -> str:
    return "whsec_" + base64.b64encode(b"\xfb" * size).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        base64.b64encode(b"x" * 32).decode(),
        "v1," + whsec(32),
        "WHSEC_" + whsec(32)[6:],
        "whsk_" + whsec(32)[6:],
        whsec(23),
        whsec(65),
        whsec(32).replace("+", "-"),  # the URL-safe alphabet, of which Python makes another key
        whsec(32).rstrip("="),
        whsec(32) + "\n",
        " " + whsec(32),
        whsec(32)[:-2] + "_=",
        whsec(32)[:20] + "é" + whsec(32)[21:],
        whsec(32)[:-3] + "/x=",  # bits behind the last byte
    ],
)
def test_what_libraries_read_differently_is_no_secret(text: str) -> None:
    with pytest.raises(SecretRefused) as refusal:
        standard_webhooks.parse_secret(text)
    assert len(text) < 7 or text not in str(refusal.value)


def test_24_to_64_bytes_are_a_secret() -> None:
    for size in (24, 32, 64):
        assert standard_webhooks.parse_secret(whsec(size)) == b"\xfb" * size


def test_the_headers_of_an_attempt() -> None:
    headers = signed(NEW, OLD)
    assert list(headers) == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (
        "evt_01j9",
        str(int(datetime(2026, 11, 23, 18, tzinfo=UTC).timestamp())),
    )
    new, old = headers["webhook-signature"].split(" ")
    assert (new, old) == (
        signed(NEW)["webhook-signature"],
        signed(OLD)["webhook-signature"],
    )
    assert signed(NEW, at=NOW.astimezone(timezone(timedelta(hours=9)))) == signed(NEW)


@pytest.mark.parametrize("message_id", ["", "evt.1", "evt 1", "evt_é", "evt\n", "x" * 256])
def test_an_id_has_no_character_that_could_end_it(message_id: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        signed(NEW, message_id=message_id)


def test_a_time_without_zone_and_no_key_are_mistakes() -> None:
    with pytest.raises(ValueError, match="time zone"):
        signed(NEW, at=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="at least one key"):
        signed()


@given(
    name=st.text(st.characters(exclude_categories=["Cs"])), key=st.binary(min_size=24, max_size=64)
)
def test_the_standard_library_verifies_what_we_sign(name: str, key: bytes) -> None:
    text = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps({"name": name}, ensure_ascii=False).encode()
    headers = signed(text, OLD, body=body)
    with time_machine.travel(NOW, tick=False):
        for secret in (text, OLD):
            assert Webhook(secret).verify(body, headers) == {"name": name}
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(body, headers)


@given(body=st.binary())
def test_we_verify_what_the_standard_library_signs(body: bytes) -> None:
    text = body.decode(errors="replace")
    signature = Webhook(NEW).sign("msg_1", NOW, text)
    headers = {
        "Webhook-Id": "msg_1",
        "WEBHOOK-TIMESTAMP": str(int(NOW.timestamp())),
        "webhook-signature": f"v1a,{'x' * 88} {signature}",
    }
    assert fault([OLD, NEW], headers, text.encode()) is None
    assert fault([OLD], headers, text.encode()) == WebhookFault.WRONG_SIGNATURE
    assert fault([NEW], headers, text.encode() + b" ") == WebhookFault.WRONG_SIGNATURE


def test_a_signature_is_good_for_five_minutes_both_ways() -> None:
    headers = signed(NEW)
    second = timedelta(seconds=1)
    at, most = NOW.replace(microsecond=0), timedelta(minutes=5)
    for now, expected in [
        (at + most, None),
        (at + most + second, WebhookFault.TOO_OLD),
        (at - most, None),
        (at - most - second, WebhookFault.IN_THE_FUTURE),
    ]:
        assert fault([NEW], headers, now=now) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"webhook-id": ""}, WebhookFault.MISSING_HEADER),
        ({"webhook-timestamp": ""}, WebhookFault.MISSING_HEADER),
        ({"webhook-signature": ""}, WebhookFault.MISSING_HEADER),
        ({"webhook-timestamp": "1e9"}, WebhookFault.MALFORMED_HEADER),
        ({"webhook-timestamp": "-5"}, WebhookFault.MALFORMED_HEADER),
        ({"webhook-timestamp": "\u0661\u0662"}, WebhookFault.MALFORMED_HEADER),
        ({"webhook-signature": "v1,é"}, WebhookFault.MALFORMED_HEADER),
        ({"webhook-timestamp": "9" * 400}, WebhookFault.MALFORMED_HEADER),
        ({"webhook-id": "evt_other"}, WebhookFault.WRONG_SIGNATURE),
        ({"webhook-signature": "v1"}, WebhookFault.WRONG_SIGNATURE),
        ({"webhook-signature": "  , v1, v2,x"}, WebhookFault.WRONG_SIGNATURE),
    ],
)
def test_the_refusal_names_what_is_wrong(changes: dict[str, str], expected: WebhookFault) -> None:
    assert fault([NEW], signed(NEW) | changes) == expected
