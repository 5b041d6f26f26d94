"""Register and configure tenants."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from common.errors import Conflict
from common.ids import new_id
from common.inserts import insert
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects import representation
from projects.keys import api_keys, key_cache, origins
from projects.keys.api_keys import ApiKeyRequest
from projects.keys.scopes import ALL_SCOPES
from projects.keys.selectors import projects
from projects.models import ApiKey, Project, Sells
from projects.representation import DetectedSettingsBody, ProjectBody
from projects.sign_in import jwt_settings
from projects.sign_in import selectors as sign_in_settings
from projects.sign_in.jwt_settings import SignInSettings


class SlugTaken(Conflict):
    code, title = "slug-taken", "Another project has this slug."


class WorkflowNamespaceTaken(Conflict):
    """Its workflows would get the signals of two projects."""

    code, title = "workflow-namespace-taken", "Another project has this Temporal namespace."


_TAKEN: dict[str, tuple[type[Conflict], str]] = {
    "slug": (SlugTaken, "Choose another slug."),
    "workflow_namespace": (WorkflowNamespaceTaken, "Give each project a namespace of its own."),
}


LIMITS = frozenset({"requests_per_second", "checks_per_second"})


@dataclass(frozen=True, slots=True)
class Registration:
    """A new tenant, its first key (``secret`` is shown once), and what was inferred for it."""

    project: Project
    key: ApiKey
    secret: str
    detected: DetectedSettingsBody


def infer_fields(fields: dict[str, Any]) -> DetectedSettingsBody:
    """Defaults for fields that a registration leaves out: a slug from the name, every kind of
    sale, the platform's currency, test mode."""
    inferred = {
        "slug": _find_free_slug(fields["name"]),
        "livemode": False,
        "sells": list(Sells.values),
        "default_currency": settings.PROJECTS.default_currency,
    }
    left_open = {field: value for field, value in inferred.items() if fields.get(field) is None}
    return cast(DetectedSettingsBody, left_open)


def register(
    *,
    name: str,
    actor: str,
    at: datetime,
    reason: str = "",
    sign_in: SignInSettings | None = None,
    **options: Any,
) -> Registration:
    """Register a tenant that can sell at once. Fields that ``options`` leaves out, or are None, are
    inferred.

    ``options``: slug, livemode, sells, default_currency, return_origins, grace_days, automatic_tax,
    contact_email, public_plans, workflow_namespace, requests_per_second, checks_per_second.
    Raises SlugTaken, WorkflowNamespaceTaken, OriginRefused and SignInRefused.
    """
    detected = infer_fields({"name": name, **options})
    named_fields = {field: value for field, value in options.items() if value is not None}
    fields = {"name": name, **named_fields, **detected}
    fields["return_origins"] = _normalise_origins(
        fields.get("return_origins", []), fields["livemode"]
    )
    project = Project(**fields)
    with transaction.atomic():
        _check_free(project, fields)
        if not insert(project):
            raise SlugTaken("Choose another slug.")
        audit.record(
            actor=actor,
            action="project.register",
            subject=project.pk,
            project_id=project.pk,
            at=at,
            reason=reason,
            after=fields,
        )
        if sign_in is not None:
            jwt_settings.replace(
                project=project, sign_in=sign_in, actor=actor, at=at, reason=reason
            )
        first_key = ApiKeyRequest(name="First key", scopes=ALL_SCOPES)
        key, secret = api_keys.issue(
            project=project, request=first_key, actor=actor, at=at, reason=reason
        )
    return Registration(project=project, key=key, secret=secret, detected=detected)


