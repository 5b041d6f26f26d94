"""Whatever rollouts have to do: batches of holders, then moves of subscriptions."""

import time
from datetime import datetime, timedelta

from billing.access import rollouts
from billing.rollouts import migrate_subscriptions
from common import batch_runs
from common.queue import enqueue

TURN = timedelta(seconds=2)
"""How long one call works; whoever called has other things to do."""


def run_due(*, at: datetime) -> int:
    """Do batches and moves for a while; how many. Rings again when that is not all."""
    done, until = 0, time.monotonic() + TURN.total_seconds()
    while batch_runs.turn(rollouts.JOB, at=at) or migrate_subscriptions.turn(at=at):
        done += 1
        if time.monotonic() > until:
            enqueue(rollouts.TASK)
            break
    return done
