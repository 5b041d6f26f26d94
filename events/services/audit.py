"""Write down what somebody did by hand, in the same transaction as the act."""

from datetime import datetime
from typing import Any

from common.context import request_id
from events.models import AuditEntry


def record(
    *,
    actor: str,
    action: str,
    subject: str,
    at: datetime,
    project_id: str | None = None,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry. ``before`` and ``after`` hold what changed, never a secret."""
    return AuditEntry.objects.create(
        project_id=project_id,
        actor=actor,
        action=action,
        subject=subject,
        reason=reason,
        before=before or {},
        after=after or {},
        request_id=request_id.get(),
        recorded_at=at,
    )
