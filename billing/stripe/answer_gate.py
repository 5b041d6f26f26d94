"""Check every answer of Stripe before the SDK reads it.

A valid answer is a JSON object that names its type, a list with its data, or an error with its
type. Anything else, such as the page of a proxy or an empty body, does not come from Stripe's API,
and whether Stripe acted is unknown. Temporary failures are retried within a time limit, with the
same idempotency key. A deletion has no such key: its retry may get "no such object", which counts
as done (``Write.gone_is_done``).
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from stripe import APIConnectionError, HTTPClient

from billing.stripe import request_metrics, requests
from billing.stripe.errors import SHORTEST_WAIT, StripeUnavailable
from common import context
from common.spans import SpanKind, TraceSpan, span

log = structlog.get_logger(__name__)

TRIES = 3
TIME = 3.0
"""Seconds after the start of the first try in which another try may start."""
FIRST_PAUSE = 0.5
"""Longest pause before the second try, in seconds; twice as long before the third."""
CONFLICT, TOO_MANY_REQUESTS, SERVER_ERROR = 409, 429, 500
LOCK_TIMEOUT = "lock_timeout"

Answer = tuple[Any, int, Mapping[str, str]]
"""Body, HTTP status and headers, as the SDK's HTTP clients give them."""


@dataclass(frozen=True, slots=True)
class _Try:
    """The result of one try: an answer or an error. ``may_pass``: a retry may succeed."""

    may_pass: bool
    answer: Answer | None = None
    error: Exception | None = None

    def result(self) -> Answer:
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer


class AnswerGate(HTTPClient):
    """Send requests with another HTTP client of the SDK.

    ``on_busy`` is called for each answer "too many requests", also when a retry follows. ``sleep``
    waits between tries.
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
        """Raises APIConnectionError, or StripeUnavailable for an answer that Stripe's API cannot
        give."""
        seconds_left = context.seconds_left()
        deadline = time.monotonic() + (TIME if seconds_left is None else min(TIME, seconds_left))
        attempt = self._send(method, url, headers, post_data)
        for number in range(1, TRIES):
            pause = FIRST_PAUSE * number * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load
            if not attempt.may_pass or time.monotonic() + pause > deadline:
                break
            self._sleep(pause)
            attempt = self._send(method, url, headers, post_data)
        return attempt.result()

    def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any
    ) -> _Try:
        """Send it once, counted and in a span of its own. Stripe is not told of the trace: it
        ignores ``traceparent``, and its support finds a request by its id."""
        started = time.monotonic()
        with span("Stripe", SpanKind.CLIENT) as opened:
            outcome, attempt = self._try(method, url, headers, post_data)
            if opened is not None:
                _describe(opened, method, url, outcome, attempt)
        request_metrics.record_request(url=url, outcome=outcome, seconds=time.monotonic() - started)
        return attempt

    def _try(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any
    ) -> tuple[str, _Try]:
        """The outcome for the metrics, and the result."""
        requests.forget_last()
        try:
            answer = self._client.request(method, url, headers, post_data)
        except APIConnectionError as error:
            return request_metrics.UNREACHABLE, _Try(error.should_retry, error=error)
        body, status, answer_headers = answer
        requests.record_headers(answer_headers)
        content = _parse(body)
        if not _is_promised(content, status, url):
            unreadable = _unreadable(method, url, status)
            return request_metrics.UNREADABLE, _Try(True, error=unreadable)
        if status == TOO_MANY_REQUESTS and _code(content) != LOCK_TIMEOUT:
            self._on_busy()
        outcome = request_metrics.outcome_of(status)
        return outcome, _Try(_may_pass(status, answer_headers), answer=answer)


def _describe(opened: TraceSpan, method: str, url: str, outcome: str, attempt: _Try) -> None:
    """Name the span of a request to Stripe, and record its answer."""
    pattern = request_metrics.pattern_of(url)
    opened.rename(f"{method.upper()} {pattern}")
    opened.set(
        {
            "http.request.method": method.upper(),
            "url.template": pattern,
            "stripe.outcome": outcome,
            "stripe.request_id": requests.last_id(),
        }
    )
    if attempt.answer is not None:
        opened.set({"http.response.status_code": attempt.answer[1]})
    if outcome != request_metrics.OK:
        opened.fail(outcome)


def _parse(body: Any) -> Any:
    """The parsed JSON; None for invalid JSON."""
    try:
        return json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return None


def _is_promised(content: Any, status: int, url: str) -> bool:
    if not isinstance(content, dict):
        return False
    if not 200 <= status < 300:
        error = content.get("error")
        return isinstance(error, dict) and _has_type(error, url)
    if content.get("object") != "list":
        return isinstance(content.get("object"), str)
    data = content.get("data")
    is_list = isinstance(data, list) and all(isinstance(each, dict) for each in data)
    return is_list and isinstance(content.get("has_more"), bool)


def _has_type(error: dict[str, Any], url: str) -> bool:
    """Whether an error has a type. An error of /v2 may have a code only."""
    error_type = error.get("type") or (error.get("code") if "/v2/" in url else None)
    return isinstance(error_type, str)


def _code(content: Any) -> Any:
    return content["error"].get("code")


def _may_pass(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a retry may succeed: Stripe's own header decides, otherwise the status."""
    header = headers.get("stripe-should-retry")
    if header in ("true", "false"):
        return header == "true"
    if status in (CONFLICT, TOO_MANY_REQUESTS):
        return _waits_shortly(headers)
    return status >= SERVER_ERROR


def _waits_shortly(headers: Mapping[str, str]) -> bool:
    """True unless Stripe asks for a longer pause than ours."""
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
    request_note = f" to request {request_id}" if request_id else ""
    return StripeUnavailable(
        f"The answer{request_note} did not come from Stripe (HTTP {status}). Nothing is lost. Send "
        "the same request again, with the same Idempotency-Key.",
        retry_after=SHORTEST_WAIT,
    )
