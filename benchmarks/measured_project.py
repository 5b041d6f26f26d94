"""``python -m benchmarks.measured_project``: create the measured project with the product's code.

Prints its key and ids as JSON. `bulk_data` copies its one customer, the pattern.
"""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta

import django

CALLS_LIMIT = 10**12
FEATURES = (("sso", "boolean"), ("seats", "limit"), ("calls", "metered"))


@dataclass(frozen=True, slots=True)
class MeasuredProject:
    """Ids and API key of the measured project."""

    project: str
    key: str
    pattern: str


def create_project() -> MeasuredProject:
    """Register the project, define its features, and grant them all to its first customer."""
    from django.db import transaction  # noqa: PLC0415  # Django is set up only now
    from django.utils import timezone  # noqa: PLC0415

    from entitlements.decisions.fact_drafts import FactDraft  # noqa: PLC0415
    from entitlements.facts import service as facts  # noqa: PLC0415
    from entitlements.features import service as features  # noqa: PLC0415
    from entitlements.features.service import FeatureMetering, FeatureRequest  # noqa: PLC0415
    from entitlements.models.fact import SourceType  # noqa: PLC0415
    from entitlements.resolution.facts import Reason  # noqa: PLC0415
    from projects.customers import selectors as stored  # noqa: PLC0415
    from projects.customers import service as customers  # noqa: PLC0415
    from projects.tenants import projects  # noqa: PLC0415
    from usage.meters import service as meters  # noqa: PLC0415
    from usage.records import recording  # noqa: PLC0415
    from usage.records.recording import UsageEntry  # noqa: PLC0415

    now, actor = timezone.now(), "command"
    registered = projects.register(name="Bench", slug="bench", actor=actor, at=now)
    project = registered.project
    for code in ("calls", "events"):
        meters.create(project=project, code=code, name=code, aggregation="sum", actor=actor, at=now)
    rows = {
        code: features.create(
            project=project,
            request=FeatureRequest(
                code=code,
                name=code,
                kind=kind,
                metering=FeatureMetering(meter=code, period="month")
                if kind == "metered"
                else FeatureMetering(),
            ),
            actor=actor,
            at=now,
        )
        for code, kind in FEATURES
    }
    pattern = customers.create(project=project, user_id="pattern", at=now)
    claims = [
        FactDraft(feature_id=rows[code].pk, value=value, reason=Reason.ENTITLED, starts_at=now)
        for code, value in (("sso", True), ("seats", 5), ("calls", CALLS_LIMIT))
    ]
    with transaction.atomic():
        facts.replace(
            customer=stored.lock(project_id=project.pk, customer_id=pattern.pk),
            source_type=SourceType.SUBSCRIPTION,
            source_id="sub_01j9zc3k5v8e4w2t7x6y5q4r3s",
            drafts=claims,
            at=now,
        )
    entry = UsageEntry(user_id="pattern", meter="events", value=7, key="pattern")
    recording.record(project=project, entries=[entry], at=now)
    return MeasuredProject(project=project.pk, key=registered.secret, pattern=pattern.pk)


def create_partitions() -> None:
    """Create the partitions for usage records of last month and the next months."""
    from django.utils import timezone  # noqa: PLC0415

    from common import partitions  # noqa: PLC0415
    from usage.models.record import RECORD_MONTHS  # noqa: PLC0415

    for months in (1, 0):
        partitions.make(RECORD_MONTHS, at=timezone.now() - months * timedelta(days=31))


if __name__ == "__main__":
    django.setup()
    create_partitions()
    sys.stdout.write(json.dumps(asdict(create_project())))
