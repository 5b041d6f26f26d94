"""The console's pages about what may be done, and why."""

from entitlements.admin import signing_keys
from entitlements.credits.admin import credits
from entitlements.facts import admin as facts
from entitlements.features.admin import features
from entitlements.free_tier import admin as free_tier
from entitlements.grants.admin import grants

__all__ = ["credits", "facts", "features", "free_tier", "grants", "signing_keys"]
