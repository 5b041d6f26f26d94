"""Answers that are not Stripe's are recognised, and requests retried while time is left."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import stripe as sdk
from requests.structures import CaseInsensitiveDict

from billing.stripe import answer_gate
from billing.stripe.answer_gate import AnswerGate
from billing.stripe.errors import StripeBusy, StripeObjectMissing, StripeUnavailable, translate

Script = tuple[int, Any, dict[str, str]]
"""Status, body and headers of an answer."""
OK: Script = (200, {"id": "prod_1", "object": "product"}, {})
BUSY: Script = (429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}, {})
AWAY: Script = (503, {"error": {"type": "api_error"}}, {})
BROKEN: Script = (500, {"error": {"type": "api_error"}}, {"Stripe-Should-Retry": "false"})


class Scripted(sdk.HTTPClient):
    """A Stripe that answers what it is told to, one answer after the other."""

    name = "scripted"

    def __init__(self, *answers: Any, took: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.answers, self.took = list(answers), took
        self.sent: list[tuple[str, str | None]] = []

    def request(  # type: ignore[override]  # as RequestsClient has it
        self, method: str, url: str, headers: Any, post_data: Any = None
    ) -> Any:
        self.sent.append((method, headers.get("Idempotency-Key")))
        self.took()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = answer
        text = body if isinstance(body, str) else json.dumps(body)
        return text, status, CaseInsensitiveDict({"Request-Id": "req_9", **headers})


class Bench:
    def __init__(self, *answers: Any, **how: Any) -> None:
        self.stripe = Scripted(*answers, **how)
        self.pauses: list[float] = []
        self.busy = 0
        gate = AnswerGate(self.stripe, on_busy=self._busy, sleep=self.pauses.append)
        self.v1 = sdk.StripeClient("sk_test_x", http_client=gate, max_network_retries=0).v1

    def _busy(self) -> None:
        self.busy += 1


def connection_error() -> sdk.APIConnectionError:
    return sdk.APIConnectionError("lost", should_retry=True)


@pytest.mark.parametrize(
    "first", [BUSY, AWAY, connection_error(), (200, "null", {}), (404, "<h1>", {})]
)
def test_a_single_failure_is_retried_unnoticed(first: Any) -> None:
    bench = Bench(first, OK)
    assert bench.v1.products.create({"name": "Pro"}).id == "prod_1"
    (_, once), (_, again) = bench.stripe.sent
    assert once == again
    assert len(bench.pauses) == 1
    assert bench.busy == (first is BUSY)


@pytest.mark.parametrize(("answer", "error"), [(BUSY, StripeBusy), (AWAY, StripeUnavailable)])
def test_a_request_is_sent_at_most_three_times(answer: Any, error: type[Exception]) -> None:
    bench = Bench(answer, answer, answer, OK)
    with pytest.raises(error), translate():
        bench.v1.products.retrieve("prod_1")
    assert len(bench.stripe.sent) == 3
    assert sum(bench.pauses) <= answer_gate.TIME


@pytest.mark.parametrize("headers", [{"Stripe-Should-Retry": "false"}, {"Retry-After": "30"}])
def test_a_request_that_stripe_marks_as_final_is_not_sent_again(headers: dict[str, str]) -> None:
    status, body, _ = BUSY
    bench = Bench((status, body, headers), OK)
    with pytest.raises(StripeUnavailable), translate():
        bench.v1.products.retrieve("prod_1")
    assert len(bench.stripe.sent) == 1


def test_an_error_that_is_kept_under_the_key_is_not_sent_again() -> None:
    bench = Bench(BROKEN, OK)
    with pytest.raises(StripeUnavailable), translate():
        bench.v1.products.create({"name": "Pro"})
    assert len(bench.stripe.sent) == 1


def test_nothing_is_sent_again_once_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("billing.stripe.answer_gate.time.monotonic", lambda: clock[0])

    def take() -> None:
        clock[0] += answer_gate.TIME

    bench = Bench(AWAY, OK, took=take)
    with pytest.raises(StripeUnavailable), translate():
        bench.v1.products.retrieve("prod_1")
    assert len(bench.stripe.sent) == 1


def test_a_malformed_answer_keeps_its_request_id() -> None:
    page: Script = (404, "<h1>Not found</h1>", {})
    message = r"to request req_9 did not come from Stripe \(HTTP 404\)"
    with pytest.raises(StripeUnavailable, match=message):
        Bench(page, page, page).v1.products.retrieve("prod_1")


@pytest.mark.parametrize("error", [{"code": "not_found"}, {"code": "not_found", "type": "x"}])
def test_an_error_of_v2_may_have_its_code_only(error: Any) -> None:
    gone: Script = (404, {"error": {"message": "No such event.", **error}}, {})
    bench = Bench(gone)
    gate = AnswerGate(bench.stripe, sleep=bench.pauses.append)
    client = sdk.StripeClient("sk_test_x", http_client=gate, max_network_retries=0)
    with pytest.raises(StripeObjectMissing), translate():
        client.v2.core.events.retrieve("evt_1")
    assert len(bench.stripe.sent) == 1


def test_an_error_of_v1_has_its_type() -> None:
    odd: Script = (404, {"error": {"code": "not_found"}}, {})
    bench = Bench(odd, odd, odd)
    with pytest.raises(StripeUnavailable):
        bench.v1.products.retrieve("prod_1")
