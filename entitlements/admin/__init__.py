"""The console's pages about what may be done, and why."""

from entitlements.admin import credits, facts, free_tier, grants, signing_keys
from entitlements.features.admin import features

__all__ = ["credits", "facts", "features", "free_tier", "grants", "signing_keys"]
