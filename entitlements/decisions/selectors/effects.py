"""The change of decisions that one source's latest facts have made, from the append-only facts."""

from dataclasses import dataclass, replace
from datetime import datetime

from entitlements.decisions.selectors import facts as fact_rows
from entitlements.decisions.selectors import free_tier
from entitlements.features.selectors import features
from entitlements.models import Fact, Grant
from entitlements.models.fact import SourceType
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision
from entitlements.resolution.facts import Source


@dataclass(frozen=True, slots=True)
class DecisionChange:
    """The decision about one feature before and after a change of facts."""

    before: Decision
    after: Decision

    @property
    def is_change(self) -> bool:
        return replace(self.after, version=self.before.version) != self.before


def of_grant(*, grant: Grant, at: datetime) -> list[DecisionChange]:
    """For each feature of the grant, the change that creating or ending it has made."""
    source = Source(SourceType.GRANT, grant.pk)
    version = fact_rows.latest_version(customer=grant.customer, source=source)
    codes = [entry["feature"] for entry in grant.features]
    definitions = features.definitions(project=grant.project_id, codes=codes)
    free_tier_facts = free_tier.facts(free_tier.entries(project=grant.project_id, at=at), at=at)

    def decisions(as_of: int) -> dict[str, Decision]:
        rows: list[Fact] = fact_rows.current(customer=grant.customer, as_of=as_of)
        facts = [*fact_rows.to_decision_facts(rows), *free_tier_facts]
        return resolution.resolve_all(facts, features=definitions, at=at, version=as_of)

    before, after = decisions(version - 1), decisions(version)
    return [DecisionChange(before[code], after[code]) for code in after]
