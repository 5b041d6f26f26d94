from entitlements.models.fact import Fact
from entitlements.models.feature import Feature
from entitlements.models.grant import Grant
from entitlements.models.snapshot import Snapshot

__all__ = ["Fact", "Feature", "Grant", "Snapshot"]
