"""Catalog of all error codes, collected from their declarations."""

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import cleandoc

from rest_framework.exceptions import APIException

from common.api.django_refusals import TITLES
from common.api.problems import CODES
from common.errors import DomainError


@dataclass(frozen=True, slots=True, order=True)
class ErrorCode:
    """One error code as callers see it."""

    status: int
    code: str
    title: str
    meaning: str


def entries() -> list[ErrorCode]:
    """One entry per code, ordered by status and code. Covers imported modules only."""
    entries_by_code = {entry.code: entry for entry in (*_of_django(), *_of_rest_framework())}
    for error in _descendants(DomainError):
        if error is DomainError:
            continue
        entry = ErrorCode(error.status, error.code, error.title, _meaning(error))
        existing = entries_by_code.get(error.code)
        if existing is None or (entry.meaning and not existing.meaning):
            entries_by_code[error.code] = entry
    return sorted(entries_by_code.values())


def _descendants(error: type[DomainError]) -> Iterator[type[DomainError]]:
    yield error
    for child in error.__subclasses__():
        yield from _descendants(child)


def _meaning(error: type) -> str:
    """The docstring of the class in one line; empty without one."""
    docstring = error.__dict__.get("__doc__") or ""
    return " ".join(cleandoc(docstring).replace("``", "`").split())


def _of_rest_framework() -> Iterator[ErrorCode]:
    for error, (code, title) in CODES.items():
        yield ErrorCode(_status(error), code, title, "")


def _status(error: type[APIException]) -> int:
    return int(error.status_code)


def _of_django() -> Iterator[ErrorCode]:
    for status, (code, title) in TITLES.items():
        yield ErrorCode(status, code, title, "")
