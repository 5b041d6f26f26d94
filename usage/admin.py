"""The console's pages of meters, and usage on the customer page."""

from projects.customers.admin import panels
from usage.meters import admin as meters
from usage.records import admin as customer_panel

__all__ = ["meters"]

panels.register(customer_panel.PANEL, name="usage", order=13)
