"""Signed requests: ``POST /api/v1/events/inbound``, the Standard Webhooks way."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from common import crypto, inserts, standard_webhooks
from common.standard_webhooks import WebhookUnverified
from delivery.inbound import messages, selectors, users
from delivery.inbound.messages import UserMessageSerializer
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


def receive(
    *, project_id: str, headers: Mapping[str, str], body: bytes, at: datetime
) -> MessageResult:
    """Verify the message, apply it once, and say what became of it.

    Raises SignatureRefused, also for a project that does not exist or has no secret,
    ProjectSuspended, REST framework's errors for a body that is no message, and what
    :func:`delivery.inbound.users.apply` raises: then the same message can be sent again.
    """
    project = _verify(project_id, headers, body, at)
    checked = messages.validate(messages.decode(body), UserMessageSerializer)
    if checked is None:
        return MessageResult.IGNORED
    with transaction.atomic():
        if not inserts.insert(_inbox_entry(project, headers[standard_webhooks.ID], at)):
            return MessageResult.DUPLICATE
        return users.apply(project=project, message=messages.build(checked), at=at)


def _verify(project_id: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Project:
    """The project whose secret has signed the body. All refusals are alike."""
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


def _refusal() -> SignatureRefused:
    return SignatureRefused("Check the address, the signing secret and the clock.")


def _inbox_entry(project: Project, webhook_id: str, at: datetime) -> InboxEntry:
    digest = hashlib.sha256(webhook_id.encode()).hexdigest()
    return InboxEntry(consumer=CONSUMER, message_id=f"{project.pk}:{digest}", accepted_at=at)
