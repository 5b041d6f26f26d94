"""Sealed secrets open only for their own row and a current key."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from common import crypto
from common.crypto import CannotDecrypt

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.text())
def test_a_sealed_secret_opens_again(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert crypto.decrypt(crypto.encrypt(text, context="a:1:b"), context="a:1:b") == text


def test_the_same_secret_is_never_sealed_twice_the_same_way() -> None:
    assert crypto.encrypt("s", context="c") != crypto.encrypt("s", context="c")


def test_a_sealed_secret_does_not_open_for_another_row() -> None:
    with pytest.raises(CannotDecrypt):
        crypto.decrypt(crypto.encrypt("s", context="account:1"), context="account:2")


def test_an_altered_secret_does_not_open() -> None:
    key_id, _, body = crypto.encrypt("secret", context="c").partition(".")
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[-1] ^= 1
    altered = f"{key_id}.{base64.urlsafe_b64encode(bytes(raw)).decode()}"

    with pytest.raises(CannotDecrypt):
        crypto.decrypt(altered, context="c")


@pytest.mark.parametrize("token", ["", "t1", "t1.", "t1.!!!", "t1.AAAA", "gone.AAAA"])
def test_invalid_text_does_not_open(token: str) -> None:
    with pytest.raises(CannotDecrypt):
        crypto.decrypt(token, context="c")


def test_a_new_key_in_front_seals_and_the_old_one_still_opens(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = {"old": OLD}
    before = crypto.encrypt("s", context="c")
    settings.ENCRYPTION_KEYS = {"new": NEW, "old": OLD}

    assert crypto.decrypt(before, context="c") == "s"
    assert crypto.encrypt("s", context="c").startswith("new.")
    settings.ENCRYPTION_KEYS = {"new": NEW}
    with pytest.raises(CannotDecrypt, match="'old'"):
        crypto.decrypt(before, context="c")
