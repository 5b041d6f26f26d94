"""Work that follows a commit: wake-ups and invalidations. Losing one must do no harm."""

from collections.abc import Callable

import structlog
from django.db import connection, transaction

log = structlog.get_logger(__name__)


def after_commit(work: Callable[[], None]) -> None:
    """Do the work once the current transaction has committed, without one at once.

    Its errors are logged. Outside a transaction Django's ``on_commit`` would take a connection only
    to find out that there is none.
    """
    if connection.in_atomic_block:
        transaction.on_commit(work, robust=True)
        return
    try:
        work()
    except Exception:
        log.exception("work_after_commit_failed")
