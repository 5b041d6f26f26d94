"""Replays of endpoints."""

from common.errors import NotFound
from common.models import ProjectQuerySet
from delivery.models import ReplayState, WebhookReplay
from projects.models import Project


def of(*, project: Project | str, endpoint_id: str) -> ProjectQuerySet[WebhookReplay]:
    """The replays of an endpoint of the project."""
    return WebhookReplay.objects.for_project(project).filter(endpoint_id=endpoint_id)


def get(*, project: Project | str, replay_id: str) -> WebhookReplay:
    """One replay of the project. Raises NotFound."""
    rows = WebhookReplay.objects.for_project(project).select_related("endpoint")
    row = rows.filter(pk=replay_id).first()
    if row is None:
        raise NotFound
    return row


def running(endpoint_ids: list[str]) -> list[WebhookReplay]:
    """The oldest running replay of each of these endpoints."""
    if not endpoint_ids:
        return []
    rows = WebhookReplay.objects.across_projects().filter(
        endpoint_id__in=endpoint_ids, state=ReplayState.RUNNING
    )
    return list(rows.order_by("endpoint_id", "pk").distinct("endpoint_id"))


def lock(*, project_id: str, replay_id: str) -> WebhookReplay | None:
    """The replay, locked until the transaction ends."""
    rows = WebhookReplay.objects.for_project(project_id).select_for_update()
    return rows.filter(pk=replay_id).first()
