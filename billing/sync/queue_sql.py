"""SQL of the sync queue: request a read, and claim due objects fairly over accounts and kinds."""

from common.lease import IS_FREE, claim_sql, renew_sql

TABLE = "billing_syncobject"
CLAIMED = (
    "id",
    "account_id",
    "kind",
    "stripe_id",
    "epoch",
    "requested",
    "attempts",
    "next_try_at",
    "applied_digest",
    "stripe_event_id",
    "out_of_date_since",
    "event_created_at",
    "traceparent",
)
"""Columns of a claimed row, in the order of the fields of ``sync_queue.SyncLease``."""

_OBJECT = """
WITH object (account_id, kind, stripe_id, lane, event_id, event_created_at, traceparent) AS (
    VALUES (%(account_id)s, %(kind)s, %(stripe_id)s, %(lane)s, %(event_id)s,
        %(event_created_at)s::timestamptz, %(traceparent)s)
)
"""

_PROJECT_OF_CUSTOMER = """coalesce((
        SELECT project_id FROM billing_stripecustomer AS customer
        WHERE customer.account_id = object.account_id AND customer.stripe_id = object.customer
        LIMIT 1), '')"""


def _add(lane: str) -> str:
    """SQL that adds the rows of ``object``; ``lane`` is the expression of an object's lane."""
    return f"""
INSERT INTO billing_syncobject AS sync (
    account_id, kind, stripe_id, lane, requested, applied, epoch, attempts, next_try_at,
    foreign_customer, last_error, stripe_event_id, event_created_at, traceparent, traced_at)
SELECT account_id, kind, stripe_id, {lane}, 1, 0, 0, 0, statement_timestamp(), '', '', event_id,
    event_created_at, traceparent, CASE WHEN traceparent <> '' THEN statement_timestamp() END
FROM object
"""  # noqa: S608  # made of constants


_KEEPS_TRACE = """sync.traced_at > statement_timestamp() - interval '1 day'
        AND (excluded.traceparent = '' OR excluded.stripe_event_id <> '')"""
"""Whether the object stays in the trace of an earlier request: what Stripe tells soon after belongs
to the caller who has caused it, and not to the request that brings Stripe's event."""

_COUNT_UP = f"""
ON CONFLICT (account_id, kind, stripe_id) DO UPDATE SET
    requested = sync.requested + 1,
    lane = CASE WHEN sync.lane = '' THEN excluded.lane ELSE sync.lane END,
    stripe_event_id = excluded.stripe_event_id,
    event_created_at = excluded.event_created_at,
    traceparent = CASE WHEN {_KEEPS_TRACE} THEN sync.traceparent ELSE excluded.traceparent END,
    traced_at = CASE WHEN {_KEEPS_TRACE} THEN sync.traced_at ELSE excluded.traced_at END,
    applied_digest = CASE WHEN NOT %(even_if_unchanged)s THEN sync.applied_digest END,
    attempts = CASE WHEN sync.parked_at IS NULL THEN sync.attempts ELSE 0 END,
    next_try_at = CASE
        WHEN sync.parked_at IS NULL AND sync.applied < sync.requested AND NOT %(at_once)s
        THEN sync.next_try_at
        ELSE statement_timestamp()
    END,
    parked_at = NULL
"""

REQUEST_SYNC = f"{_OBJECT}{_add('lane')}{_COUNT_UP}RETURNING id, requested"

# A plan that was made while there were few objects must find each by its key as well. So the
# condition is not "applied < requested", to which the index of due objects would apply, and
# OFFSET 0 keeps PostgreSQL from joining the tables in another way, which would read all rows.
_PENDING = """
pending AS MATERIALIZED (
    SELECT object.number, sync.id, sync.requested
    FROM object CROSS JOIN LATERAL (
        SELECT id, requested FROM billing_syncobject
        WHERE account_id = object.account_id AND kind = object.kind
            AND stripe_id = object.stripe_id
            AND requested - applied > 0 AND parked_at IS NULL AND leased_until IS NULL
            AND (applied_digest IS NULL OR NOT %(even_if_unchanged)s)
        OFFSET 0
    ) AS sync
)
"""

_COUNTED = f"""
counted AS (
    {_add(_PROJECT_OF_CUSTOMER)}
    WHERE number NOT IN (SELECT number FROM pending)
    ORDER BY number
    {_COUNT_UP}
    RETURNING id, requested, account_id, kind, stripe_id
)
"""  # noqa: S608  # made of constants

_SYNC_REQUEST = """
sync_request (number, sync_id, request_number) AS (
    TABLE pending
    UNION ALL
    SELECT object.number, counted.id, counted.requested
    FROM counted JOIN object USING (account_id, kind, stripe_id)
)
"""

