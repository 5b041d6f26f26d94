"""The console's pages of this app."""

from delivery.bus import admin as bus
from delivery.inbound import admin as inbound
from delivery.mail import admin as mail
from delivery.signals import admin as signals
from delivery.webhooks import admin as webhooks

__all__ = ["bus", "inbound", "mail", "signals", "webhooks"]
