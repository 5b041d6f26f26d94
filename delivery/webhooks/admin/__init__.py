"""The console's pages of outgoing webhooks."""

from delivery.webhooks.admin import deliveries, endpoints

__all__ = ["deliveries", "endpoints"]
