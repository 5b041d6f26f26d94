"""The JSON parser reads valid bodies and refuses oversized or unstorable ones."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from common.api.parsers import MAX_BODY, MAX_DEPTH, MAX_VALUES, BodyTooLarge, decode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('abc[]{}"\\', max_size=5), inner),
    max_leaves=30,
)


@given(JSON)
def test_json_written_by_python_is_read_back(value: Any) -> None:
    assert decode(json.dumps(value).encode()) == value
    assert decode(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        value = decode(body)
    except ParseError:
        return
    assert json.loads(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b'{"a": 1} {"b": 2}',
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"1" * 5000,
        b"1." + b"1" * 5000,
        b"9223372036854775808",
        b"-9223372036854775808",
        b'{"a": 1, "a": 2}',
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'"\\ud800"',
        b'["\\udfff"]',
        b'"\\ud800\\ud800"',
        b"\xff\xfe",
        '"caf\u00e9"'.encode("latin-1"),
        '{"a": 1}'.encode("utf-16"),
        b'"\x00"',
        b"[" * 5000,
        b"[" * 5000 + b"]" * 5000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_values_that_postgres_cannot_store_are_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        decode(body)


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_nesting_is_limited_to_64_levels() -> None:
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(ParseError, match="64 levels"):
        decode(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_brackets_in_text_are_not_counted_as_depth() -> None:
    assert decode(json.dumps("[" * 1000).encode()) == "[" * 1000
    assert decode(json.dumps(['"[{' * 1000]).encode()) == ['"[{' * 1000]


def test_the_size_is_limited_to_one_mebibyte() -> None:
    assert decode(b'"' + b"a" * (MAX_BODY - 2) + b'"')
    with pytest.raises(BodyTooLarge):
        decode(b'"' + b"a" * (MAX_BODY - 1) + b'"')


def test_the_total_number_of_values_is_limited() -> None:
    assert len(decode(b"[" + b"0," * (MAX_VALUES - 1) + b"0]")) == MAX_VALUES
    for body in (
        b"[" + b"0," * MAX_VALUES + b"0]",
        b"[" + b"{}," * MAX_VALUES + b"{}]",
        b"{" + b",".join(b'"%d":0' % number for number in range(MAX_VALUES + 1)) + b"}",
    ):
        with pytest.raises(ParseError, match="more than 100,000 values"):
            decode(body)


def test_commas_in_text_are_not_counted_as_values() -> None:
    text = ',"\\' * MAX_VALUES
    assert decode(json.dumps([text]).encode()) == [text]
