"""Projects, across tenants."""

from projects.models import Project


def oldest_ids(*, limit: int) -> list[str]:
    """The ids of the first projects that were registered."""
    return list(Project.objects.order_by("pk").values_list("pk", flat=True)[:limit])
