"""The console's pages about tenants, their keys and their customers."""

from projects.admin import api_keys, apps, customers, platform_keys, projects

__all__ = ["api_keys", "apps", "customers", "platform_keys", "projects"]
