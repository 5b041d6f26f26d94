"""The work of running rollouts: batches of holders, then moves of subscriptions."""

import time
from datetime import datetime, timedelta

from billing.access import rollouts
from billing.rollouts import migrate_subscriptions
from common import batch_runs
from common.queue import enqueue

RUN_TIME = timedelta(seconds=2)
"""Time limit of one call."""


def run_due(*, at: datetime) -> int:
    """Run batches and moves for ``RUN_TIME``; returns how many. Enqueues the task again if there
    may be more."""
    done, until = 0, time.monotonic() + RUN_TIME.total_seconds()
    while batch_runs.run_batch(rollouts.JOB, at=at) or migrate_subscriptions.run_next_move(at=at):
        done += 1
        if time.monotonic() > until:
            enqueue(rollouts.TASK)
            break
    return done
