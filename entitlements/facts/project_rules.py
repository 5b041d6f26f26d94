"""The rules of a project that apply to every customer: its features, its free tier, and its
permission map.

A process keeps them. They are used again for as long as the version of the rules, which every
change raises, is the same; the version is read each time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from entitlements.decisions.selectors import facts as fact_rows
from entitlements.decisions.selectors import free_tier
from entitlements.facts import permission_notices
from entitlements.facts.permission_notices import PermissionNames
from entitlements.features.selectors import features, rules_version
from entitlements.models import Fact, FreeTierEntry
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision
from entitlements.resolution.facts import FeatureDefinition

MAX_PROJECTS = 1_000
"""Projects whose rules a process keeps; at the next one it drops all of them."""

_kept: dict[str, "tuple[int, ProjectRules]"] = {}
"""By project, the version of its rules and these."""


@dataclass(frozen=True, slots=True)
class ProjectRules:
    """``definitions``: of the features that are not archived, by code. ``permission_names``: None
    without a permission map."""

    definitions: Mapping[str, FeatureDefinition]
    free_tier: Sequence[FreeTierEntry]
    permission_names: PermissionNames | None

    def between(self, since: datetime, until: datetime) -> "ProjectRules":
        """The rules with the free tier of this span of time alone."""
        entries = [
            row
            for row in self.free_tier
            if row.starts_at <= until and (row.ends_at is None or row.ends_at > since)
        ]
        return replace(self, free_tier=entries)

    def decisions(
        self, rows: Sequence[Fact], *, at: datetime, version: int, extra_rows: Sequence[Fact] = ()
    ) -> dict[str, Decision]:
        """Every decision, also about features that only ``extra_rows`` name."""
        named_features = free_tier.definitions(self.free_tier) | fact_rows.definitions(
            [*rows, *extra_rows]
        )
        facts = [*fact_rows.to_decision_facts(rows), *free_tier.facts(self.free_tier, at=at)]
        return resolution.resolve_all(
            facts, features={**self.definitions, **named_features}, at=at, version=version
        )


def read(project_id: str) -> ProjectRules:
    """The project's rules now, with the whole history of its free tier. One query, or four when the
    version is new to this process.

    Read them under a customer's lock: a change of the rules rechecks the customer after it.
    """
    version = rules_version.read(project_id)
    kept_version, rules = _kept.get(project_id, (None, None))
    if rules is None or kept_version != version:
        rules = ProjectRules(
            features.live_definitions(project=project_id),
            free_tier.history(project=project_id),
            permission_notices.map_of(project_id),
        )
        # Only what is committed: a version that is rolled back is given again to other rules.
        transaction.on_commit(lambda: _keep(project_id, version, rules), robust=True)
    return rules


def _keep(project_id: str, version: int, rules: ProjectRules) -> None:
    if project_id not in _kept and len(_kept) >= MAX_PROJECTS:
        _kept.clear()
    _kept[project_id] = version, rules
