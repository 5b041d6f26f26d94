"""What was counted last, kept in Redis for a moment and forgotten as soon as more is counted.

One hash per project and user; each field is an answer that depends on what the user has used, or
has credits for, as the app that keeps it writes it. Whoever counts calls ``forget`` after the
commit. Should that be lost, or overtaken by a slow reader, ``LONGEST`` is the bound.
"""

from collections.abc import Collection
from datetime import timedelta

from common.redis import exchange
from projects.customers.pseudonyms import pseudonym

LONGEST = timedelta(seconds=2)
"""How old such an answer may be when it is shown."""


def key(*, project_id: str, user_id: str) -> str:
    """Where the answers about one user of one project are kept."""
    return f"p:{project_id}:u:{pseudonym(user_id)}"


def forget(*, project_id: str, names: Collection[str]) -> None:
    """More was counted of these users: what was kept of them is no answer any more.

    ``names``: their ``user_id`` and ``cus_…`` alike, for a check may ask by either. To be called
    after the commit. Never fails.
    """
    if names:
        exchange(("DEL", *(key(project_id=project_id, user_id=name) for name in names)))
