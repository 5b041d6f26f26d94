"""Give committed events their positions in the log (R13).

An id, or a number that the writer takes, says when an event was *recorded*; a later one can be
committed earlier, so a reader who remembers the last one that it saw would miss events. Here a row
of ``events_pendingevent`` becomes visible when its transaction commits, and one sequencer at a time
numbers what it sees: nothing ever appears behind a position that a reader has seen. A transaction
that stays open for long delays its own events only.

Any number of sequencers may run. They take turns by the lock of one row, the head of the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from common import invalidation, redis
from common.ids import new_id
from events.log import event_counts, selectors
from events.models import LogHead

TOPIC = "events"
"""Of the broadcast that a project has new events."""
BATCH_SIZE = 1000
MAX_BATCHES = 20
"""Of one run."""

NUMBER_BATCH = """
WITH taken AS (
    DELETE FROM events_pendingevent WHERE n IN (
        SELECT n FROM events_pendingevent ORDER BY n LIMIT %(limit)s
    )
    RETURNING *
), numbered AS (
    SELECT *,
        row_number() OVER (ORDER BY n) AS place,
        row_number() OVER by_project AS place_in_project,
        row_number() OVER by_customer AS place_in_customer,
        max(version) OVER (
            by_customer ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS version_before
    FROM taken
    WINDOW by_project AS (PARTITION BY project_id ORDER BY n),
        by_customer AS (PARTITION BY project_id, customer_id ORDER BY n)
), of_project AS (
    SELECT project_id, count(*) AS events FROM taken GROUP BY project_id
), of_customer AS (
    SELECT project_id, customer_id, count(*) AS events, max(version) AS version
    FROM taken WHERE customer_id <> '' GROUP BY project_id, customer_id
), project_before AS (
    SELECT head.project_id, head.position
    FROM events_projecthead AS head JOIN of_project USING (project_id)
), customer_before AS (
    SELECT head.project_id, head.customer_id, head.sequence, head.version
    FROM events_customerhead AS head JOIN of_customer USING (project_id, customer_id)
), project_head AS (
    INSERT INTO events_projecthead AS head (project_id, position)
    SELECT project_id, events FROM of_project
    ON CONFLICT (project_id) DO UPDATE SET position = head.position + excluded.position
), customer_head AS (
    INSERT INTO events_customerhead AS head (project_id, customer_id, sequence, version)
    SELECT project_id, customer_id, events, version FROM of_customer
    ON CONFLICT (project_id, customer_id) DO UPDATE
        SET sequence = head.sequence + excluded.sequence,
            version = greatest(head.version, excluded.version)
), entered AS (
    INSERT INTO events_loggedevent (event_id, project_id, number, position, customer_id, sequence,
        previous_version, type)
    SELECT event_id, project_id, %(number)s + place,
        coalesce(project_before.position, 0) + place_in_project, customer_id,
        CASE WHEN customer_id = '' THEN 0
            ELSE coalesce(customer_before.sequence, 0) + place_in_customer END,
        CASE WHEN customer_id = '' THEN 0
            ELSE greatest(version_before, customer_before.version, 0) END,
        type
    FROM numbered
    LEFT JOIN project_before USING (project_id)
    LEFT JOIN customer_before USING (project_id, customer_id)
    RETURNING project_id, type
)
SELECT project_id, type, count(*) FROM entered GROUP BY project_id, type
"""


@dataclass(frozen=True, slots=True)
class SequencerRun:
    """How many events have got their positions, and whether none is left that was visible."""

    events: int
    is_complete: bool


def run(*, max_batches: int = MAX_BATCHES) -> SequencerRun:
    """Number what is pending, in batches. Does nothing while another sequencer runs."""
    events = 0
    for _ in range(max_batches):
        numbered = number_batch() if selectors.has_pending() else 0
        events += numbered
        if numbered < BATCH_SIZE:
            return SequencerRun(events, is_complete=True)
    return SequencerRun(events, is_complete=False)


def number_batch() -> int:
    """Give the events that have been pending for longest their positions, in one transaction.
    Returns how many.

    The numbering is a statement of its own: its snapshot must be younger than the lock, so that it
    sees the heads as the last sequencer has left them.
    """
    with transaction.atomic():
        head = selectors.lock_head() or _create_head()
        if head is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(NUMBER_BATCH, {"limit": BATCH_SIZE, "number": head.number})
            counts: list[tuple[str, str, int]] = cursor.fetchall()
        numbered = sum(count for _, _, count in counts)
        if numbered:
            LogHead.objects.filter(pk=head.pk).update(number=head.number + numbered)
            transaction.on_commit(lambda: _announce(counts), robust=True)
        return numbered


def _announce(counts: Sequence[tuple[str, str, int]]) -> None:
    """Count the events, and wake readers who wait for events of these projects. A lost message
    delays them for a second."""
    event_counts.record(counts)
    channel = invalidation.channel()
    project_ids = {project_id: None for project_id, _, _ in counts}
    redis.exchange(
        *(("PUBLISH", channel, invalidation.message(TOPIC, each)) for each in project_ids)
    )


def _create_head() -> LogHead | None:
    """Create and lock the head of an empty log; None while another sequencer has it."""
    LogHead.objects.bulk_create([LogHead(pk=1, epoch=new_id("log"))], ignore_conflicts=True)
    return selectors.lock_head()
