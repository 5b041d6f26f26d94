"""Completed decisions in Redis, kept for two seconds and deleted when usage or credits change.

One hash per project and user; each field is a decision that depends on usage or credits, in the
format of the app that stores it. Every count calls :func:`forget` after its commit; when that is
lost, or a slow reader overtakes it, ``MAX_AGE`` is the bound.
"""

from collections.abc import Collection
from datetime import timedelta

from common.redis import exchange
from projects.customers.pseudonyms import pseudonym

MAX_AGE = timedelta(seconds=2)
"""Age at which a decision is no longer used."""


def key(*, project_id: str, user_id: str) -> str:
    """The Redis key of one user's completed decisions."""
    return f"p:{project_id}:u:{pseudonym(user_id)}"


def forget(*, project_id: str, names: Collection[str]) -> None:
    """Delete the completed decisions of these users. Never fails; call it after the commit.

    ``names`` contains both ``user_id`` and ``cus_…``, because a check may use either.
    """
    exchange(*(("DEL", key(project_id=project_id, user_id=name)) for name in names))
