"""Create features, and facts about customers as sources state them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import factory
from django.db import transaction

from entitlements.decisions.fact_drafts import FactDraft
from entitlements.facts import service as facts
from entitlements.grants import service as grants
from entitlements.grants.service import FeatureGrantRequest
from entitlements.models import Feature, Grant
from entitlements.models.fact import SourceType
from entitlements.models.feature import FeatureKind
from entitlements.resolution.facts import Reason
from projects.customers import selectors as customers
from projects.models import Customer
from tests.factories.projects import ProjectFactory

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class FeatureFactory(factory.django.DjangoModelFactory[Feature]):
    class Meta:
        model = Feature

    project = factory.SubFactory(ProjectFactory)
    code = factory.Sequence(lambda number: f"feature-{number}")
    name = factory.LazyAttribute(lambda row: row.code.title())
    kind = FeatureKind.BOOLEAN


class LimitFactory(FeatureFactory):
    code = factory.Sequence(lambda number: f"limit-{number}")
    kind = FeatureKind.LIMIT
    unit = "seats"


def draft_fact(feature: Feature, value: Any = True, **kwargs: Any) -> FactDraft:
    """A fact of an entitled customer that holds from :data:`NOW` on; keywords override fields."""
    return FactDraft(
        feature_id=feature.pk,
        value=value,
        **{"reason": Reason.ENTITLED, "starts_at": NOW, **kwargs},
    )


def state(
    customer: Customer,
    *fact_drafts: FactDraft,
    source: str = "sub_1",
    source_type: SourceType = SourceType.SUBSCRIPTION,
    at: datetime = NOW,
) -> bool:
    """A source states exactly these facts, as billing does: under the customer's lock."""
    with transaction.atomic():
        locked = customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        return facts.replace(
            customer=locked, source_type=source_type, source_id=source, drafts=fact_drafts, at=at
        )


def grant(
    customer: Customer, *features: Feature | tuple[Feature, Any], at: datetime = NOW, **kwargs: Any
) -> Grant:
    """A grant by an operator, for a reason."""
    named: Sequence[tuple[Feature, Any]] = [
        each if isinstance(each, tuple) else (each, True) for each in features
    ]
    actor = kwargs.pop("actor", "operator:ada")
    request = FeatureGrantRequest(features=named, **{"reason": "Goodwill.", **kwargs})
    return grants.grant(customer=customer, request=request, actor=actor, at=at)
