"""Signed requests: ``POST /api/v1/events/inbound``, the Standard Webhooks way."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from common import crypto, inserts, standard_webhooks
from common.standard_webhooks import WebhookUnverified
from delivery.inbound import selectors, users
from delivery.inbound.user_messages import UserMessage
from delivery.inbound.users import MessageResult
from delivery.models import InboxEntry
from projects.errors import ProjectSuspended
from projects.models import Project
from webhooks.errors import SignatureRefused

CONSUMER = "inbound-http"
MAX_BODY = 64 * 1024
"""Bytes; a user is described in less than one of them."""
_NO_KEY = bytes(standard_webhooks.NEW_SECRET_BYTES)
"""Verified against if there is no secret, so that it takes the same time. Never accepted."""


def verify(*, project_id: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Project:
    """The project with this id, whose secret has signed the body.

    Raises SignatureRefused, alike for a project that does not exist or has no secret, and
    ProjectSuspended.
    """
    secrets = selectors.live_secrets(project_id, at=at)
    keys = [
        standard_webhooks.parse_secret(crypto.decrypt(row.secret, context=row.secret_context))
        for row in secrets
    ]
    try:
        standard_webhooks.verify(keys or [_NO_KEY], headers, body, now=at)
    except WebhookUnverified as error:
        raise _refusal() from error
    project = Project.objects.filter(pk=project_id).first() if secrets else None
    if project is None:
        raise _refusal()
    if project.suspended_at is not None:
        raise ProjectSuspended
    return project


def accept(
    *, project: Project, webhook_id: str, message: UserMessage, at: datetime
) -> MessageResult:
    """Apply a verified message once. Raises what :func:`delivery.inbound.users.apply` raises: then
    the same message can be sent again."""
    digest = hashlib.sha256(webhook_id.encode()).hexdigest()
    row = InboxEntry(consumer=CONSUMER, message_id=f"{project.pk}:{digest}", accepted_at=at)
    with transaction.atomic():
        if not inserts.insert(row):
            return MessageResult.DUPLICATE
        return users.apply(project=project, message=message, at=at)


def _refusal() -> SignatureRefused:
    return SignatureRefused("Check the address, the signing secret and the clock.")
