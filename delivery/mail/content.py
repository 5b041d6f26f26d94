"""What a notification says, before it is written in a language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.money import Money

Value = str | int | Money | datetime
"""A fact of a message; each language writes numbers, amounts and dates in its own way."""
Facts = Mapping[str, Value | list[Mapping[str, Value]]]
"""Facts by name; a list is of lines, such as those of an invoice."""


class Overtaken(Exception):
    """What the message would say is no longer true. ``code`` says why, for operators."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event as a kind sees it: ``data`` and ``previous`` are its bodies."""

    subject: str
    data: Mapping[str, Any]
    previous: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotificationFacts:
    """A notification that is about to be sent. ``event`` is None if the clock caused it."""

    project_id: str
    subject: str
    source: str
    event: EventFacts | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """``facts`` are what the template may say; ``link`` is the address behind its button."""

    facts: Facts
    link: str = ""


def data_of(facts: NotificationFacts) -> Mapping[str, Any]:
    """The body of the event. Raises Overtaken if it is no longer kept."""
    if facts.event is None:
        raise Overtaken("event_gone")
    return facts.event.data


def amount(body: Mapping[str, Any]) -> Money:
    """An amount of an event's body."""
    return Money(body["amount"], body["currency"])
