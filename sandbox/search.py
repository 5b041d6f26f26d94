"""Stripe's search query language (docs.stripe.com/search#search-query-language).

Clauses are joined by ``AND`` or by ``OR``, not by both. ``:`` finds what is equal, ``~`` what a
text contains, ``<`` ``<=`` ``>`` ``>=`` compare numbers, ``-`` in front negates a clause.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object

INDEX_DELAY_SECONDS = 60
"""Seconds until a new object is found: "under normal operating conditions, data is searchable in
under 1 minute"."""
MIN_SUBSTRING_LENGTH = 3
"""Characters of a text that is looked for within others."""
MAX_CLAUSES = 10
CLAUSE = re.compile(
    r"""(?P<not>-)?
    (?:(?P<field>[a-z_]+)|metadata\[(?P<q>["'])(?P<key>(?:\\.|(?!(?P=q)).)+)(?P=q)\])
    \s*(?P<way>:|~|>=|<=|>|<)\s*
    (?:"(?P<text>(?:\\.|[^"\\])*)"|'(?P<text2>(?:\\.|[^'\\])*)'|(?P<bare>null|-?[0-9]+(?:\.[0-9]+)?))
    """,
    re.VERBOSE,
)
JOIN = re.compile(r"\s+(?:(AND|OR)\s+)?", re.IGNORECASE)
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
Clause = Callable[[Object], bool]


def parse_query(query: str, *, texts: set[str], numbers: set[str]) -> Clause:
    """Whether an object fits the query. ``texts`` and ``numbers`` are the fields that can be
    searched, besides metadata. Raises 400 for a query that is none."""
    clauses, joins = [], set()
    place, text = 0, query.strip()
    while True:
        found = CLAUSE.match(text, place)
        if found is None:
            raise _unparsable_error()
        clauses.append(_build_clause(found, texts, numbers))
        place = found.end()
        if place == len(text):
            break
        join = JOIN.match(text, place)
        if join is None:
            raise _unparsable_error()
        joins.add((join[1] or "AND").upper())
        place = join.end()
    if len(joins) > 1:
        raise invalid("You can't combine AND and OR in the same query.", param="query")
    if len(clauses) > MAX_CLAUSES:
        raise invalid(f"A query has at most {MAX_CLAUSES} clauses.", param="query")
    fits = any if joins == {"OR"} else all
    return lambda body: fits(clause(body) for clause in clauses)


def _build_clause(found: re.Match[str], texts: set[str], numbers: set[str]) -> Clause:
    field, key, way = found["field"], found["key"], found["way"]
    wanted = _quoted_text(found)
    if key is not None:
        clause = _text_clause(
            way, wanted, lambda body: body["metadata"].get(_unescape(key)), parts=False
        )
    elif field in texts:
        clause = _text_clause(way, wanted, lambda body: body.get(field), parts=True)
    elif field in numbers:
        clause = _number_clause(way, found["bare"], lambda body: body[field])
    else:
        raise invalid(f"Field `{field}` is an unsupported search field.", param="query")
    return (lambda body: not clause(body)) if found["not"] else clause


def _text_clause(
    way: str, wanted: str | None, value: Callable[[Object], str | None], *, parts: bool
) -> Clause:
    if wanted is None and way == ":":
        return lambda body: not value(body)
    if wanted is None or way not in (":", "~") or (way == "~" and not parts):
        raise _unparsable_error()
    sought = wanted.casefold()
    if way == ":":
        return lambda body: (value(body) or "").casefold() == sought
    if len(sought) < MIN_SUBSTRING_LENGTH:
        raise invalid(f"Substrings have at least {MIN_SUBSTRING_LENGTH} characters.", param="query")
    return lambda body: sought in (value(body) or "").casefold()


def _number_clause(way: str, wanted: str | None, value: Callable[[Object], int]) -> Clause:
    if wanted in (None, "null") or way == "~":
        raise _unparsable_error()
    number = float(str(wanted))
    if way == ":":
        return lambda body: value(body) == number
    compare = COMPARISONS[way]
    return lambda body: compare(value(body), number)


def _quoted_text(found: re.Match[str]) -> str | None:
    """What stands in quotes; None for ``null``. Raises 400 for a text without quotes."""
    quoted = found["text"] if found["text"] is not None else found["text2"]
    if quoted is not None:
        return _unescape(quoted)
    return None if found["bare"] == "null" else found["bare"]


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _unparsable_error() -> StripeFailure:
    return invalid(
        "We were unable to parse your search query. Try using the format "
        '`metadata["key"]:"value"` to query for metadata or key:"value" to query for other fields.',
        param="query",
    )
