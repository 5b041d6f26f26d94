"""Bodies of ``POST /usage`` as everybody writes them, read without REST framework.

Whatever is returned is exactly what the serializers would have made of it. What they might refuse
or correct (an unknown or repeated member, a number that is none, blanks around a text, an escape)
is not judged here: the answer is None, and they have their say.
"""

import re
from collections import Counter
from datetime import datetime
from typing import Any

import orjson

from common.api.parsers import MAX_BODY, MAX_INTEGER
from usage.services.recording import MOST, Entry

FIELDS = frozenset({"user_id", "meter", "value", "occurred_at", "key"})
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def entries(body: bytes) -> tuple[list[Entry], bool] | None:
    """The entries and whether they came as a batch; None for a body that needs a closer look."""
    if len(body) > MAX_BODY or b"\\" in body:
        return None
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(given) is not dict:
        return None
    is_batch = "records" in given
    records = given["records"] if is_batch else [given]
    if is_batch and (len(given) != 1 or type(records) is not list or not 0 < len(records) <= MOST):
        return None
    if not _names_each_member_once(body, records, is_batch=is_batch):
        return None
    made = [_entry(record) for record in records]
    return None if None in made else ([each for each in made if each is not None], is_batch)


def _names_each_member_once(body: bytes, records: list[Any], *, is_batch: bool) -> bool:
    """Decoding keeps the last of two members with one name: as many must be written as are left."""
    if any(type(record) is not dict for record in records):
        return False
    left = Counter(name for record in records for name in record)
    if is_batch:
        left["records"] += 1
    return left.keys() <= {*FIELDS, "records"} and all(
        body.count(b'"%s"' % name.encode()) == count for name, count in left.items()
    )


def _entry(given: dict[str, Any]) -> Entry | None:
    user_id: Any = given.get("user_id")
    meter: Any = given.get("meter")
    key = given.get("key")
    if not (_is_plain(user_id, 255) and _is_plain(meter, 64)):
        return None
    if "key" in given and not _is_plain(key, 255):
        return None
    value = given.get("value")
    if "value" in given and type(value) is not str and not _is_whole(value):
        return None
    moment = None
    if "occurred_at" in given:
        moment = _moment(given["occurred_at"])
        if moment is None:
            return None
    return Entry(user_id, meter, value, moment, key)


def _is_plain(text: Any, longest: int) -> bool:
    return type(text) is str and 0 < len(text) <= longest and text == text.strip()


def _is_whole(value: Any) -> bool:
    return type(value) is int and -MAX_INTEGER <= value <= MAX_INTEGER


def _moment(text: Any) -> datetime | None:
    if type(text) is not str or not MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
