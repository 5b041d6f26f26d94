"""Deliveries and their attempts."""

from django.db.models import Exists, Max, OuterRef

from common.errors import NotFound
from common.models import ProjectQuerySet
from delivery.models import DeliveryState, WebhookAttempt, WebhookDelivery
from projects.models import Project

UNFINISHED = (DeliveryState.WAITING, DeliveryState.BEHIND)


def of(*, project: Project | str, endpoint_id: str) -> ProjectQuerySet[WebhookDelivery]:
    """The deliveries to an endpoint of the project."""
    return WebhookDelivery.objects.for_project(project).filter(endpoint_id=endpoint_id)


def of_event(*, project: Project | str, event_id: str) -> ProjectQuerySet[WebhookDelivery]:
    """The deliveries of an event to the project's endpoints."""
    return WebhookDelivery.objects.for_project(project).filter(event_id=event_id)


def get(*, project: Project | str, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
    """One delivery. Raises NotFound."""
    row = of(project=project, endpoint_id=endpoint_id).filter(pk=delivery_id).first()
    if row is None:
        raise NotFound
    return row


def lock(*, project_id: str, delivery_id: str) -> WebhookDelivery | None:
    """The delivery, locked until the transaction ends."""
    rows = WebhookDelivery.objects.for_project(project_id).select_for_update()
    return rows.filter(pk=delivery_id).first()


def attempts_of(row: WebhookDelivery) -> list[WebhookAttempt]:
    """The attempts of a delivery, oldest first."""
    rows = WebhookAttempt.objects.for_project(row.project_id).filter(delivery_id=row.pk)
    return list(rows.order_by("number", "pk"))


def failed_page(
    *, project_id: str, endpoint_id: str, after: int, until: int, limit: int
) -> list[tuple[int, str, str, str]]:
    """Events behind a position whose newest delivery has failed, in order: position, id, type and
    customer."""
    newer = of(project=project_id, endpoint_id=endpoint_id).filter(
        event_id=OuterRef("event_id"), pk__gt=OuterRef("pk")
    )
    rows = of(project=project_id, endpoint_id=endpoint_id).filter(
        ~Exists(newer), state=DeliveryState.FAILED, position__gt=after, position__lte=until
    )
    values = rows.values_list("position", "event_id", "event_type", "customer_id")
    return list(values.order_by("position").distinct("position")[:limit])


def last_position(*, project_id: str, endpoint_id: str) -> int:
    """The highest position of a delivery to the endpoint; 0 without any."""
    rows = of(project=project_id, endpoint_id=endpoint_id)
    return rows.aggregate(last=Max("position"))["last"] or 0
