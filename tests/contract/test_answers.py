"""What the check refuses; that the service answers as documented, every test of the API shows."""

import re
from typing import Any

import pytest

from tests.contract import answers
from tests.contract.answers import UndocumentedAnswer

PATH = "/api/v1/refunds/re_1"
AMOUNT = {"amount": 900, "currency": "usd"}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "payment": "pay_1",
    "amount": AMOUNT,
    "lines": [],
    "status": "succeeded",
    "reason": None,
    "failure_reason": None,
    "stripe_id": "re_stripe",
    "metadata": {"ticket": "7"},
    "refunded_at": "2026-11-21T12:00:00Z",
}


def check(body: Any, *, method: str = "GET", path: str = PATH, status: int = 200) -> None:
    answers.check(method, path, status, body)


def test_an_answer_that_is_as_documented_passes() -> None:
    check(REFUND)
    check({"data": [REFUND], "next": None, "has_more": False}, path="/api/v1/refunds")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({name: value for name, value in REFUND.items() if name != "status"}, "status"),
        ({**REFUND, "note": ""}, "note"),
        ({**REFUND, "amount": {**AMOUNT, "decimal": "9.00"}}, "decimal"),
        ({**REFUND, "amount": {"amount": "900", "currency": "usd"}}, "/amount/amount"),
        ({**REFUND, "lines": None}, "/lines"),
        ({**REFUND, "metadata": {"ticket": 7}}, "/metadata/ticket"),
        ({**REFUND, "refunded_at": "yesterday"}, "/refunded_at"),
        ([REFUND], 'not of type "object"'),
    ],
    ids=["missing", "unknown", "deep", "type", "null", "values", "format", "list"],
)
def test_a_body_that_is_not_as_documented_is_refused(body: Any, fault: str) -> None:
    with pytest.raises(UndocumentedAnswer, match=re.escape(fault)):
        check(body)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 201},
        {"method": "DELETE"},
        {"path": "/api/v1/nowhere"},
        {"path": f"{PATH}/nowhere"},
        {"method": "DELETE", "path": "/api/v1/carts/car_1/items/li_1", "status": 204},
    ],
    ids=["status", "method", "path", "below", "empty"],
)
def test_an_answer_that_is_nowhere_documented_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(UndocumentedAnswer, match="documented"):
        check(REFUND, **answer)


def test_fixed_words_of_a_path_are_no_parameter() -> None:
    """``/checkout/cart`` is no checkout called ``cart``."""
    with pytest.raises(UndocumentedAnswer, match="POST /api/v1/checkout/cart, 201"):
        check({}, method="POST", path="/api/v1/checkout/cart", status=201)


def test_addresses_that_no_tenant_calls_are_not_checked() -> None:
    check({"received": True}, method="POST", path="/api/v1/webhooks/stripe/abc")
    check({"openapi": "3.1.1"}, path="/api/schema")


def test_an_object_is_closed_as_a_whole() -> None:
    """Each part of ``allOf`` would refuse the fields of the others."""
    with pytest.raises(ValueError, match="unevaluatedProperties"):
        list(answers._schemas({"allOf": [{"properties": {}}, {"properties": {}}]}))
