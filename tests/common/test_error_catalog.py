"""The error catalog has one entry for each code."""

from common.api import error_catalog
from common.errors import Conflict, DomainError


def test_each_code_has_one_entry_and_a_title() -> None:
    entries = error_catalog.entries()

    codes = [entry.code for entry in entries]
    assert len(codes) == len(set(codes))
    assert {"not-found", "invalid-key", "method-not-allowed", "body-too-large"} <= set(codes)
    assert all(entry.title.endswith(".") for entry in entries)
    assert all(400 <= entry.status < 600 for entry in entries)
    assert entries == sorted(entries)


def test_a_subclass_without_a_code_of_its_own_adds_no_entry() -> None:
    codes = {entry.code for entry in error_catalog.entries()}
    assert Conflict.code in codes
    assert DomainError.code in codes
