"""The gate that every answer of Stripe passes before the SDK reads it.

It lets through what Stripe's API promises: a JSON object that says what it is, a list with its
data, or an error with its type. Anything else, such as a proxy's page or an empty body, is no
answer of Stripe's: whether Stripe acted is not known. What may pass by itself is sent again while
time is left, with the same idempotency key. Deleting has none: its repetition may hear that there
is no such object any more, which is as good as done (``Write.gone_is_done``).
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from stripe import APIConnectionError, HTTPClient

from billing.stripe import requests
from billing.stripe.errors import SHORTEST_WAIT, StripeUnavailable

log = structlog.get_logger(__name__)

TRIES = 3
TIME = 3.0
"""Seconds after the first try began in which another one may begin."""
FIRST_PAUSE = 0.5
"""Seconds before the second try at most; twice as long before the third."""
CONFLICT, TOO_MANY_REQUESTS, SERVER_ERROR = 409, 429, 500
LOCK_TIMEOUT = "lock_timeout"

Answer = tuple[Any, int, Mapping[str, str]]
"""Body, HTTP status and headers, as the SDK's HTTP clients give them."""


@dataclass(frozen=True, slots=True)
class _Try:
    """What came of sending a request once: an answer or an error. ``may_pass`` says whether
    another try is worth while."""

    may_pass: bool
    answer: Answer | None = None
    error: Exception | None = None

    def result(self) -> Answer:
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer


class AnswerGate(HTTPClient):
    """Sends requests by another HTTP client of the SDK.

    ``on_busy`` is called for each answer "too many requests", also when another try follows.
    ``sleep`` waits between tries.
    """

    def __init__(
        self,
        client: HTTPClient,
        *,
        on_busy: Callable[[], object] = lambda: None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__()
        self.name = client.name  # type: ignore[misc]  # the SDK reads it of the instance
        self._client, self._on_busy, self._sleep = client, on_busy, sleep

    def request(  # type: ignore[override]  # as RequestsClient has it, unlike its base
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> Answer:
        """Raises APIConnectionError, and StripeUnavailable for what is no answer of Stripe's."""
        deadline = time.monotonic() + TIME
        tried = self._send(method, url, headers, post_data)
        for number in range(1, TRIES):
            pause = FIRST_PAUSE * number * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load
            if not tried.may_pass or time.monotonic() + pause > deadline:
                break
            self._sleep(pause)
            tried = self._send(method, url, headers, post_data)
        return tried.result()

    def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any
    ) -> _Try:
        requests.forget()
        try:
            answer = self._client.request(method, url, headers, post_data)
        except APIConnectionError as error:
            return _Try(error.should_retry, error=error)
        body, status, answered = answer
        requests.note(answered)
        content = _parse(body)
        if not _is_promised(content, status, url):
            return _Try(True, error=_unreadable(method, url, status))
        if status == TOO_MANY_REQUESTS and _code(content) != LOCK_TIMEOUT:
            self._on_busy()
        return _Try(_may_pass(status, answered), answer=answer)


def _parse(body: Any) -> Any:
    """None for what is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return None


def _is_promised(content: Any, status: int, url: str) -> bool:
    if not isinstance(content, dict):
        return False
    if not 200 <= status < 300:
        error = content.get("error")
        return isinstance(error, dict) and _names_itself(error, url)
    if content.get("object") != "list":
        return isinstance(content.get("object"), str)
    data = content.get("data")
    is_list = isinstance(data, list) and all(isinstance(each, dict) for each in data)
    return is_list and isinstance(content.get("has_more"), bool)


def _names_itself(error: dict[str, Any], url: str) -> bool:
    """An error has its type; in /v2 it may have its code only."""
    said = error.get("type") or (error.get("code") if "/v2/" in url else None)
    return isinstance(said, str)


def _code(content: Any) -> Any:
    return content["error"].get("code")


def _may_pass(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same request may be answered otherwise: Stripe's word, else by the status."""
    said = headers.get("stripe-should-retry")
    if said in ("true", "false"):
        return said == "true"
    if status in (CONFLICT, TOO_MANY_REQUESTS):
        return _waits_shortly(headers)
    return status >= SERVER_ERROR


def _waits_shortly(headers: Mapping[str, str]) -> bool:
    """Whether Stripe does not ask for a longer pause than ours."""
    wait = str(headers.get("retry-after") or "0")
    return not wait.isdigit() or int(wait[:6]) <= FIRST_PAUSE


def _unreadable(method: str, url: str, status: int) -> StripeUnavailable:
    request_id = requests.last_id()
    path = url.partition("?")[0]
    log.warning(
        "stripe_answer_unreadable",
        method=method,
        path=path,
        status=status,
        stripe_request_id=request_id,
    )
    named = f" to request {request_id}" if request_id else ""
    return StripeUnavailable(
        f"What came back{named} was no answer of Stripe's (HTTP {status}). Nothing is lost. Send "
        "the same request again, with the same Idempotency-Key.",
        retry_after=SHORTEST_WAIT,
    )
