"""Everything that one user may do, signed: a tenant's software can answer without asking us.

A compact JWS (RFC 7515) with the claims of a JWT. What it says is certain until ``exp`` as far as
time alone can change it; what is counted (``ask_online``) is as it was when it was signed, and
does not shorten the snapshot's life.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import jwt
from django.conf import settings

from entitlements import representation
from entitlements.decisions.selectors import decisions
from entitlements.resolution.decision import Decision
from entitlements.snapshots import signing_keys
from projects.models import Project

TYPE = "entitlements+jwt"
"""What the header says that it is (RFC 8725): no other token of ours verifies as a snapshot."""


def sign(*, project: Project, user_id: str, at: datetime) -> str:
    """What the user may do at ``at``, for this project alone. Raises SigningUnavailable."""
    standing = decisions.standing(project=project, user_id=user_id, at=at)
    made = standing.decisions.values()
    key = signing_keys.current(at=at)
    claims = {
        "iss": settings.PUBLIC_URL,
        "aud": project.pk,
        "sub": standing.user_id,
        "iat": int(at.timestamp()),
        "exp": int(_valid_until(made, at).timestamp()),
        "customer": standing.customer_id,
        "version": standing.version,
        "entitlements": [_entry(each) for each in made],
    }
    return jwt.encode(
        claims,
        signing_keys.private(key),
        algorithm=key.algorithm,
        headers={"kid": key.pk, "typ": TYPE},
    )


def _entry(made: Decision) -> dict[str, Any]:
    return {**representation.decision(made), "ask_online": not made.is_whole}


def _valid_until(made: Iterable[Decision], at: datetime) -> datetime:
    longest: timedelta = settings.ENTITLEMENTS.snapshot_life
    changes = [each.valid_until for each in made if each.valid_until is not None and each.is_whole]
    return min([at + longest, *changes])
