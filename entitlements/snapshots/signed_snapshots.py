"""Signed snapshots: a tenant's software can check entitlements offline.

A compact JWS (RFC 7515) with the claims of a JWT. Decisions are certain until ``exp`` as far as
time alone can change them. Decisions with ``ask_online`` depend on usage or credits: they show the
amounts of the signing time and do not shorten the snapshot's life.
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
"""The ``typ`` header (RFC 8725): no other token of ours verifies as a snapshot."""


def sign(*, project: Project, user_id: str, at: datetime) -> str:
    """The user's entitlements at ``at`` as a token for this project. Raises SigningUnavailable."""
    entitlements = decisions.entitlements_of(project=project, user_id=user_id, at=at)
    shown = entitlements.decisions.values()
    key = signing_keys.current(at=at)
    claims = {
        "iss": settings.PUBLIC_URL,
        "aud": project.pk,
        "sub": entitlements.user_id,
        "iat": int(at.timestamp()),
        "exp": int(_valid_until(shown, at).timestamp()),
        "customer": entitlements.customer_id,
        "version": entitlements.version,
        "entitlements": [_build_entry(decision) for decision in shown],
    }
    return jwt.encode(
        claims,
        signing_keys.decrypt_private_key(key),
        algorithm=key.algorithm,
        headers={"kid": key.pk, "typ": TYPE},
    )


def _build_entry(decision: Decision) -> dict[str, Any]:
    return {**representation.decision(decision), "ask_online": not decision.is_whole}


def _valid_until(decisions: Iterable[Decision], at: datetime) -> datetime:
    max_life: timedelta = settings.ENTITLEMENTS.snapshot_life
    change_times = [
        decision.valid_until
        for decision in decisions
        if decision.valid_until is not None and decision.is_whole
    ]
    return min([at + max_life, *change_times])
