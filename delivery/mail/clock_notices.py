"""Plan the messages that no event causes but the clock: renewals that come, keys that expire.

A message is unique by what it is about and the time: a renewal that moves gets a new one.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from billing.models import SubscriptionItem
from billing.models.subscription import SubscriptionStatus
from delivery.mail import kinds, planner, selectors
from delivery.mail.kinds import NotificationKind
from delivery.models import MailSettings, Notification
from projects.models import ApiKey

RENEWAL = kinds.BY_NAME["renewal_coming"]
KEY_EXPIRY = kinds.BY_NAME["key_expiring"]
KEY_NOTICE = timedelta(days=14)
CHUNK = 500


def run(*, at: datetime) -> int:
    """Plan what is due. Returns how many messages are new."""
    count = 0
    for settings in selectors.settings_with_kind(RENEWAL.name):
        for notices in batched(_renewals(settings, at), CHUNK):
            count += _store(RENEWAL, settings, notices, at)
    for settings in selectors.settings_with_kind(KEY_EXPIRY.name):
        for notices in batched(_expiring_keys(settings, at), CHUNK):
            count += _store(KEY_EXPIRY, settings, notices, at)
    return count


class ClockNotice(NamedTuple):
    """What the clock brings about. Without a customer it concerns the project's people."""

    source: str
    subject: str
    customer_id: str = ""


def _renewals(settings: MailSettings, at: datetime) -> Iterator[ClockNotice]:
    """The renewals within the notice period. A period that is shorter than twice the notice period
    gets no notice: it would be a message per period about nothing new."""
    notice = timedelta(days=settings.renewal_notice_days)
    items = (
        SubscriptionItem.objects.for_project(settings.project_id)
        .filter(
            period_end__gt=at,
            period_end__lte=at + notice,
            subscription__status=SubscriptionStatus.ACTIVE,
        )
        .select_related("subscription")
    )
    for item in items.iterator(chunk_size=CHUNK):
        if item.period_end - item.period_start >= 2 * notice:
            source = f"renewal:{item.subscription_id}:{item.period_end.isoformat()}"
            yield ClockNotice(source, item.subscription_id, item.subscription.customer_id)


def _expiring_keys(settings: MailSettings, at: datetime) -> Iterator[ClockNotice]:
    """Keys that expire soon, without those that a rotation has already replaced."""
    keys = ApiKey.objects.for_project(settings.project_id).filter(
        expires_at__gt=at,
        expires_at__lte=at + KEY_NOTICE,
        revoked_at__isnull=True,
        rotated_to__isnull=True,
    )
    for key_id, expires_at in keys.values_list("pk", "expires_at"):
        assert expires_at is not None  # by the filter
        yield ClockNotice(f"key:{key_id}:{expires_at.isoformat()}", key_id)


def _store(
    kind: NotificationKind, settings: MailSettings, notices: Sequence[ClockNotice], at: datetime
) -> int:
    """Plan those that are not planned yet."""
    stored = Notification.objects.for_project(settings.project_id).filter(
        kind=kind.name, source__in=[notice.source for notice in notices]
    )
    planned = set(stored.values_list("source", flat=True))
    rows = {
        notice.source: planner.plan(
            kind=kind,
            project_id=settings.project_id,
            channel=settings.channel,
            source=notice.source,
            recipient=notice.customer_id or settings.project_id,
            subject=notice.subject,
            occurred_at=at,
            at=at,
        )
        for notice in notices
        if notice.source not in planned
    }
    Notification.objects.bulk_create(rows.values(), ignore_conflicts=True)
    return len(rows)


def batched(notices: Iterable[ClockNotice], size: int) -> Iterator[list[ClockNotice]]:
    """The notices in lists of at most ``size``."""
    iterator = iter(notices)
    while batch := list(islice(iterator, size)):
        yield batch
