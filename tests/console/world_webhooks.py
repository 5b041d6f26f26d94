"""Rows of the console's pages about webhooks."""

from datetime import datetime

from delivery.models import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookReplay,
)
from delivery.webhooks import secrets
from projects.models import Project

PHASES = {"name": 1.5, "connect": 2.0, "tls": 3.0, "first_byte": 20.0, "total": 21.0}


def create_endpoint(project: Project, name: str, now: datetime) -> WebhookEndpoint:
    row = WebhookEndpoint.objects.for_project(project).create(
        url=f"https://hook.example.com/{name}",
        description=name,
        position=0,
        failing_since=now,
        last_problem=f"{name} does not answer.",
    )
    secrets.add(row, at=now)
    return row


def create_delivery(
    endpoint: WebhookEndpoint, name: str, number: int, now: datetime
) -> WebhookDelivery:
    """A failed delivery, with an attempt and a replay beside it."""
    project_id = endpoint.project_id
    row = WebhookDelivery.objects.for_project(project_id).create(
        endpoint=endpoint,
        kind="live",
        event_id=f"evt_{number}",
        event_type="customer.updated",
        position=number + 1,
        state=(DeliveryState.FAILED, DeliveryState.DONE)[number % 2],
        reason="exhausted" if number % 2 == 0 else "",
        attempts=1,
        due_at=now,
        finished_at=now,
    )
    WebhookAttempt.objects.for_project(project_id).create(
        delivery_id=row.pk,
        endpoint_id=endpoint.pk,
        number=1,
        sent_at=now,
        url=endpoint.url,
        address="203.0.113.7",
        status=500,
        sentence=f"{name} answered 500."[:300],
        is_reused=False,
        phases=PHASES,
        request_headers={"content-type": "application/json"},
        body_bytes=512,
        body_digest="0123456789abcdef",
        response_headers={"x-note": name},
        response_body=name.encode(),
        is_cut=False,
    )
    WebhookReplay.objects.for_project(project_id).create(
        endpoint=endpoint,
        since=0,
        until=number + 1,
        position=number + 1,
        state="completed",
        actor="operator:ada",
        created_at=now,
    )
    return row
