"""A project whose users may use a metered feature."""

from django.utils import timezone

from entitlements.free_tier import service as free_tier
from entitlements.models.feature import FeatureKind
from projects.models import Project
from tests.factories.entitlements import FeatureFactory
from tests.factories.projects import key_of
from tests.factories.usage import MeterFactory


def key_with_limit(project: Project, *, limit: int) -> str:
    """A key of the project, each of whose users may use ``api`` so many times a month."""
    meter = MeterFactory.create(project=project, code="calls")
    FeatureFactory.create(
        project=project, code="api", kind=FeatureKind.METERED, meter=meter, period="month"
    )
    free_tier.set_feature(
        project=project, code="api", value=limit, actor="ada", reason="All", at=timezone.now()
    )
    return key_of(project)
