"""Create meters."""

from datetime import UTC, datetime

import factory

from tests.factories.projects import ProjectFactory
from usage.models import Meter
from usage.models.meter import Aggregation

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


class MeterFactory(factory.django.DjangoModelFactory[Meter]):
    class Meta:
        model = Meter

    project = factory.SubFactory(ProjectFactory)
    code = factory.Sequence(lambda number: f"meter-{number}")
    name = factory.LazyAttribute(lambda row: row.code.title())
    aggregation = Aggregation.SUM
