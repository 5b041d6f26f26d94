"""What somebody would have who had bought this: facts of things that are not there.

Products and prices are sold by the app above, which registers who knows what they would give.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common.errors import Invalid
from entitlements.models import Feature
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.decision import Fact, Reason
from entitlements.resolution.kinds import KINDS
from projects.models import Project


class Resolver(Protocol):
    """Who knows what would follow from something that is sold."""

    def __call__(self, project: Project, assumed_id: str, /, *, at: datetime) -> list[Fact]:
        """The facts, from ``at`` on. Raises Invalid for what the project does not have."""


_resolvers: dict[str, Resolver] = {}


@dataclass(frozen=True, slots=True)
class Assumption:
    """A product or a price by its id, or a feature by its code with a value."""

    id: str = ""
    feature: str = ""
    value: Any = True


def register(prefix: str, resolver: Resolver) -> None:
    """From now on ids that begin with ``prefix`` and ``_`` can be assumed."""
    _resolvers[prefix] = resolver


def resolver(assumed_id: str) -> Resolver:
    """Who knows what follows from this. Raises Invalid."""
    found = _resolvers.get(assumed_id.partition("_")[0])
    if found is None:
        raise Invalid("Assume a product (prod_…), a price (price_…) or a grant.", field="assume")
    return found


def source_id(name: str) -> str:
    """How what is assumed is named among the sources of an answer."""
    return f"assumed:{name}"


def granted(assumption: Assumption, known: Mapping[str, Feature], *, at: datetime) -> Fact:
    """As if a person had granted it. Raises Invalid, as the grant would."""
    feature = known.get(assumption.feature)
    if feature is None or feature.archived_at is not None:
        raise Invalid(f"No feature {assumption.feature} can be granted.", field="assume")
    if not KINDS[feature.kind].accepts(assumption.value):
        raise Invalid(f"{feature.code}: {KINDS[feature.kind].rule}", field="assume")
    return Fact(
        source_type=SourceType.GRANT,
        source_id=source_id(feature.code),
        effect=Effect.ALLOW,
        feature=feature.code,
        value=assumption.value,
        reason=Reason.GRANTED,
        starts_at=at,
    )
