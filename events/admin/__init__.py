"""The console's pages about what happened: read-only, for ever."""

from events.admin import audit_entries, outbox_events

__all__ = ["audit_entries", "outbox_events"]
