"""The facts that follow from assumptions."""

from collections.abc import Sequence
from datetime import datetime

from entitlements.decisions import assumptions
from entitlements.decisions.assumptions import Assumption
from entitlements.features.selectors import features
from entitlements.resolution.facts import DecisionFact
from projects.models import Project


def facts(*, project: Project, assumed: Sequence[Assumption], at: datetime) -> list[DecisionFact]:
    """The facts as if everything had been bought or granted at ``at``. Raises Invalid."""
    codes = [assumption.feature for assumption in assumed if assumption.feature]
    features_by_code = features.find_many(project=project, codes=codes) if codes else {}
    assumed_facts: list[DecisionFact] = []
    for assumption in assumed:
        if assumption.feature:
            assumed_facts.append(
                assumptions.build_granted_fact(assumption, features_by_code, at=at)
            )
        else:
            assumed_facts += assumptions.find_resolver(assumption.object_id)(
                project, assumption.object_id, at=at
            )
    return assumed_facts
