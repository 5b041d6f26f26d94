"""The tables of the log and of the audit trail."""

from events.models.audit_entry import AuditEntry
from events.models.heads import CustomerHead, LogHead, ProjectHead
from events.models.logged_event import LoggedEvent
from events.models.outbox_event import OutboxEvent
from events.models.pending_event import PendingEvent

__all__ = [
    "AuditEntry",
    "CustomerHead",
    "LogHead",
    "LoggedEvent",
    "OutboxEvent",
    "PendingEvent",
    "ProjectHead",
]
