"""The console's pages of features, facts, grants, credits, permissions and snapshots."""

from entitlements.credits.admin import credits
from entitlements.facts import admin as facts
from entitlements.features.admin import features
from entitlements.free_tier import admin as free_tier
from entitlements.grants.admin import grants
from entitlements.permissions import admin as permissions
from entitlements.snapshots import admin as signing_keys

__all__ = ["credits", "facts", "features", "free_tier", "grants", "permissions", "signing_keys"]
