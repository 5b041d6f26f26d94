"""What a key may do: a closed list of scopes, ``noun:verb``."""

from django.db import models


class KeyScope(models.TextChoices):
    PROJECT_READ = "project:read"
    PROJECT_WRITE = "project:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    CATALOG_READ = "catalog:read"
    CATALOG_WRITE = "catalog:write"
    CHECKOUT_READ = "checkout:read"
    CHECKOUT_WRITE = "checkout:write"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    SUBSCRIPTIONS_READ = "subscriptions:read"
    SUBSCRIPTIONS_WRITE = "subscriptions:write"
    INVOICES_READ = "invoices:read"
    PORTAL_READ = "portal:read"
    PORTAL_WRITE = "portal:write"
    ENTITLEMENTS_READ = "entitlements:read"
    USAGE_READ = "usage:read"
    USAGE_WRITE = "usage:write"
    CREDITS_READ = "credits:read"
    CREDITS_WRITE = "credits:write"
    EVENTS_READ = "events:read"
    METRICS_READ = "metrics:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    ADMIN_READ = "admin:read"
    ADMIN_GRANT = "admin:grant"
    ADMIN_RECONCILE = "admin:reconcile"


ALL_SCOPES: list[str] = sorted(KeyScope.values)
PROJECT_ONLY_SCOPES = frozenset(
    {
        KeyScope.PROJECT_WRITE,
        KeyScope.CATALOG_WRITE,
        KeyScope.WEBHOOKS_WRITE,
        KeyScope.METRICS_READ,
        KeyScope.ADMIN_GRANT,
        KeyScope.ADMIN_RECONCILE,
    }
)
"""Scopes over what all apps of a project share: settings, catalog, endpoints, metrics, manual
grants, reconciliation."""
APP_SCOPES: list[str] = sorted(set(KeyScope.values) - PROJECT_ONLY_SCOPES)
"""Scopes that an app's key can have."""
PLATFORM = "platform"
"""Scope of platform keys; never given to a project's key."""
USER = "user"
"""Scope of signed-in users; never given to a key."""
PUBLIC = "public"
"""Scope of what a project shows to everybody; never given to a key."""
