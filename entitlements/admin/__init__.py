"""The console's pages about what may be done, and why."""

from entitlements.admin import facts, features, grants, signing_keys

__all__ = ["facts", "features", "grants", "signing_keys"]
