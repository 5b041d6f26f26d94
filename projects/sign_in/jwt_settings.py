"""Set how a project's users sign in: with public keys or a shared secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from common import crypto, egress
from common.egress_rules import EgressRefused
from common.errors import Invalid
from events.audit import audit_trail as audit
from projects.errors import SignInRefused
from projects.keys.selectors import projects
from projects.models import JwtSettings, Project
from projects.sign_in import algorithms
from projects.sign_in import selectors as jwt_settings

FIELD = "jwt"
MAX_SECRET_LENGTH = 512
SHOWN_FIELDS = ("jwks_url", "issuer", "audience", "algorithms")
"""Fields that may be shown: all but the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSettings:
    """Either ``jwks_url`` or ``shared_secret``; with neither, the stored one stays.

    Without ``algorithms`` the defaults of its kind apply.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    shared_secret: str = ""
    algorithms: tuple[str, ...] = ()


def replace(
    *, project: Project, sign_in: SignInSettings | None, actor: str, at: datetime, reason: str = ""
) -> JwtSettings | None:
    """Replace the project's settings; None removes them. Audited. Raises SignInRefused."""
    with transaction.atomic():
        project = projects.lock(project_id=project.pk)
        row = jwt_settings.of(project)
        before = _shown_settings(row)
        if sign_in is None:
            if row is not None:
                row.delete()
            row = None
        else:
            row = _apply_settings(row or JwtSettings(project=project), sign_in)
        after = _shown_settings(row)
        changed = before != after or (sign_in is not None and bool(sign_in.shared_secret))
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
    """The decrypted secret, for verification only."""
    return crypto.decrypt(row.shared_secret, context=row.secret_context)


def _apply_settings(row: JwtSettings, sign_in: SignInSettings) -> JwtSettings:
    if sign_in.jwks_url and sign_in.shared_secret:
        raise _build_refusal("Send a jwks_url or a shared_secret, not both.")
    if sign_in.jwks_url:
        row.jwks_url, row.shared_secret = _check_address(sign_in.jwks_url), ""
    elif sign_in.shared_secret:
        row.shared_secret = crypto.encrypt(sign_in.shared_secret, context=row.secret_context)
        row.jwks_url = ""
    elif not (row.jwks_url or row.shared_secret):
        raise _build_refusal("Send a jwks_url or a shared_secret.")
    if not (sign_in.issuer and sign_in.audience):
        raise _build_refusal("Send issuer and audience: the values of iss and aud.")
    row.issuer, row.audience = sign_in.issuer, sign_in.audience
    row.algorithms = _check_algorithms(row, sign_in.algorithms)
    row.save()
    return row


def _check_address(url: str) -> str:
    try:
        egress.check(url)
    except EgressRefused as refusal:
        raise _build_refusal(str(refusal), below="/jwks_url") from refusal
    return url


def _check_algorithms(row: JwtSettings, requested: tuple[str, ...]) -> list[str]:
    supported: Any = algorithms.PUBLIC if row.jwks_url else algorithms.SHARED
    defaults = algorithms.DEFAULT_PUBLIC if row.jwks_url else algorithms.DEFAULT_SHARED
    chosen = list(dict.fromkeys(requested or defaults))
    unsupported = [name for name in chosen if name not in supported]
    if unsupported:
        kind = "public keys" if row.jwks_url else "a shared secret"
        raise _build_refusal(
            f"With {kind} there are {', '.join(supported)}; not {', '.join(unsupported)[:60]}.",
            below="/algorithms",
        )
    if row.shared_secret:
        min_bytes = max(algorithms.SHARED[name] for name in chosen)
        if len(shared_secret(row).encode()) < min_bytes:
            raise _build_refusal(
                f"{' and '.join(chosen)} needs a secret of at least {min_bytes} bytes.",
                below="/shared_secret",
            )
    return chosen


def _shown_settings(row: JwtSettings | None) -> dict[str, Any]:
    if row is None:
        return {}
    shown = {name: getattr(row, name) for name in SHOWN_FIELDS}
    return {**shown, "has_shared_secret": bool(row.shared_secret)}


def _build_refusal(detail: str, *, below: str = "") -> Invalid:
    return SignInRefused(detail, field=f"{FIELD}{below}")
