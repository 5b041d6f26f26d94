"""The statements that take due objects out of the sync queue, fair over accounts and kinds."""

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
)
"""Columns of a claimed row, in the order of the fields of ``sync_queue.Claim``."""

_IS_DUE = "applied < requested AND parked_at IS NULL AND next_try_at <= statement_timestamp()"

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

_CHOSEN = f"""
{_LANES}, candidate AS (
    SELECT lane.account_id, waiting.id, waiting.next_try_at, row_number() OVER (
        PARTITION BY lane.account_id, lane.kind ORDER BY waiting.next_try_at, waiting.id
    ) AS place_in_kind
    FROM lane CROSS JOIN LATERAL (
        SELECT id, next_try_at FROM billing_syncobject
        WHERE account_id = lane.account_id AND kind = lane.kind AND {_IS_DUE} AND {IS_FREE}
        ORDER BY next_try_at LIMIT %(limit)s
    ) AS waiting
    WHERE lane.account_id <> ALL(%(without)s)
        AND (%(kind)s = '' OR (lane.account_id = %(account_id)s AND lane.kind = %(kind)s))
        AND {_MAY_BE_ASKED}
), chosen AS (
    SELECT id, row_number() OVER (ORDER BY place_in_account, next_try_at, id) AS place
    FROM (
        SELECT id, next_try_at, row_number() OVER (
            PARTITION BY account_id ORDER BY place_in_kind, next_try_at, id) AS place_in_account
        FROM candidate
    ) AS by_account
    ORDER BY place_in_account LIMIT %(limit)s
)
"""  # noqa: S608  # made of constants

CLAIM_DUE = claim_sql(chosen=_CHOSEN, table=TABLE, is_due=_IS_DUE, returned=CLAIMED)
"""Round robin over the accounts, and within an account over its kinds."""

CLAIM_ONE = claim_sql(
    chosen="WITH chosen (id, place) AS (VALUES (%(sync_id)s::bigint, 1))",
    table=TABLE,
    is_due="applied < requested",
    returned=CLAIMED,
)
"""One object, due or not."""

RENEW = renew_sql(table=TABLE)

CROWDS = f"""
SELECT account_id, kind
FROM billing_syncobject AS lane
WHERE {_IS_DUE} AND {IS_FREE} AND account_id <> ALL(%(without)s) AND {_MAY_BE_ASKED}
GROUP BY account_id, kind
HAVING count(*) > %(crowd)s
ORDER BY count(*) DESC
"""  # noqa: S608  # made of constants
"""Accounts and kinds of which more than so many objects are due."""
