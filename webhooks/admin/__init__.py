"""The console's page of inbound events."""

from webhooks.admin import inbound_events

__all__ = ["inbound_events"]
