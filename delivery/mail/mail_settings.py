"""Change how a project writes to people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from common import egress
from common.egress_rules import EgressRefused
from common.errors import Invalid
from delivery.errors import ChannelUnavailable
from delivery.mail import selectors
from delivery.mail.kinds import NAMES
from delivery.mail.representation import mail_settings
from delivery.models import Channel, MailSettings
from events.audit import audit_trail as audit
from projects.keys.selectors import projects
from projects.models import Project

MAX_NOTICE_DAYS = 60
NOTICE_DAYS = 7


def configure(
    *,
    project: Project,
    changes: Mapping[str, Any],
    actor: str,
    at: datetime,
    reason: str = "",
) -> MailSettings:
    """Change these settings. Audited.

    A channel that is chosen for the first time, without kinds, switches on all kinds of today.
    Raises Invalid for a logo that is not at an https address, and ChannelUnavailable.
    """
    changes = dict(changes)
    if changes.get("logo_url"):
        _check_logo(changes["logo_url"])
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        row = selectors.lock_settings(project.pk)
        channel = changes.get("channel", row.channel)
        if channel != row.channel and channel in unavailable_channels():
            raise ChannelUnavailable("Ask the platform's operators to connect it.")
        if "kinds" in changes:
            changes["kinds"] = [name for name in NAMES if name in changes["kinds"]]
        elif row._state.adding and channel != Channel.NONE:
            changes["kinds"] = list(NAMES)
        before = dict(mail_settings(row))
        for name, value in changes.items():
            setattr(row, name, value)
        after = dict(mail_settings(row))
        differing = [name for name in after if before[name] != after[name]]
        if differing:
            row.save()
            audit.record(
                actor=actor,
                action="project.mail",
                subject=project.pk,
                project_id=project.pk,
                reason=reason,
                before={name: before[name] for name in differing},
                after={name: after[name] for name in differing},
                at=at,
            )
    return row


def unavailable_channels() -> set[str]:
    """Channels for which this installation has no server."""
    servers = settings.MAIL
    has_server = {Channel.MAIL: servers.mail_from, Channel.HERMES: servers.hermes_url}
    return {channel.value for channel, server in has_server.items() if not server}


def _check_logo(url: str) -> None:
    try:
        parts = egress.check(url)
    except EgressRefused as refusal:
        raise Invalid(str(refusal), field="logo_url") from refusal
    if parts.scheme != "https":
        raise Invalid("Use https.", field="logo_url")
