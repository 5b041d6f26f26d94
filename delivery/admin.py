"""The console's pages of this app, and messages on the customer page."""

from delivery.bus import admin as bus
from delivery.inbound import admin as inbound
from delivery.mail import admin as mail
from delivery.mail.admin import customer_panel
from delivery.signals import admin as signals
from delivery.webhooks import admin as webhooks
from projects.customers.admin import panels

__all__ = ["bus", "inbound", "mail", "signals", "webhooks"]

panels.register(customer_panel.PANEL, name="messages", order=80)
