"""The console's pages of this app."""

from delivery.bus import admin as bus
from delivery.mail import admin as mail
from delivery.webhooks import admin as webhooks

__all__ = ["bus", "mail", "webhooks"]
