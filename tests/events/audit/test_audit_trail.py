"""Audit entries say who did what and why, and cannot change."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, transaction

from common import context
from events.audit import audit_trail as audit
from events.models import AuditEntry
from projects.models import Project

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def write(project: Project) -> AuditEntry:
    return audit.record(
        actor="operator:ada",
        action="grant.revoke",
        subject="grant_1",
        project_id=project.pk,
        reason="Left the team.",
        before={"seats": 5},
        after={"seats": 0},
        at=NOW,
    )


def test_an_entry_says_who_did_what_and_why(project: Project) -> None:
    context.begin("job-7")
    entry = AuditEntry.objects.get(pk=write(project).pk)

    assert (entry.actor, entry.action, entry.subject) == (
        "operator:ada",
        "grant.revoke",
        "grant_1",
    )
    assert (entry.reason, entry.before, entry.after) == (
        "Left the team.",
        {"seats": 5},
        {"seats": 0},
    )
    assert (entry.request_id, entry.recorded_at) == ("job-7", NOW)


def test_the_platforms_entries_have_no_project(db: None) -> None:
    entry = audit.record(actor="command", action="key.issue", subject="key_1", at=NOW)

    assert entry.project_id is None


@pytest.mark.parametrize("change", ["update", "delete", "save"])
def test_entries_cannot_be_changed_or_deleted(project: Project, change: str) -> None:
    entry = write(project)
    changes = {
        "update": lambda: AuditEntry.objects.filter(pk=entry.pk).update(reason=""),
        "delete": lambda: AuditEntry.objects.filter(pk=entry.pk).delete(),
        "save": entry.save,
    }
    with pytest.raises(DatabaseError, match="append_only"), transaction.atomic():
        changes[change]()
    assert AuditEntry.objects.get().reason == "Left the team."
