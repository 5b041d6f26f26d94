"""SQL of reconciliation steps: claim one fairly over accounts, save its progress, finish it."""

from common.lease import IS_FREE

_IS_DUE = f"""
    run.purpose = %(purpose)s AND run.finished_at IS NULL AND {IS_FREE}
    AND run.next_try_at <= statement_timestamp()
    AND (run.account_id = ANY(%(account_ids)s::text[]) OR run.account_id IS NULL AND %(laws)s)
"""

_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT run.id, max(run.touched_at) OVER (PARTITION BY run.account_id) AS account_touched_at
    FROM billing_reconcilerun AS run
    WHERE {is_due}
), chosen AS (
    SELECT run.id
    FROM billing_reconcilerun AS run JOIN due ON due.id = run.id
    WHERE {is_due}
    ORDER BY
        due.account_touched_at,
        array_position(%(steps)s::text[], run.step::text) NULLS LAST,
        run.id
    LIMIT 1
    FOR UPDATE OF run SKIP LOCKED
)
UPDATE billing_reconcilerun AS run
SET leased_until = statement_timestamp() + %(lease)s, touched_at = statement_timestamp()
FROM chosen
WHERE run.id = chosen.id
RETURNING run.id
"""

CLAIM = _CLAIM.format(is_due=_IS_DUE)

SAVE_PROGRESS = """
WITH progress AS (
    UPDATE billing_reconcilerun
    SET phase = %(phase)s, after = %(after)s, compared = %(compared)s, found = %(found)s,
        failed = %(failed)s, attempts = 0, touched_at = statement_timestamp(),
        leased_until = statement_timestamp() + %(lease)s
    WHERE id = %(run_id)s AND finished_at IS NULL
    RETURNING id
)
INSERT INTO billing_reconcilesighting (run_id, stripe_id)
SELECT progress.id, listed.stripe_id
FROM progress, unnest(%(listed_ids)s::text[]) AS listed (stripe_id)
ON CONFLICT DO NOTHING
"""
"""A step that was stopped meanwhile stays as it is."""

FINISH = """
WITH forgotten AS (
    DELETE FROM billing_reconcilesighting WHERE run_id = %(run_id)s
)
UPDATE billing_reconcilerun
SET phase = %(phase)s, compared = %(compared)s, found = %(found)s, failed = %(failed)s,
    finished_at = %(finished_at)s, leased_until = NULL, touched_at = statement_timestamp(),
    last_error = %(error)s
WHERE id = %(run_id)s AND finished_at IS NULL
"""
