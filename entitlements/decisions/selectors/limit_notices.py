"""The last notice about each limit."""

from collections.abc import Collection

from entitlements.models import LimitNotice


def find_many(
    *, project_id: str, customer_ids: Collection[str], feature_ids: Collection[str]
) -> dict[tuple[str, str], LimitNotice]:
    """The last notice by customer and feature id; absent without one."""
    rows = LimitNotice.objects.for_project(project_id).filter(
        customer_id__in=customer_ids, feature_id__in=feature_ids
    )
    return {(row.customer_id, row.feature_id): row for row in rows}
