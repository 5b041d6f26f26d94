"""The statements that take due objects out of the sync queue, fair over accounts and kinds."""

_IS_FREE = """applied < requested AND parked_at IS NULL AND next_try_at <= statement_timestamp()
        AND (leased_until IS NULL OR leased_until < statement_timestamp())"""

_MAY_BE_ASKED = """NOT EXISTS (
        SELECT FROM common_backoff AS back_off
        WHERE back_off.queue = 'stripe' AND back_off.owner = lane.account_id
            AND back_off.subject IN ('', lane.kind || '.read')
            AND (back_off.retry_at > statement_timestamp() OR back_off.parked_at IS NOT NULL))"""
"""``billing.sync.request_back_off``, in SQL."""

_LANES = """
WITH RECURSIVE lane (account_id, kind) AS (
    (SELECT account_id, kind FROM billing_syncobject
    WHERE applied < requested AND parked_at IS NULL
    ORDER BY account_id, kind LIMIT 1)
    UNION ALL
    SELECT following.account_id, following.kind
    FROM lane CROSS JOIN LATERAL (
        SELECT account_id, kind FROM billing_syncobject
        WHERE applied < requested AND parked_at IS NULL
            AND (account_id, kind) > (lane.account_id, lane.kind)
        ORDER BY account_id, kind LIMIT 1
    ) AS following
)
"""
"""The accounts and kinds of which objects wait: a few probes of an index, however many wait."""

CLAIM_DUE = f"""
{_LANES}, candidate AS (
    SELECT lane.account_id, waiting.id, waiting.next_try_at, row_number() OVER (
        PARTITION BY lane.account_id, lane.kind ORDER BY waiting.next_try_at, waiting.id) AS place
    FROM lane CROSS JOIN LATERAL (
        SELECT id, next_try_at FROM billing_syncobject
        WHERE account_id = lane.account_id AND kind = lane.kind AND {_IS_FREE}
        ORDER BY next_try_at LIMIT %(limit)s
    ) AS waiting
    WHERE lane.account_id <> ALL(%(without)s)
        AND (%(kind)s = '' OR (lane.account_id = %(account_id)s AND lane.kind = %(kind)s))
        AND {_MAY_BE_ASKED}
), picked AS (
    SELECT id, row_number() OVER (ORDER BY turn, next_try_at, id) AS turn
    FROM (
        SELECT id, next_try_at, row_number() OVER (
            PARTITION BY account_id ORDER BY place, next_try_at, id) AS turn
        FROM candidate
    ) AS by_account
    ORDER BY turn LIMIT %(limit)s
), due AS (
    SELECT sync.id, leased_until IS NOT NULL AS abandoned, next_try_at AS due_since, picked.turn
    FROM billing_syncobject AS sync JOIN picked ON picked.id = sync.id
    WHERE {_IS_FREE}
    FOR UPDATE OF sync SKIP LOCKED
), claimed AS (
    UPDATE billing_syncobject AS sync
    SET epoch = sync.epoch + 1, leased_until = statement_timestamp() + %(lease)s
    FROM due
    WHERE sync.id = due.id
    RETURNING sync.id, sync.account_id, sync.kind, sync.stripe_id, sync.epoch, sync.requested,
        sync.attempts, due.abandoned, due.due_since, due.turn
)
SELECT id, account_id, kind, stripe_id, epoch, requested, attempts, abandoned, due_since
FROM claimed ORDER BY turn
"""  # noqa: S608  # made of constants
"""By turns: of each account one object after the other, and within an account of each kind."""

CROWDS = f"""
SELECT account_id, kind
FROM billing_syncobject AS lane
WHERE {_IS_FREE} AND account_id <> ALL(%(without)s) AND {_MAY_BE_ASKED}
GROUP BY account_id, kind
HAVING count(*) > %(crowd)s
ORDER BY count(*) DESC
"""  # noqa: S608  # made of constants
"""Accounts and kinds of which more than so many objects are due."""
