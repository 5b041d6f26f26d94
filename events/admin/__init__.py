"""The console's read-only pages about events and the audit trail."""

from events.admin import audit_entries, outbox_events

__all__ = ["audit_entries", "outbox_events"]
