"""The console's pages about tenants, their keys and their customers."""

from projects.customers.admin import customers
from projects.keys.admin import api_keys, platform_keys
from projects.tenants.admin import apps, projects

__all__ = ["api_keys", "apps", "customers", "platform_keys", "projects"]
