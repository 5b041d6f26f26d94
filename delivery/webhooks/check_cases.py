"""The cases of a conformance check, and the grade that their results make.

A receiver has to refuse what we have not signed and what is old, and to accept what comes twice or
is of a type that it does not know (https://www.standardwebhooks.com).
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from common import standard_webhooks
from delivery.models.webhook_check import CheckGrade
from delivery.webhooks.representation import CheckCaseBody

OLD = timedelta(minutes=10)
"""Age of the old delivery: twice the tolerance of Standard Webhooks."""
SLOW_MILLISECONDS = 5000
_SUCCESS = range(200, 300)
_REFUSAL = range(400, 500)


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What a case is made from. ``keys`` sign; the body is that of a real event."""

    keys: Sequence[bytes]
    event_id: str
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCase:
    """``build`` makes headers and body. ``grade``: of an endpoint that does not pass this case.
    ``title`` is for people."""

    name: str
    title: str
    must_accept: bool
    grade: CheckGrade
    build: Callable[[CheckRequest], tuple[dict[str, str], bytes]]

    @property
    def expected(self) -> str:
        return "2xx" if self.must_accept else "4xx"

    def passes(self, status: int | None) -> bool:
        """Whether this answer is right."""
        return status is not None and status in (_SUCCESS if self.must_accept else _REFUSAL)

    def accepts(self, status: int | None) -> bool:
        return status is not None and status in _SUCCESS


def _signed(request: CheckRequest, **changes: object) -> tuple[dict[str, str], bytes]:
    values = {"keys": request.keys, "at": request.at, "body": request.body, **changes}
    headers = standard_webhooks.sign(message_id=request.event_id, **values)  # type: ignore[arg-type]
    return headers, request.body


def _valid(request: CheckRequest) -> tuple[dict[str, str], bytes]:
    return _signed(request)


def _unknown_type(request: CheckRequest) -> tuple[dict[str, str], bytes]:
    body = orjson.dumps({**orjson.loads(request.body), "type": "webhook_endpoint.unheard_of"})
    headers, _ = _signed(request, body=body)
    return headers, body


def _wrong_key(request: CheckRequest) -> tuple[dict[str, str], bytes]:
    return _signed(request, keys=[secrets.token_bytes(32)])


def _changed_body(request: CheckRequest) -> tuple[dict[str, str], bytes]:
    headers, body = _signed(request)
    return headers, body.replace(b'"position":', b'"position":1', 1)


def _other_version(request: CheckRequest) -> tuple[dict[str, str], bytes]:
    """A signature of a version that does not exist."""
    headers, body = _signed(request)
    signature = headers[standard_webhooks.SIGNATURE].replace("v1,", "v9,")
    return {**headers, standard_webhooks.SIGNATURE: signature}, body


def _unsigned(request: CheckRequest) -> tuple[dict[str, str], bytes]:
    headers, body = _signed(request)
    del headers[standard_webhooks.SIGNATURE]
    return headers, body


def _old(request: CheckRequest) -> tuple[dict[str, str], bytes]:
    return _signed(request, at=request.at - OLD)


CASES = (
    CheckCase(
        name="valid", title="A correct delivery", must_accept=True, grade=CheckGrade.D, build=_valid
    ),
    CheckCase(
        name="repeated",
        title="The same delivery again",
        must_accept=True,
        grade=CheckGrade.B,
        build=_valid,
    ),
    CheckCase(
        name="unknown_type",
        title="A correct delivery of an unknown type",
        must_accept=True,
        grade=CheckGrade.B,
        build=_unknown_type,
    ),
    CheckCase(
        name="wrong_key",
        title="Signed with another key",
        must_accept=False,
        grade=CheckGrade.F,
        build=_wrong_key,
    ),
    CheckCase(
        name="changed_body",
        title="A body that was changed on the way",
        must_accept=False,
        grade=CheckGrade.F,
        build=_changed_body,
    ),
    CheckCase(
        name="other_version",
        title="A signature of an unknown version",
        must_accept=False,
        grade=CheckGrade.F,
        build=_other_version,
    ),
    CheckCase(
        name="unsigned",
        title="No signature",
        must_accept=False,
        grade=CheckGrade.F,
        build=_unsigned,
    ),
    CheckCase(
        name="old",
        title="Signed ten minutes ago",
        must_accept=False,
        grade=CheckGrade.C,
        build=_old,
    ),
)
BY_NAME: Mapping[str, CheckCase] = {case.name: case for case in CASES}
_WORST_FIRST = (CheckGrade.F, CheckGrade.D, CheckGrade.C, CheckGrade.B)


def titled(results: Sequence[CheckCaseBody]) -> list[tuple[str, CheckCaseBody]]:
    """The results, each with the title of its case."""
    return [(BY_NAME[result["case"]].title, result) for result in results]


def grade(results: Sequence[CheckCaseBody]) -> CheckGrade:
    """The worst grade of all cases that were not passed; A if all were, in time.

    A forged or old delivery that meets another answer than 2xx or 4xx was not accepted: that is no
    hole, but the endpoint does not work as it should.
    """
    grades = {_grade_of(result) for result in results if not result["passed"]}
    if any((result["milliseconds"] or 0) > SLOW_MILLISECONDS for result in results):
        grades.add(CheckGrade.B)
    return next((each for each in _WORST_FIRST if each in grades), CheckGrade.A)


def _grade_of(result: CheckCaseBody) -> CheckGrade:
    case = BY_NAME[result["case"]]
    if case.must_accept or case.accepts(result["status"]):
        return case.grade
    return CheckGrade.B
