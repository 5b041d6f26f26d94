"""Answer checks on the fast path, before Django.

Each function returns None if :class:`CheckViewSet` has to answer: the request is written in an
unusual way, or its key lacks the scope.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from django.utils import timezone

from common.api.json_requests import read_body
from entitlements.cache import service as cache
from entitlements.decisions import checks
from entitlements.decisions.api.check import MAX_QUESTIONS
from entitlements.resolution.decision import Question
from projects.keys.api.authentication import find_caller, known_caller
from projects.keys.credentials import ProjectCredential
from projects.keys.scopes import KeyScope

Environ = dict[str, Any]
Answer = tuple[int, bytes]


def check(environ: Environ) -> Answer | None:
    """Answer ``GET /entitlements/check``."""
    question = _parse_query(environ.get("QUERY_STRING", ""))
    if question is None:
        return None
    now = timezone.now()
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = find_caller(header, scope=KeyScope.ENTITLEMENTS_READ, at=now)
    if caller is None:
        return None
    return 200, checks.decision_bodies(project=caller.project, questions=[question], at=now)[
        question
    ]


class CachedCheck(NamedTuple):
    """The answer to a check, and who receives it."""

    caller: ProjectCredential
    body: bytes


def cached_check(environ: Mapping[str, Any]) -> CachedCheck | None:
    """Answer ``GET /entitlements/check`` from this process's own cache; None if it is not there.

    Queries neither Redis nor the database.
    """
    question = _parse_query(environ.get("QUERY_STRING", ""))
    if question is None:
        return None
    now = timezone.now()
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = known_caller(header, scope=KeyScope.ENTITLEMENTS_READ, at=now)
    if caller is None:
        return None
    body = cache.find_local(project_id=caller.project.pk, question=question, at=now)
    return None if body is None else CachedCheck(caller, body)


def check_many(environ: Environ) -> Answer | None:
    """Answer ``POST /entitlements/check``."""
    now = timezone.now()
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = find_caller(header, scope=KeyScope.ENTITLEMENTS_READ, at=now)
    body = None if caller is None else read_body(environ)
    questions = None if body is None else _parse_body(body)
    if caller is None or questions is None:
        return None
    answers = checks.decision_bodies(project=caller.project, questions=questions, at=now)
    return 200, b'{"data":[%b]}' % b",".join(
        [
            b'{"user_id":%b,%b' % (orjson.dumps(question.user_id), answers[question][1:])
            for question in questions
        ]
    )


@lru_cache(maxsize=50_000)
def _parse_query(query: str) -> Question | None:
    if not query.isascii():
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=2)
    except ValueError:
        return None
    if len(pairs) != 2 or {name for name, _ in pairs} != {"user_id", "feature"}:
        return None
    values = dict(pairs)
    return _make_question(values["user_id"], values["feature"])


def _parse_body(body: bytes) -> list[Question] | None:
    """The checks of a body that every JSON parser reads in the same way; None for any other body.

    JSON decoding keeps the last of two members with one name, so as many names must be written as
    are left after decoding; an escape could hide one.
    """
    if b"\\" in body:
        return None
    try:
        document = orjson.loads(body)
        pairs = document["checks"]
        if len(pairs) > MAX_QUESTIONS:
            return None
        questions = [
            _make_question(pair["user_id"], pair["feature"]) for pair in pairs if len(pair) == 2
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    count = len(questions)
    is_plain = (
        len(document) == body.count(b'"checks"') == 1
        and 0 < count == len(pairs)
        and body.count(b'"user_id"') == body.count(b'"feature"') == count
    )
    plain = [question for question in questions if question is not None]
    return plain if is_plain and len(plain) == count else None


def _make_question(user_id: str, feature: str) -> Question | None:
    if _is_plain(user_id, 255) and _is_plain(feature, 64):
        return Question(user_id, feature)
    return None


def _is_plain(text: str, max_length: int) -> bool:
    return 0 < len(text) <= max_length and text.isprintable() and text == text.strip()
