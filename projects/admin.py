"""The console's pages of projects, apps, keys and customers."""

from projects.customers.admin import customers
from projects.keys.admin import api_keys, platform_keys
from projects.tenants.admin import apps, projects

__all__ = ["api_keys", "apps", "customers", "platform_keys", "projects"]
