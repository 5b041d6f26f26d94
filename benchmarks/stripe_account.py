"""An account in the Stripe sandbox, for measures that prepare objects in it."""

import http.client
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

TIMEOUT_SECONDS = 30.0
_connections = threading.local()


class StripeAccount:
    """The sandbox's API with the secret key of one account."""

    def __init__(self, port: int, secret_key: str) -> None:
        self.port, self.secret_key = port, secret_key

    def call(self, method: str, path: str, params: Mapping[str, object] | None = None) -> Any:
        """Send one request, with parameters as Stripe writes them (``items[0][price]``)."""
        headers = {
            "Authorization": f"Bearer {self.secret_key}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return send(self.port, method, path, urlencode(params or {}), headers)


def control(port: int, path: str, data: Mapping[str, object]) -> Any:
    """Steer the sandbox itself."""
    body = orjson.dumps(data).decode()
    return send(port, "POST", f"/_sandbox{path}", body, {"Content-Type": "application/json"})


def send(port: int, method: str, target: str, body: str, headers: Mapping[str, str]) -> Any:
    """The JSON of an answer on this thread's connection. Raises RuntimeError unless it is 200."""
    connection: http.client.HTTPConnection | None = getattr(_connections, str(port), None)
    if connection is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        setattr(_connections, str(port), connection)
    connection.request(method, target, body, dict(headers))
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"sandbox: {method} {target}: {answer.status} {text[:300]!r}")
    return orjson.loads(text)