SYNC_REQUESTS = f"{_PENDING}, {_COUNTED}, {_SYNC_REQUEST}"
"""``REQUEST_SYNC`` for several objects, as a part of a longer statement. That statement defines
``object (number, account_id, kind, stripe_id, customer, event_id, event_created_at, traceparent)``
with each object once: ``number`` is the place in which it is locked, ``customer`` Stripe's id of
the customer that it names, or "", and ``event_id`` the Stripe event. It passes ``at_once`` and
``even_if_unchanged``, and reads the results from ``sync_request``.

An object that is due and that no worker has begun to read is left alone: a worker that claims it
after this statement began also reads it after that, so the request that is there covers this one.
A burst of events about it takes no lock and writes nothing. Exception: a request to apply the
object even if it has not changed is added to one that does not say so. A lease that has ended still
counts as begun: its holder may be alive and about to store an older answer.
"""

_IS_DUE = "applied < requested AND parked_at IS NULL AND next_try_at <= statement_timestamp()"

_MAY_BE_ASKED = """NOT EXISTS (
        SELECT FROM common_backoff AS back_off
        WHERE back_off.queue = 'stripe' AND back_off.owner = lane.account_id
            AND back_off.subject IN ('', lane.kind || '.read')
            AND (back_off.retry_at > statement_timestamp() OR back_off.parked_at IS NOT NULL))"""
"""Condition of a lane whose account answers such requests (``billing.sync.request_back_off``)."""

_IS_WANTED = """(lane.account_id, lane.kind) NOT IN (
        SELECT * FROM unnest(%(without_accounts)s::text[], %(without_kinds)s::text[]))"""
"""Condition of a lane that the caller has not excluded."""

_IS_LANE = "applied < requested AND parked_at IS NULL"

_LANES = f"""
WITH RECURSIVE lane (account_id, kind, lane, id, next_try_at, is_claimable) AS (
    (SELECT account_id, kind, lane, id, next_try_at, {_IS_DUE} AND {IS_FREE}
    FROM billing_syncobject WHERE {_IS_LANE}
    ORDER BY account_id, kind, lane, next_try_at LIMIT 1)
    UNION ALL
    SELECT next_lane.*
    FROM lane CROSS JOIN LATERAL (
        SELECT account_id, kind, lane, id, next_try_at, {_IS_DUE} AND {IS_FREE}
        FROM billing_syncobject
        WHERE {_IS_LANE}
            AND (account_id, kind, lane) > (lane.account_id, lane.kind, lane.lane)
        ORDER BY account_id, kind, lane, next_try_at LIMIT 1
    ) AS next_lane
)
"""  # noqa: S608  # made of constants
"""Due objects of one account, kind and project are a lane: each is found by one probe of an index,
however many objects are due, and with it the object that is first in it. Objects of projects that
we do not know yet share one lane."""

_WAITING = f"""
        SELECT id, next_try_at FROM billing_syncobject AS due
        WHERE account_id = lane.account_id AND kind = lane.kind AND due.lane = lane.lane
            AND {_IS_DUE} AND {IS_FREE}
        ORDER BY next_try_at LIMIT"""  # noqa: S608  # made of constants

_IS_ASKED_FOR = f"""{_IS_WANTED}
        AND (%(kind)s = '' OR (lane.account_id = %(account_id)s AND lane.kind = %(kind)s))
        AND {_MAY_BE_ASKED}"""

