"""The console's pages of features, facts, grants, credits, permissions and snapshots; decisions,
credits and reservations on the customer page."""

from entitlements.consumption import admin as reservations
from entitlements.credits.admin import credit_panel, credits
from entitlements.facts import admin as facts
from entitlements.features.admin import features
from entitlements.free_tier import admin as free_tier
from entitlements.grants.admin import customer_panel, grants
from entitlements.permissions import admin as permissions
from entitlements.snapshots import admin as signing_keys
from projects.customers.admin import panels

__all__ = ["credits", "facts", "features", "free_tier", "grants", "permissions", "signing_keys"]

panels.register(customer_panel.PANEL, name="access", order=10)
panels.register(reservations.PANEL, name="reservations", order=11)
panels.register(credit_panel.PANEL, name="credits", order=12)
panels.register_action(credits.ACT, order=30)
