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

INDEXED_AFTER = 60
"""Seconds until a new object is found: "under normal operating conditions, data is searchable in
under 1 minute"."""
SHORTEST_PART = 3
"""Characters of a text that is looked for within others."""
MOST_CLAUSES = 10
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


def parse(query: str, *, texts: set[str], numbers: set[str]) -> Clause:
    """Whether an object fits the query. ``texts`` and ``numbers`` are the fields that can be
    searched, besides metadata. Raises 400 for a query that is none."""
    clauses, joins = [], set()
    place, text = 0, query.strip()
    while True:
        found = CLAUSE.match(text, place)
        if found is None:
            raise _unreadable()
        clauses.append(_clause(found, texts, numbers))
        place = found.end()
        if place == len(text):
            break
        join = JOIN.match(text, place)
        if join is None:
            raise _unreadable()
        joins.add((join[1] or "AND").upper())
        place = join.end()
    if len(joins) > 1:
        raise invalid("You can't combine AND and OR in the same query.", param="query")
    if len(clauses) > MOST_CLAUSES:
        raise invalid(f"A query has at most {MOST_CLAUSES} clauses.", param="query")
    fits = any if joins == {"OR"} else all
    return lambda body: fits(clause(body) for clause in clauses)


def _clause(found: re.Match[str], texts: set[str], numbers: set[str]) -> Clause:
    field, key, way = found["field"], found["key"], found["way"]
    wanted = _text(found)
    if key is not None:
        clause = _of_text(way, wanted, lambda body: body["metadata"].get(_plain(key)), parts=False)
    elif field in texts:
        clause = _of_text(way, wanted, lambda body: body.get(field), parts=True)
    elif field in numbers:
        clause = _of_number(way, found["bare"], lambda body: body[field])
    else:
        raise invalid(f"Field `{field}` is an unsupported search field.", param="query")
    return (lambda body: not clause(body)) if found["not"] else clause


def _of_text(
    way: str, wanted: str | None, value: Callable[[Object], str | None], *, parts: bool
) -> Clause:
    if wanted is None and way == ":":
        return lambda body: not value(body)
    if wanted is None or way not in (":", "~") or (way == "~" and not parts):
        raise _unreadable()
    sought = wanted.casefold()
    if way == ":":
        return lambda body: (value(body) or "").casefold() == sought
    if len(sought) < SHORTEST_PART:
        raise invalid(f"Substrings have at least {SHORTEST_PART} characters.", param="query")
    return lambda body: sought in (value(body) or "").casefold()


def _of_number(way: str, wanted: str | None, value: Callable[[Object], int]) -> Clause:
    if wanted in (None, "null") or way == "~":
        raise _unreadable()
    number = float(str(wanted))
    if way == ":":
        return lambda body: value(body) == number
    compare = COMPARISONS[way]
    return lambda body: compare(value(body), number)


def _text(found: re.Match[str]) -> str | None:
    """What stands in quotes; None for ``null``. Raises 400 for a text without quotes."""
    quoted = found["text"] if found["text"] is not None else found["text2"]
    if quoted is not None:
        return _plain(quoted)
    return None if found["bare"] == "null" else found["bare"]


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _unreadable() -> StripeFailure:
    return invalid(
        "We were unable to parse your search query. Try using the format "
        '`metadata["key"]:"value"` to query for metadata or key:"value" to query for other fields.',
        param="query",
    )
