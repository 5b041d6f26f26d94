"""The events that a project can receive."""

from events.catalog.event_types import EventType, matching

__all__ = ["EventType", "matching"]
