"""Record manual actions, in the same transaction as the action."""

from collections.abc import Collection, Mapping
from datetime import datetime

import pgtrigger

from common.context import request_id, request_key
from common.erasure import ERASED, Person
from events.models import AuditEntry

BATCH = 500


def record(
    *,
    actor: str,
    action: str,
    subject: str,
    at: datetime,
    project_id: str | None = None,
    reason: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Append one entry. ``before`` and ``after`` hold what changed, never a secret.

    A retry of a request with an ``Idempotency-Key`` adds no second entry: it returns the entry of
    the earlier try.
    """
    key = request_key.get()
    entry = AuditEntry(
        project_id=project_id,
        actor=actor,
        action=action,
        subject=subject,
        reason=reason,
        before=before or {},
        after=after or {},
        request_id=request_id.get(),
        request_key=key.value if key else "",
        recorded_at=at,
    )
    if key and key.is_retry and (earlier := _find_earlier(entry)):
        return earlier
    entry.save(force_insert=True)
    return entry


def forget(*, project_id: str, subjects: Collection[str], person: Person) -> None:
    """Erase a person from the entries about these rows; who did what, and when, stays.

    The only exception to "append-only"; the trigger is ignored for these rows only.
    """
    rows = AuditEntry.objects.filter(project_id=project_id, subject__in=subjects)
    with pgtrigger.ignore("events.AuditEntry:append_only"):
        for entry in rows.iterator(chunk_size=BATCH):
            entry.reason = ERASED if entry.reason else ""
            entry.before = person.without(entry.before)
            entry.after = person.without(entry.after)
            entry.save(update_fields=["reason", "before", "after"])


def _find_earlier(entry: AuditEntry) -> AuditEntry | None:
    """The entry that an earlier try of the same request has recorded for the same action."""
    same = AuditEntry.objects.filter(
        subject=entry.subject,
        request_key=entry.request_key,
        action=entry.action,
        project_id=entry.project_id,
        after=entry.after,
    )
    return same.order_by("-pk").first()
