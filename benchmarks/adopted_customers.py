"""``python -m benchmarks.adopted_customers PROJECT …``: import the Stripe customers of projects
with the product's own import. Their user ids are in the metadata."""

import sys
from collections.abc import Sequence

import django


def adopt(project_ids: Sequence[str]) -> None:
    from django.utils import timezone  # noqa: PLC0415  # Django is set up only now

    from billing.models.sync_object import ObjectKind  # noqa: PLC0415
    from billing.operations import imports  # noqa: PLC0415
    from billing.operations.imports import ImportRun  # noqa: PLC0415
    from projects.models import Project  # noqa: PLC0415

    for project in Project.objects.filter(pk__in=project_ids):
        kind, at = ObjectKind.CUSTOMER, timezone.now()
        imports.import_objects(ImportRun(project=project, kind=kind, at=at, user_id_key="user_id"))


if __name__ == "__main__":
    django.setup()
    adopt(sys.argv[1:])
