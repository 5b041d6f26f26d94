from entitlements.models.fact import Fact
from entitlements.models.feature import Feature
from entitlements.models.free_tier import FreeTierEntry
from entitlements.models.grant import Grant
from entitlements.models.reservation import Reservation
from entitlements.models.rules import Rules
from entitlements.models.signing_key import SigningKey
from entitlements.models.snapshot import Snapshot

__all__ = [
    "Fact",
    "Feature",
    "FreeTierEntry",
    "Grant",
    "Reservation",
    "Rules",
    "SigningKey",
    "Snapshot",
]
