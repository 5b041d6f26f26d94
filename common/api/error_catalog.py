"""Every refusal that a caller can meet, gathered from where each is declared."""

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import cleandoc

from rest_framework.exceptions import APIException

from common.api.django_refusals import TITLES
from common.api.problems import CODES
from common.errors import DomainError


@dataclass(frozen=True, slots=True, order=True)
class ErrorCode:
    """One code, as a caller sees it."""

    status: int
    code: str
    title: str
    meaning: str


def entries() -> list[ErrorCode]:
    """One entry per code, by status and code. Only of modules that have been imported."""
    found = {entry.code: entry for entry in (*_of_django(), *_of_rest_framework())}
    for error in _descendants(DomainError):
        if error is DomainError:
            continue
        entry = ErrorCode(error.status, error.code, error.title, _meaning(error))
        known = found.get(error.code)
        if known is None or (entry.meaning and not known.meaning):
            found[error.code] = entry
    return sorted(found.values())


def _descendants(error: type[DomainError]) -> Iterator[type[DomainError]]:
    yield error
    for child in error.__subclasses__():
        yield from _descendants(child)


def _meaning(error: type) -> str:
    """What the class says about itself, in one line; nothing when it says nothing."""
    own = error.__dict__.get("__doc__") or ""
    return " ".join(cleandoc(own).replace("``", "`").split())


def _of_rest_framework() -> Iterator[ErrorCode]:
    for error, (code, title) in CODES.items():
        yield ErrorCode(_status(error), code, title, "")


def _status(error: type[APIException]) -> int:
    return int(error.status_code)


def _of_django() -> Iterator[ErrorCode]:
    for status, (code, title) in TITLES.items():
        yield ErrorCode(status, code, title, "")
