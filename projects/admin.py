"""The console's pages of projects, apps, keys and customers; events and audit entries on the
customer page."""

from projects.customers.admin import customers, history_panel, panels
from projects.keys.admin import api_keys, platform_keys
from projects.tenants.admin import apps, projects

__all__ = ["api_keys", "apps", "customers", "platform_keys", "projects"]

panels.register(history_panel.PANEL, name="history", order=90)