def configure(
    *, project: Project, changes: dict[str, Any], actor: str, at: datetime, reason: str = ""
) -> Project:
    """Change these fields; ``sign_in`` is a SignInSettings, or None to remove the settings.

    Raises SlugTaken, WorkflowNamespaceTaken, OriginRefused and SignInRefused.
    """
    changes = dict(changes)
    has_sign_in, sign_in = "sign_in" in changes, changes.pop("sign_in", None)
    if "return_origins" in changes:
        origins_ = _normalise_origins(changes["return_origins"], project.livemode)
        changes = {**changes, "return_origins": origins_}
    try:
        with transaction.atomic():
            project = projects.lock(project_id=project.pk)
            body_before = _body(project)
            before = {
                field: getattr(project, field)
                for field, value in changes.items()
                if getattr(project, field) != value
            }
            _check_free(project, changes)
            if before:
                after = {field: changes[field] for field in before}
                for field, value in after.items():
                    setattr(project, field, value)
                project.save(update_fields=[*after, "updated_at"])
                if LIMITS & after.keys():
                    transaction.on_commit(key_cache.invalidate, robust=True)
                audit.record(
                    actor=actor,
                    action="project.configure",
                    subject=project.pk,
                    project_id=project.pk,
                    at=at,
                    reason=reason,
                    before=before,
                    after=after,
                )
            if has_sign_in:
                jwt_settings.replace(
                    project=project, sign_in=sign_in, actor=actor, at=at, reason=reason
                )
            _record_event(EventType.PROJECT_UPDATED, project, body_before, at)
    except IntegrityError as error:  # another project has taken it meanwhile
        _check_free(project, changes)
        raise SlugTaken("Choose another slug.") from error
    return project


def _check_free(project: Project, fields: dict[str, Any]) -> None:
    """Raises SlugTaken or WorkflowNamespaceTaken for what another project has."""
    others = Project.objects.exclude(pk=project.pk)
    for name, (error, advice) in _TAKEN.items():
        if fields.get(name) and others.filter(**{name: fields[name]}).exists():
            raise error(advice)


def suspend(*, project: Project, actor: str, at: datetime, reason: str) -> Project:
    """Suspend the project: its keys and its users' tokens are refused within five seconds.

    Events from Stripe are still stored and applied, and work in progress is finished. A second call
    changes nothing.
    """
    return _set_suspended(project, at, "project.suspend", actor=actor, at=at, reason=reason)


def resume(*, project: Project, actor: str, at: datetime, reason: str) -> Project:
    """End the suspension: keys and tokens are accepted again."""
    return _set_suspended(project, None, "project.resume", actor=actor, at=at, reason=reason)


def _set_suspended(
    project: Project, moment: datetime | None, action: str, *, actor: str, at: datetime, reason: str
) -> Project:
    with transaction.atomic():
        project = projects.lock(project_id=project.pk)
        if (project.suspended_at is None) == (moment is None):
            return project
        body_before = _body(project)
        project.suspended_at = moment
        project.save(update_fields=["suspended_at", "updated_at"])
        transaction.on_commit(key_cache.invalidate, robust=True)
        audit.record(
            actor=actor,
            action=action,
            subject=project.pk,
            project_id=project.pk,
            at=at,
            reason=reason,
        )
        event_type = EventType.PROJECT_SUSPENDED if moment else EventType.PROJECT_RESUMED
        _record_event(event_type, project, body_before, at)
    return project


def _body(project: Project) -> ProjectBody:
    return representation.project(project, sign_in_settings.of(project))


def _record_event(
    event_type: EventType, project: Project, before: ProjectBody, at: datetime
) -> None:
    """Record the event if anything differs that the API shows."""
    after = _body(project)
    previous = outbox.previous_values(before, after)
    if previous:
        outbox.record(
            project_id=project.pk,
            event_type=event_type,
            subject=project.pk,
            data=after,
            previous=previous,
            at=at,
        )


def _normalise_origins(texts: list[str], livemode: bool) -> list[str]:
    return list(dict.fromkeys(origins.normalise(text, livemode=livemode) for text in texts))


def _find_free_slug(name: str) -> str:
    """A free slug from the name, with a few random characters if it is taken."""
    slug = slugify(name)[:40].strip("-_").replace("_", "-") or "project"
    if not Project.objects.filter(slug=slug).exists():
        return slug
    return f"{slug}-{new_id('x')[-6:]}"
