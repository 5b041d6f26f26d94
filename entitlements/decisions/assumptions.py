"""Facts that would follow from a purchase or a grant that does not exist.

The app above sells products and prices; it registers a resolver for each prefix of their ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common.errors import Invalid
from entitlements.models import Feature
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.facts import DecisionFact, Reason
from entitlements.resolution.kinds import KINDS
from projects.models import Project


class AssumptionResolver(Protocol):
    """Builds the facts that would follow from buying an object."""

    def __call__(self, project: Project, object_id: str, /, *, at: datetime) -> list[DecisionFact]:
        """The facts from ``at`` on. Raises Invalid for an object that the project does not have."""


_resolvers: dict[str, AssumptionResolver] = {}


@dataclass(frozen=True, slots=True)
class Assumption:
    """A product or price by ``object_id``, or a feature by its code with a value."""

    object_id: str = ""
    feature: str = ""
    value: Any = True


def register(prefix: str, resolver: AssumptionResolver) -> None:
    """Use this resolver for object ids that begin with ``prefix`` and ``_``."""
    _resolvers[prefix] = resolver


def find_resolver(object_id: str) -> AssumptionResolver:
    """The resolver for this object id. Raises Invalid."""
    resolver = _resolvers.get(object_id.partition("_")[0])
    if resolver is None:
        raise Invalid("Assume a product (prod_…), a price (price_…) or a grant.", field="assume")
    return resolver


def source_id(name: str) -> str:
    """The source id of an assumed fact in a decision's ``sources``."""
    return f"assumed:{name}"


def build_granted_fact(
    assumption: Assumption, features: Mapping[str, Feature], *, at: datetime
) -> DecisionFact:
    """The fact of a grant of this feature. Raises Invalid, as granting it would."""
    feature = features.get(assumption.feature)
    if feature is None or feature.archived_at is not None:
        raise Invalid(f"No feature {assumption.feature} can be granted.", field="assume")
    if not KINDS[feature.kind].accepts(assumption.value):
        raise Invalid(f"{feature.code}: {KINDS[feature.kind].rule}", field="assume")
    return DecisionFact(
        source_type=SourceType.GRANT,
        source_id=source_id(feature.code),
        effect=Effect.ALLOW,
        feature=feature.code,
        value=assumption.value,
        reason=Reason.GRANTED,
        starts_at=at,
    )
