"""What one source's last word has changed for a customer, read from the append-only facts."""

from dataclasses import dataclass, replace
from datetime import datetime

from entitlements.decisions.selectors import facts as stored
from entitlements.decisions.selectors import free_tier
from entitlements.features.selectors import features
from entitlements.models import Fact, Grant
from entitlements.models.fact import SourceType
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision, Source


@dataclass(frozen=True, slots=True)
class Effect:
    """The decision about one feature without, and with, what was said last."""

    before: Decision
    after: Decision

    @property
    def is_change(self) -> bool:
        return replace(self.after, version=self.before.version) != self.before


def of_grant(*, grant: Grant, at: datetime) -> list[Effect]:
    """For each feature that the grant names, what making or ending it has changed."""
    source = Source(SourceType.GRANT, grant.pk)
    version = stored.latest_version(customer=grant.customer, source=source)
    codes = [each["feature"] for each in grant.features]
    defined = features.definitions(project=grant.project_id, codes=codes)
    everybody = free_tier.facts(free_tier.entries(project=grant.project_id, at=at), at=at)

    def decisions(as_of: int) -> dict[str, Decision]:
        rows: list[Fact] = stored.current(customer=grant.customer, as_of=as_of)
        known = [*stored.known(rows), *everybody]
        return resolution.resolve_all(known, features=defined, at=at, version=as_of)

    before, after = decisions(version - 1), decisions(version)
    return [Effect(before[code], after[code]) for code in after]