_CHOSEN = f"""
{_LANES}, first AS MATERIALIZED (
    SELECT account_id, kind, lane, id, next_try_at
    FROM lane WHERE is_claimable AND {_IS_ASKED_FOR}
    UNION ALL
    SELECT lane.account_id, lane.kind, lane.lane, waiting.id, waiting.next_try_at
    FROM lane CROSS JOIN LATERAL ({_WAITING} 1) AS waiting
    WHERE NOT is_claimable AND {_IS_ASKED_FOR}
), account AS (
    SELECT account_id,
        count(*) OVER () >= %(limit)s OR count(DISTINCT lane) >= %(limit)s AS is_crowded
    FROM first GROUP BY account_id
), candidate AS (
    SELECT account_id, lane, id, next_try_at, 1 AS place_in_kind
    FROM first JOIN account USING (account_id) WHERE is_crowded
    UNION ALL
    SELECT lane.account_id, lane.lane, waiting.id, waiting.next_try_at, row_number() OVER (
        PARTITION BY lane.account_id, lane.kind, lane.lane ORDER BY waiting.next_try_at, waiting.id
    )
    FROM first AS lane JOIN account USING (account_id)
    CROSS JOIN LATERAL ({_WAITING} %(limit)s) AS waiting
    WHERE NOT is_crowded
), taken AS (
    SELECT account_id, id, next_try_at, place_in_kind, row_number() OVER (
        PARTITION BY account_id
        ORDER BY place_in_lane, hashtext(lane || %(turn)s), next_try_at, id
    ) AS place_in_account
    FROM (
        SELECT account_id, lane, id, next_try_at, place_in_kind, row_number() OVER (
            PARTITION BY account_id, lane ORDER BY place_in_kind, next_try_at, id
        ) AS place_in_lane
        FROM candidate
    ) AS by_project
    ORDER BY place_in_account LIMIT %(limit)s
), chosen AS (
    SELECT id, row_number() OVER (ORDER BY place_in_batch, next_try_at, id) AS place
    FROM (
        SELECT id, next_try_at, row_number() OVER (
            PARTITION BY account_id ORDER BY place_in_kind, next_try_at, id
        ) AS place_in_batch
        FROM taken
    ) AS batch
)
"""  # noqa: S608  # made of constants

CLAIM_DUE = claim_sql(chosen=_CHOSEN, table=TABLE, is_due=_IS_DUE, returned=CLAIMED)
"""Round robin over the accounts, within an account over its projects, and within a project over its
kinds. If there are more projects than places, ``turn`` (a text, another one for each claim) decides
which of them come first: by age it would always be those whose queues are longest. The
first of each kind come by age, whatever their project: what an object waits for usually became due
before it."""

CLAIM_OBJECT = claim_sql(
    chosen="WITH chosen (id, place) AS (VALUES (%(sync_id)s::bigint, 1))",
    table=TABLE,
    is_due="applied < requested",
    returned=CLAIMED,
)
"""One object, due or not."""

LOCK_ORDER = ("account_id", "kind", "stripe_id")
"""Statements that lock several objects lock them in the order of these columns, as intake does
(``webhooks.services.intake``)."""

RENEW = renew_sql(table=TABLE, order=LOCK_ORDER)

_COMPLETE = """
UPDATE billing_syncobject
SET leased_until = NULL, applied = %(seen)s, applied_at = %(at)s, attempts = 0,
    next_try_at = statement_timestamp(), parked_at = NULL, last_error = '',
    out_of_date_since = NULL
"""
_OF_LEASE = """
WHERE id = %(id)s AND epoch = %(epoch)s
RETURNING id
"""
COMPLETE_UNCHANGED = _COMPLETE + _OF_LEASE
"""End a lease whose snapshot was applied before."""
COMPLETE_UNCHANGED_TOGETHER = f"""
WITH locked AS (
    SELECT sync.id, lease.seen
    FROM billing_syncobject AS sync
    JOIN unnest(%(ids)s::bigint[], %(epochs)s::bigint[], %(seen)s::bigint[])
        AS lease (id, epoch, seen) ON sync.id = lease.id AND sync.epoch = lease.epoch
    WHERE sync.out_of_date_since IS NULL
    ORDER BY {", ".join(LOCK_ORDER)} FOR UPDATE OF sync
)
UPDATE billing_syncobject AS sync
SET leased_until = NULL, applied = locked.seen, applied_at = %(at)s, attempts = 0,
    next_try_at = statement_timestamp(), parked_at = NULL, last_error = ''
FROM locked
WHERE sync.id = locked.id
RETURNING sync.id
"""  # noqa: S608  # made of constants
"""The same for many leases."""
COMPLETE_WITHOUT_CHANGE = f"{_COMPLETE}, applied_digest = NULL {_OF_LEASE}"
"""End a lease whose snapshot was not applied."""
COMPLETE = f"""{_COMPLETE},
    applied_digest = CASE WHEN requested = %(seen)s THEN %(digest)s::bytea END,
    project_id = %(project_id)s, lane = coalesce(%(project_id)s::varchar, ''),
    foreign_at = %(foreign_at)s,
    foreign_customer = %(foreign_customer)s
{_OF_LEASE}"""
"""End a lease whose snapshot has been applied."""

KINDS_WITH_MANY_DUE = f"""
SELECT account_id, kind
FROM billing_syncobject AS lane
WHERE {_IS_DUE} AND {IS_FREE} AND {_IS_WANTED} AND {_MAY_BE_ASKED}
GROUP BY account_id, kind
HAVING count(*) > %(threshold)s
ORDER BY count(*) DESC
"""  # noqa: S608  # made of constants
"""Accounts and kinds with more than ``threshold`` due objects."""
