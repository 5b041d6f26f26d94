"""Stripe's search query language (docs.stripe.com/search#search-query-language).

Clauses are joined by ``AND`` or by ``OR``, not by both. ``:`` matches equal values, ``~`` a
substring, ``<`` ``<=`` ``>`` ``>=`` compare numbers, a leading ``-`` negates a clause.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object

INDEX_DELAY_SECONDS = 60
"""Seconds until a new object can be found.

Stripe: "under normal operating conditions, data is searchable in under 1 minute".
"""
MIN_SUBSTRING_LENGTH = 3
"""Minimum length of a searched substring."""
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
    """Parse a query into a function that tests an object.

    ``texts`` and ``numbers`` name the searchable fields besides metadata. Raises 400 for a
    malformed query.
    """
    clauses, joins = [], set()
    position, text = 0, query.strip()
    while True:
        match = CLAUSE.match(text, position)
        if match is None:
            raise _unparsable_error()
        clauses.append(_build_clause(match, texts, numbers))
        position = match.end()
        if position == len(text):
            break
        join = JOIN.match(text, position)
        if join is None:
            raise _unparsable_error()
        joins.add((join[1] or "AND").upper())
        position = join.end()
    if len(joins) > 1:
        raise invalid("You can't combine AND and OR in the same query.", param="query")
    if len(clauses) > MAX_CLAUSES:
        raise invalid(f"A query has at most {MAX_CLAUSES} clauses.", param="query")
    fits = any if joins == {"OR"} else all
    return lambda body: fits(clause(body) for clause in clauses)


def _build_clause(match: re.Match[str], texts: set[str], numbers: set[str]) -> Clause:
    field, key, comparison = match["field"], match["key"], match["way"]
    value = _quoted_text(match)
    if key is not None:
        clause = _text_clause(
            comparison, value, lambda body: body["metadata"].get(_unescape(key)), parts=False
        )
    elif field in texts:
        clause = _text_clause(comparison, value, lambda body: body.get(field), parts=True)
    elif field in numbers:
        clause = _number_clause(comparison, match["bare"], lambda body: body[field])
    else:
        raise invalid(f"Field `{field}` is an unsupported search field.", param="query")
    return (lambda body: not clause(body)) if match["not"] else clause


def _text_clause(
    comparison: str,
    search_text: str | None,
    read_value: Callable[[Object], str | None],
    *,
    parts: bool,
) -> Clause:
    if search_text is None and comparison == ":":
        return lambda body: not read_value(body)
    if search_text is None or comparison not in (":", "~") or (comparison == "~" and not parts):
        raise _unparsable_error()
    folded = search_text.casefold()
    if comparison == ":":
        return lambda body: (read_value(body) or "").casefold() == folded
    if len(folded) < MIN_SUBSTRING_LENGTH:
        raise invalid(f"Substrings have at least {MIN_SUBSTRING_LENGTH} characters.", param="query")
    return lambda body: folded in (read_value(body) or "").casefold()


def _number_clause(
    comparison: str, number_text: str | None, read_value: Callable[[Object], int]
) -> Clause:
    if number_text in (None, "null") or comparison == "~":
        raise _unparsable_error()
    number = float(str(number_text))
    if comparison == ":":
        return lambda body: read_value(body) == number
    compare = COMPARISONS[comparison]
    return lambda body: compare(read_value(body), number)


def _quoted_text(match: re.Match[str]) -> str | None:
    """The quoted text, or the bare number; None for ``null``."""
    quoted = match["text"] if match["text"] is not None else match["text2"]
    if quoted is not None:
        return _unescape(quoted)
    return None if match["bare"] == "null" else match["bare"]


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _unparsable_error() -> StripeFailure:
    return invalid(
        "We were unable to parse your search query. Try using the format "
        '`metadata["key"]:"value"` to query for metadata or key:"value" to query for other fields.',
        param="query",
    )
