from events.models.audit_entry import AuditEntry
from events.models.outbox_event import OutboxEvent

__all__ = ["AuditEntry", "OutboxEvent"]
