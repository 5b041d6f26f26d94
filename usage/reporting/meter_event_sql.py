"""The statements of ``usage.reporting.meter_events``; all are constant."""

GATHER = """
WITH chosen AS (
    SELECT record.project_id, record.customer_id, record.meter_id, record.occurred_at, record.id,
        given.identifier || '.' || (row_number() OVER (
            PARTITION BY given.identifier ORDER BY record.occurred_at, record.id) - 1) / %(most)s
            AS identifier
    FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
        %(firsts)s::timestamptz[], %(ends)s::timestamptz[], %(identifiers)s::text[])
        AS given (project_id, customer_id, meter_id, since, until, identifier)
    JOIN usage_record AS record
        ON record.project_id = given.project_id AND record.customer_id = given.customer_id
        AND record.meter_id = given.meter_id
        AND record.occurred_at >= greatest(given.since, %(oldest)s)
        AND record.occurred_at < given.until
    WHERE record.forwarding = 'pending' AND record.forwarded_at IS NULL
        AND record.value < %(large)s
), fixed AS (
    UPDATE usage_record AS record
    SET event_identifier = given.identifier, forwarded_at = %(at)s
    FROM chosen AS given
    WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
        AND record.meter_id = given.meter_id AND record.occurred_at = given.occurred_at
        AND record.id = given.id AND record.forwarding = 'pending'
        AND record.forwarded_at IS NULL
    RETURNING record.project_id, record.customer_id, record.meter_id, record.occurred_at,
        record.value, record.event_identifier
)
SELECT project_id, customer_id, meter_id, event_identifier, min(occurred_at), max(occurred_at),
    sum(value), count(*), count(*)
FROM fixed GROUP BY project_id, customer_id, meter_id, event_identifier
"""

FIX_EACH = """
UPDATE usage_record AS record SET event_identifier = given.identifier, forwarded_at = %(at)s
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(moments)s::timestamptz[], %(ids)s::text[], %(identifiers)s::text[])
    AS given (project_id, customer_id, meter_id, occurred_at, id, identifier)
WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id AND record.occurred_at = given.occurred_at
    AND record.id = given.id COLLATE "C" AND record.forwarding = 'pending'
    AND record.forwarded_at IS NULL
RETURNING record.project_id, record.customer_id, record.meter_id, record.event_identifier,
    record.occurred_at, record.occurred_at, record.value, 1, 1
"""

FIND = """
SELECT record.project_id, record.customer_id, record.meter_id, given.identifier,
    min(record.occurred_at), max(record.occurred_at), sum(record.value), count(*),
    count(*) FILTER (WHERE record.forwarding = 'pending')
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(firsts)s::timestamptz[], %(ends)s::timestamptz[], %(identifiers)s::text[])
    AS given (project_id, customer_id, meter_id, since, until, identifier)
JOIN usage_record AS record
    ON record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id
    AND record.occurred_at >= given.since AND record.occurred_at <= given.until
    AND coalesce(nullif(record.event_identifier, ''), record.id) = given.identifier COLLATE "C"
GROUP BY record.project_id, record.customer_id, record.meter_id, given.identifier
"""

END = """
UPDATE usage_record AS record SET
    forwarding = CASE
        WHEN record.forwarding = 'pending' THEN given.outcome
        WHEN given.is_known THEN record.forwarding
        ELSE '' END,
    forwarding_error = CASE WHEN record.forwarding = 'pending' THEN given.error ELSE '' END,
    event_identifier = CASE WHEN given.is_known THEN record.event_identifier ELSE '' END,
    forwarded_at = CASE WHEN given.is_known THEN record.forwarded_at END
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(identifiers)s::text[],
    %(outcomes)s::text[], %(errors)s::text[], %(known)s::boolean[])
    AS given (project_id, customer_id, meter_id, since, until, identifier, outcome, error, is_known)
WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id
    AND record.occurred_at >= given.since AND record.occurred_at <= given.until
    AND coalesce(nullif(record.event_identifier, ''), record.id) = given.identifier COLLATE "C"
    AND (record.forwarding = 'pending' OR record.forwarding = 'canceling' AND NOT given.is_known)
"""

TAKEN_BACK = """
UPDATE usage_record AS record SET
    forwarding = CASE WHEN record.voided_at IS NULL THEN 'pending' ELSE 'canceled' END,
    forwarding_error = '',
    event_identifier = CASE WHEN record.voided_at IS NULL THEN '' ELSE given.identifier END,
    forwarded_at = CASE WHEN record.voided_at IS NULL THEN NULL ELSE record.forwarded_at END
FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
    %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(identifiers)s::text[])
    AS given (project_id, customer_id, meter_id, since, until, identifier)
WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
    AND record.meter_id = given.meter_id
    AND record.occurred_at >= given.since AND record.occurred_at <= given.until
    AND coalesce(nullif(record.event_identifier, ''), record.id) = given.identifier COLLATE "C"
    AND record.forwarding IN ('told', 'refused', 'canceling')
"""


LOST = """
WITH lost AS (
    UPDATE usage_record AS record SET forwarding = 'refused', forwarding_error = given.error
    FROM unnest(%(projects)s::text[], %(customers)s::text[], %(meters)s::text[],
        %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(identifiers)s::text[],
        %(errors)s::text[])
        AS given (project_id, customer_id, meter_id, since, until, identifier, error)
    WHERE record.project_id = given.project_id AND record.customer_id = given.customer_id
        AND record.meter_id = given.meter_id
        AND record.occurred_at >= given.since AND record.occurred_at <= given.until
        AND coalesce(nullif(record.event_identifier, ''), record.id) = given.identifier COLLATE "C"
        AND record.forwarding IN ('pending', 'told') AND record.voided_at IS NULL
    RETURNING record.project_id, record.customer_id, record.meter_id, given.identifier,
        record.occurred_at, record.value
)
SELECT project_id, customer_id, meter_id, identifier, min(occurred_at), max(occurred_at),
    sum(value), count(*), count(*)
FROM lost GROUP BY project_id, customer_id, meter_id, identifier
"""
