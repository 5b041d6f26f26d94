"""Answer ``POST /usage`` on the fast path, before Django.

The parsed entries equal those of the serializers. A body that the serializers might refuse or
change (an unknown or repeated member, a wrong number, blanks around a text, an escape) gets None
here, and :class:`UsageViewSet` answers.
"""

import re
from collections import Counter
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson
from django.utils import timezone

from common.api.json_requests import read_body
from common.api.parsers import MAX_INTEGER
from projects.keys.api.authentication import find_caller
from projects.keys.scopes import KeyScope
from usage.records.api.usage import record_entries
from usage.records.columns import EntryColumns
from usage.records.recording import MAX_ENTRIES

FIELDS = frozenset({"user_id", "meter", "value", "occurred_at", "key"})
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def record(environ: dict[str, Any]) -> tuple[int, bytes] | None:
    """Answer ``POST /usage``.

    Returns None and records nothing if :class:`UsageViewSet` has to answer: the body is unusual, or
    the key lacks the scope. Raises the same DomainErrors as that view.
    """
    header = environ.get("HTTP_AUTHORIZATION", "")
    caller = find_caller(header, scope=KeyScope.USAGE_WRITE, at=timezone.now())
    body = None if caller is None else read_body(environ)
    parsed = None if body is None else parse_entries(body)
    if caller is None or parsed is None:
        return None
    entries, is_batch = parsed
    status, document = record_entries(caller.project, entries, is_batch=is_batch)
    return status, orjson.dumps(document)


def parse_entries(body: bytes) -> tuple[EntryColumns, bool] | None:
    """The entries and whether they came as a batch; None for a body that the view must judge."""
    if b"\\" in body:
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(document) is not dict:
        return None
    is_batch = "records" in document
    records = document["records"] if is_batch else [document]
    if is_batch and (
        len(document) != 1 or type(records) is not list or not 0 < len(records) <= MAX_ENTRIES
    ):
        return None
    if not _names_each_member_once(body, records, is_batch=is_batch):
        return None
    entries = _build_entries(records)
    return None if entries is None else (entries, is_batch)


def _names_each_member_once(body: bytes, records: list[Any], *, is_batch: bool) -> bool:
    """Whether the body names each member once. JSON decoding keeps the last of two members with
    one name, so as many names must be written as are left after decoding."""
    if set(map(type, records)) != {dict}:
        return False
    left: Counter[str] = Counter()
    for names, count in Counter(map(tuple, records)).items():
        left.update(dict.fromkeys(names, count))
    if is_batch:
        left["records"] += 1
    return left.keys() <= {*FIELDS, "records"} and all(
        body.count(b'"%s"' % name.encode()) == count for name, count in left.items()
    )


def _build_entries(records: list[dict[str, Any]]) -> EntryColumns | None:
    """Build the entries column by column, so that a few calls check a thousand records."""
    columns = _columns(records)
    user_ids, meters = columns["user_id"], columns["meter"]
    if not len(user_ids) == len(meters) == len(records):
        return None
    if not (
        _are_plain(user_ids, 255) and _are_plain(meters, 64) and _are_plain(columns["key"], 255)
    ):
        return None
    if not _are_values(columns["value"]):
        return None
    moments = _moments(columns["occurred_at"])
    if moments is None:
        return None
    values, texts, keys = (
        columns[name]
        if len(columns[name]) == len(records)
        else [each.get(name) for each in records]
        for name in ("value", "occurred_at", "key")
    )
    return EntryColumns(user_ids, meters, values, list(map(moments.get, texts)), keys)


def _columns(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The values of each member, in the order of the records."""
    names = tuple(records[0])
    if len(names) > 1 and set(map(tuple, records)) == {names}:  # as nearly always
        columns = map(list, zip(*map(itemgetter(*names), records), strict=True))
        return {**{name: [] for name in FIELDS}, **dict(zip(names, columns, strict=True))}
    return {name: [each[name] for each in records if name in each] for name in FIELDS}


def _are_plain(texts: list[Any], longest: int) -> bool:
    if not texts:
        return True
    if set(map(type, texts)) != {str} or texts != list(map(str.strip, texts)):
        return False
    lengths = set(map(len, texts))
    return min(lengths) > 0 and max(lengths) <= longest


def _are_values(values: list[Any]) -> bool:
    """Whether all values are texts or whole numbers that every JSON parser can represent."""
    if not set(map(type, values)) <= {str, int}:
        return False
    numbers = [value for value in values if type(value) is int]
    return not numbers or (min(numbers) >= -MAX_INTEGER and max(numbers) <= MAX_INTEGER)


def _moments(texts: list[Any]) -> dict[str | None, datetime] | None:
    """The times by their text; None when one of the texts is not a time."""
    if not set(map(type, texts)) <= {str}:
        return None
    moments: dict[str | None, datetime] = {}
    for text in set(texts):
        moment = _moment(text)
        if moment is None:
            return None
        moments[text] = moment
    return moments


def _moment(text: str) -> datetime | None:
    if not MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
