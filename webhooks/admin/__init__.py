"""The console's page about what Stripe told us."""

from webhooks.admin import inbound_events

__all__ = ["inbound_events"]
