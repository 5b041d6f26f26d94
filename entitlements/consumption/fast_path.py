"""``consume`` that is answered before Django, and when it may be."""

from typing import Any

import orjson
from django.utils import timezone

from common.api.json_requests import read_body
from entitlements.consumption.api import Use, consume_use
from entitlements.resolution.kinds import MAX_LIMIT
from projects.keys.api.authentication import find_caller
from projects.keys.scopes import KeyScope

MAX_LENGTHS = {"user_id": 255, "feature": 64, "key": 255}


def consume(environ: dict[str, Any]) -> tuple[int, bytes] | None:
    """Answer ``POST /entitlements/consume``.

    None, and nothing is used, for a request that :class:`ConsumptionViewSet` has to look at: one
    that is written in an unusual way, or whose key may not consume. Raises DomainError as it does.
    """
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = find_caller(header, scope=KeyScope.USAGE_WRITE, at=timezone.now())
    body = None if caller is None else read_body(environ)
    use = None if body is None else _parse_body(body)
    if caller is None or use is None:
        return None
    return 200, orjson.dumps(consume_use(caller.project, use))


def _parse_body(body: bytes) -> Use | None:
    """The use of a body that every parser reads in the same way; None for any other.

    No escapes and no member twice: as many quotes as its members need.
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
