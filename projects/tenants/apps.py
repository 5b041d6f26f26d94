"""Create and change micro-apps, which share the project's customers and catalog."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.text import slugify

from common.errors import Conflict
from common.inserts import insert
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects import representation
from projects.keys import key_cache
from projects.keys.selectors import apps
from projects.models import App, Project


class AppExists(Conflict):
    code, title = "app-exists", "The project already has an app with this slug."


def create(*, project: Project, name: str, actor: str, at: datetime, slug: str = "") -> App:
    """Create an app. Without a slug, one is made from the name. Raises AppExists."""
    slug = slug or slugify(name)[:50].strip("-_").replace("_", "-") or "app"
    app = App(project=project, name=name, slug=slug)
    with transaction.atomic():
        if not insert(app):
            raise AppExists("Choose another slug.")
        _record_event(EventType.APP_CREATED, app, {}, at)
        audit.record(
            actor=actor,
            action="app.create",
            subject=app.pk,
            project_id=project.pk,
            at=at,
            after={"name": name, "slug": slug},
        )
    return app


def change(
    *, app: App, actor: str, at: datetime, name: str | None = None, archived: bool | None = None
) -> App:
    """Rename, archive or restore the app. The keys of an archived app are refused.

    None leaves a value; an equal value is no change.
    """
    with transaction.atomic():
        app = apps.lock(project_id=app.project_id, app_id=app.pk)
        body_before = representation.app(app)
        before = {"name": app.name, "archived": app.archived_at is not None}
        app.name = app.name if name is None else name
        if archived is not None and archived != before["archived"]:
            app.archived_at = at if archived else None
        after = {"name": app.name, "archived": app.archived_at is not None}
        if after != before:
            app.save(update_fields=["name", "archived_at"])
            transaction.on_commit(key_cache.invalidate, robust=True)
            is_archived = bool(after["archived"] and not before["archived"])
            event_type = EventType.APP_ARCHIVED if is_archived else EventType.APP_UPDATED
            _record_event(event_type, app, body_before, at)
            audit.record(
                actor=actor,
                action="app.change",
                subject=app.pk,
                project_id=app.project_id,
                at=at,
                before=before,
                after=after,
            )
    return app


def _record_event(
    event_type: EventType, app: App, before: Mapping[str, object], at: datetime
) -> None:
    after = representation.app(app)
    outbox.record(
        project_id=app.project_id,
        event_type=event_type,
        subject=app.pk,
        data=after,
        previous=outbox.previous_values(before, after),
        at=at,
    )
