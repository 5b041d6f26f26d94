"""Reads of notifications and of what decides about them."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from common import fair_queue, ids
from common.errors import NotFound
from common.models import ProjectQuerySet
from common.row_counts import CountedRows
from delivery.models import (
    Channel,
    MailOptOut,
    MailSettings,
    MailSuppression,
    Notification,
    NotificationState,
)
from delivery.models.notification import OPERATORS


def settings_of(project_id: str) -> MailSettings:
    """The project's settings; those of a project that has chosen nothing send nothing."""
    row = MailSettings.objects.for_project(project_id).first()
    return row or MailSettings(project_id=project_id)


def lock_settings(project_id: str) -> MailSettings:
    """The project's settings, locked if they are stored. The caller holds the project's lock."""
    row = MailSettings.objects.for_project(project_id).select_for_update().first()
    return row or MailSettings(project_id=project_id)


def active_settings(project_ids: Collection[str]) -> dict[str, MailSettings]:
    """The settings of these projects by project, without those that send nothing."""
    rows = MailSettings.objects.across_projects().filter(project_id__in=project_ids)
    return {row.project_id: row for row in rows.exclude(channel=Channel.NONE)}


def has_active_settings() -> bool:
    """Whether any project sends anything."""
    return _all_active_settings().exists()


def settings_with_kind(kind: str) -> list[MailSettings]:
    """The settings of all projects that send this kind."""
    return list(_all_active_settings().filter(kinds__contains=[kind]))


def due(*, at: datetime, limit: int) -> list[Notification]:
    """Planned notifications that may be sent now: the oldest of each project, then the second
    oldest, and so on."""
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lte=at)
    rows = Notification.objects.across_projects().filter(
        is_free, state=NotificationState.PLANNED, due_at__lte=at
    )
    return fair_queue.round_robin(rows, owner="project_id", order=("due_at", "pk"), limit=limit)


def waiting_rows(*, at: datetime) -> dict[str, CountedRows]:
    """Planned notifications that are due, and the settings of the projects that send any."""
    rows = Notification.objects.across_projects()
    due_rows = rows.filter(state=NotificationState.PLANNED, due_at__lte=at)
    return {
        "due_mail": CountedRows(due_rows, "due_at"),
        "mail_settings": CountedRows(_all_active_settings()),
    }


def in_flight_before(at: datetime) -> list[Notification]:
    """Notifications whose sender has not written the result within its lease."""
    rows = Notification.objects.across_projects()
    return list(rows.filter(state=NotificationState.SENDING, leased_until__lte=at))


def lock(*, project_id: str, notification_id: str) -> Notification | None:
    rows = Notification.objects.for_project(project_id).select_for_update()
    return rows.filter(pk=notification_id).first()


def messages_of(project_id: str) -> ProjectQuerySet[Notification]:
    """The project's messages to its customers and to its own people."""
    return Notification.objects.for_project(project_id).exclude(recipient=OPERATORS)


def message(*, project_id: str, message_id: str) -> Notification:
    """One of them. Raises NotFound."""
    row = messages_of(project_id).filter(pk=message_id).first()
    if row is None:
        raise NotFound
    return row


def find(notification_id: str) -> Notification | None:
    """The notification that a provider names. Its id cannot be guessed."""
    if not ids.is_id(notification_id, ids.prefix_of(Notification)):
        return None
    return Notification.objects.across_projects().filter(pk=notification_id).first()


def suppression_of(*, project_id: str, digest: str) -> MailSuppression | None:
    return MailSuppression.objects.for_project(project_id).filter(digest=digest).first()


def has_opted_out(*, project_id: str, recipient: str, kind: str) -> bool:
    rows = MailOptOut.objects.for_project(project_id)
    return rows.filter(recipient=recipient, kind=kind).exists()


def _all_active_settings() -> ProjectQuerySet[MailSettings]:
    """The settings of every project that sends anything."""
    return MailSettings.objects.across_projects().exclude(channel=Channel.NONE)
