"""The shape of each event's ``data``, which the app that records the event registers at start."""

from collections.abc import Mapping
from typing import Any

from events.catalog import EventType

_bodies: dict[EventType, type] = {}


def register(bodies: Mapping[EventType, type]) -> None:
    """The ``data`` of these events has the shape of these ``TypedDict`` classes.

    Raises ValueError for an event type that has a shape already.
    """
    for event_type, body in bodies.items():
        if event_type in _bodies:
            raise ValueError(f"{event_type} has a body already.")
        _bodies[event_type] = body


def body_of(event_type: EventType) -> Any:
    """The ``TypedDict`` of this event's ``data``. Raises KeyError for an event without one."""
    return _bodies[event_type]
