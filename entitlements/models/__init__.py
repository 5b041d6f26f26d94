"""Tables of features, facts, grants, credits, reservations and permissions."""

from entitlements.models.credit_account import CreditAccount
from entitlements.models.credit_grant import CreditGrant
from entitlements.models.credit_transaction import CreditEntry, CreditTransaction
from entitlements.models.fact import Fact
from entitlements.models.feature import Feature
from entitlements.models.free_tier import FreeTierEntry
from entitlements.models.grant import Grant
from entitlements.models.limit_notice import LimitNotice
from entitlements.models.permission_map import PermissionMap
from entitlements.models.recheck import Recheck
from entitlements.models.reservation import Reservation
from entitlements.models.rules import Rules
from entitlements.models.signing_key import SigningKey
from entitlements.models.snapshot import Snapshot
from entitlements.models.user_permissions import UserPermissions

__all__ = [
    "CreditAccount",
    "CreditEntry",
    "CreditGrant",
    "CreditTransaction",
    "Fact",
    "Feature",
    "FreeTierEntry",
    "Grant",
    "LimitNotice",
    "PermissionMap",
    "Recheck",
    "Reservation",
    "Rules",
    "SigningKey",
    "Snapshot",
    "UserPermissions",
]
