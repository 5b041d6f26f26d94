"""The facts that would follow from what is assumed."""

from collections.abc import Sequence
from datetime import datetime

from entitlements.decisions import assumptions
from entitlements.decisions.assumptions import Assumption
from entitlements.features.selectors import features
from entitlements.resolution.decision import Fact
from projects.models import Project


def facts(*, project: Project, assumed: Sequence[Assumption], at: datetime) -> list[Fact]:
    """As if all of it had been bought, or granted, at that moment. Raises Invalid."""
    codes = [each.feature for each in assumed if each.feature]
    known = features.find_many(project=project, codes=codes) if codes else {}
    found: list[Fact] = []
    for each in assumed:
        if each.feature:
            found.append(assumptions.granted(each, known, at=at))
        else:
            found += assumptions.resolver(each.id)(project, each.id, at=at)
    return found
