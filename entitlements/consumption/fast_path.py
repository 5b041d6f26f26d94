"""Answer ``POST /entitlements/consume`` on the fast path, before Django."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.utils import timezone

from common.api.json_requests import read_body
from entitlements.consumption import remembered_uses
from entitlements.consumption.api import Use, consume_use, render_consumption
from entitlements.consumption.remembered_uses import RememberedUse
from entitlements.resolution.kinds import MAX_LIMIT
from projects.keys.api.authentication import find_caller, known_caller
from projects.keys.scopes import KeyScope

MAX_LENGTHS = {"user_id": 255, "feature": 64, "key": 255}


def consume(environ: dict[str, Any]) -> tuple[int, bytes] | None:
    """Answer ``POST /entitlements/consume``.

    Returns None and consumes nothing if :class:`ConsumptionViewSet` has to answer: the request is
    unusual, or its key lacks the scope. Raises the same DomainErrors as that view.
    """
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = find_caller(header, scope=KeyScope.USAGE_WRITE, at=timezone.now())
    body = None if caller is None else read_body(environ)
    use = None if body is None else _parse_body(body)
    if caller is None or use is None:
        return None
    return 200, orjson.dumps(consume_use(caller.project, use))


def open_use(environ: dict[str, Any], request_id: str) -> RememberedUse | None:
    """The use of a ``POST /entitlements/consume`` whose body is there, for the event loop.

    Without a query: returns None if :func:`consume` has to answer.
    """
    at = timezone.now()
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = known_caller(header, scope=KeyScope.USAGE_WRITE, at=at)
    body = None if caller is None else read_body(environ)
    use = None if body is None else _parse_body(body)
    if caller is None or use is None:
        return None
    return remembered_uses.find(
        project_id=caller.project.pk,
        user_id=use.user_id,
        feature=use.feature,
        amount=use.amount,
        key=use.key,
        at=at,
        request_id=request_id,
        traceparent=environ.get("HTTP_TRACEPARENT", ""),
    )


def consume_together(uses: Sequence[RememberedUse]) -> list[bytes | None]:
    """The bodies of the answers to uses that are counted in one transaction; None for one that
    :func:`consume` has to answer. Raises the database's errors."""
    consumptions = remembered_uses.consume_together(uses)
    return [
        None if consumed is None else orjson.dumps(render_consumption(consumed))
        for consumed in consumptions
    ]


def _parse_body(body: bytes) -> Use | None:
    """The use in a body that every JSON parser reads in the same way; None for any other body.

    It contains no escapes and no repeated member: it has exactly the quotes that its members need.
    """
    try:
        members = orjson.loads(body) if b"\\" not in body else None
    except orjson.JSONDecodeError:
        return None
    if type(members) is not dict or not members.keys() <= {*MAX_LENGTHS, "amount"}:
        return None
    texts = {name: members[name] for name in members if name != "amount"}
    if body.count(b'"') != 2 * len(members) + 2 * len(texts):
        return None
    if not all(_is_plain(text, MAX_LENGTHS[name]) for name, text in texts.items()):
        return None
    amount = members.get("amount", 1)
    if not {"user_id", "feature"} <= members.keys() or type(amount) is not int:
        return None
    return Use(**members) if 0 < amount <= MAX_LIMIT else None


def _is_plain(text: Any, max_length: int) -> bool:
    return type(text) is str and 0 < len(text) <= max_length and text == text.strip()
