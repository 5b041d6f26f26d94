"""The console's pages of inbound messages."""

from delivery.inbound.admin import inbound_settings, refusals

__all__ = ["inbound_settings", "refusals"]
