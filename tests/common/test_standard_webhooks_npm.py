"""Our signatures, as receivers in JavaScript verify them: with npm's `standardwebhooks`."""

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.standard_webhooks import make_secret, parse_secret, sign
from tests import node

pytestmark = pytest.mark.node

PROGRAM = """
const { Webhook } = require("standardwebhooks");
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
    return true;
  } catch (error) {
    return error.message;
  }
})));
"""
BODY = '{"id":"evt_1","data":{"name":"Zoë 🦀","amount":2900}}'.encode()


def verify(*cases: tuple[str, dict[str, str], bytes]) -> list[Any]:
    """What the library says of each secret, its headers and body: true, or its error."""
    program = node.executable()
    assert program is not None
    rows = [
        {"secret": secret, "headers": headers, "body": base64.b64encode(body).decode()}
        for secret, headers, body in cases
    ]
    run = subprocess.run(
        [program, "-e", PROGRAM], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    results: list[Any] = json.loads(run.stdout)
    return results


def signed(*secrets: str, at: datetime | None = None, body: bytes = BODY) -> dict[str, str]:
    keys = [parse_secret(secret) for secret in secrets]
    return sign(keys, message_id="evt_1", at=at or datetime.now(UTC), body=body)


def test_our_signatures_verify_in_javascript() -> None:
    secrets = [make_secret() for _ in range(20)]
    assert verify(*[(secret, signed(secret), BODY) for secret in secrets]) == [True] * 20


def test_both_secrets_verify_while_one_replaces_the_other() -> None:
    old, new = make_secret(), make_secret()
    headers = signed(new, old)
    assert verify((old, headers, BODY), (new, headers, BODY)) == [True, True]


def test_what_is_wrong_is_refused() -> None:
    secret, now = make_secret(), datetime.now(UTC)
    results = verify(
        (make_secret(), signed(secret), BODY),
        (secret, signed(secret), BODY.replace(b"2900", b"2901")),
        (secret, signed(secret, at=now - timedelta(minutes=6)), BODY),
        (secret, signed(secret, at=now + timedelta(minutes=6)), BODY),
    )
    assert all(isinstance(result, str) for result in results), results
