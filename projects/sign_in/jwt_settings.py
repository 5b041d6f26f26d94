"""Say how a project's signed-in users are recognised: by public keys or by a shared secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from common import crypto, egress
from common.egress import EgressRefused
from common.errors import Invalid
from events.services import audit
from projects.errors import SignInRefused
from projects.keys.selectors import projects
from projects.models import JwtSettings, Project
from projects.sign_in import algorithms
from projects.sign_in import selectors as jwt_settings

FIELD = "jwt"
LONGEST_SECRET = 512
SHOWN = ("jwks_url", "issuer", "audience", "algorithms")
"""What may be shown again: everything but the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Either ``jwks_url`` or ``shared_secret``; without ``algorithms``, the usual ones of its kind.

    With neither, the keys or the secret of before stay.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    shared_secret: str = ""
    algorithms: tuple[str, ...] = ()


def replace(
    *, project: Project, wanted: SignIn | None, actor: str, at: datetime, reason: str = ""
) -> JwtSettings | None:
    """The project's settings as wanted, or none at all. Raises SignInRefused."""
    with transaction.atomic():
        project = projects.lock(project_id=project.pk)
        row = jwt_settings.of(project)
        before = _shown(row)
        if wanted is None:
            if row is not None:
                row.delete()
            row = None
        else:
            row = _written(row or JwtSettings(project=project), wanted)
        after = _shown(row)
        changed = before != after or (wanted is not None and bool(wanted.shared_secret))
        if changed:
            audit.record(
                actor=actor,
                action="project.sign_in",
                subject=project.pk,
                project_id=project.pk,
                reason=reason,
                before=before,
                after=after,
                at=at,
            )
    return row


def shared_secret(row: JwtSettings) -> str:
    """In the clear: to verify with, never to show."""
    return crypto.decrypt(row.shared_secret, context=row.secret_context)


def _written(row: JwtSettings, wanted: SignIn) -> JwtSettings:
    if wanted.jwks_url and wanted.shared_secret:
        raise _refusal("Send a jwks_url or a shared_secret, not both.")
    if wanted.jwks_url:
        row.jwks_url, row.shared_secret = _address(wanted.jwks_url), ""
    elif wanted.shared_secret:
        row.shared_secret = crypto.encrypt(wanted.shared_secret, context=row.secret_context)
        row.jwks_url = ""
    elif not (row.jwks_url or row.shared_secret):
        raise _refusal("Send a jwks_url or a shared_secret.")
    if not (wanted.issuer and wanted.audience):
        raise _refusal("Say what iss and aud must be.")
    row.issuer, row.audience = wanted.issuer, wanted.audience
    row.algorithms = _allowed(row, wanted.algorithms)
    row.save()
    return row


def _address(url: str) -> str:
    try:
        egress.check(url)
    except EgressRefused as refusal:
        raise _refusal(str(refusal), below="/jwks_url") from refusal
    return url


def _allowed(row: JwtSettings, wanted: tuple[str, ...]) -> list[str]:
    possible: Any = algorithms.PUBLIC if row.jwks_url else algorithms.SHARED
    usual = algorithms.USUAL_PUBLIC if row.jwks_url else algorithms.USUAL_SHARED
    chosen = list(dict.fromkeys(wanted or usual))
    wrong = [each for each in chosen if each not in possible]
    if wrong:
        kind = "public keys" if row.jwks_url else "a shared secret"
        raise _refusal(
            f"With {kind} there are {', '.join(possible)}; not {', '.join(wrong)[:60]}.",
            below="/algorithms",
        )
    if row.shared_secret:
        needed = max(algorithms.SHARED[each] for each in chosen)
        if len(shared_secret(row).encode()) < needed:
            raise _refusal(
                f"{' and '.join(chosen)} needs a secret of at least {needed} bytes.",
                below="/shared_secret",
            )
    return chosen


def _shown(row: JwtSettings | None) -> dict[str, Any]:
    if row is None:
        return {}
    shown = {name: getattr(row, name) for name in SHOWN}
    return {**shown, "has_shared_secret": bool(row.shared_secret)}


def _refusal(detail: str, *, below: str = "") -> Invalid:
    return SignInRefused(detail, field=f"{FIELD}{below}")
