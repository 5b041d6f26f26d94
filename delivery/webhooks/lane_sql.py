"""SQL of the lanes: which endpoints have work, their leases, and their deliveries in batches.

Lists are passed as arrays; where a value can be missing, it is an empty string.
"""

from common.lease import IS_FREE, claim_sql, renew_sql

ENDPOINTS = "delivery_webhookendpoint"
CLAIMED = (
    *("id", "epoch", "project_id", "url", "sealed_headers", "event_types", "ordering", "rate"),
    *("state", "position", "failures", "pauses", "breaker_until", "failing_since", "warnings"),
)
"""Columns of a claimed endpoint."""

_CHOSEN = f"""
WITH chosen (id, place) AS (
    SELECT endpoint.id, row_number() OVER (ORDER BY endpoint.due_at NULLS LAST, endpoint.id)
    FROM {ENDPOINTS} AS endpoint
    LEFT JOIN events_projecthead AS head ON head.project_id = endpoint.project_id
    WHERE endpoint.deleted_at IS NULL AND {IS_FREE}
        AND (endpoint.breaker_until IS NULL OR endpoint.breaker_until <= %(at)s)
        AND (endpoint.due_at <= %(at)s
            OR (endpoint.state = 'enabled' AND endpoint.position < head.position))
    ORDER BY endpoint.due_at NULLS LAST, endpoint.id
    LIMIT %(limit)s
)
"""  # noqa: S608  # made of constants

CLAIM = claim_sql(chosen=_CHOSEN, table=ENDPOINTS, is_due="deleted_at IS NULL", returned=CLAIMED)
RENEW = renew_sql(table=ENDPOINTS, id_type="varchar")

HELD = f"""
SELECT endpoint.id FROM {ENDPOINTS} AS endpoint
JOIN unnest(%(ids)s::varchar[], %(epochs)s::bigint[]) AS held (id, epoch)
    ON endpoint.id = held.id AND endpoint.epoch = held.epoch
"""  # noqa: S608
"""The lanes whose leases are still those of these epochs."""

RELEASE = f"""
UPDATE {ENDPOINTS} AS endpoint
SET leased_until = NULL, due_at = least(
    (SELECT min(delivery.due_at) FROM delivery_webhookdelivery AS delivery
    WHERE delivery.endpoint_id = endpoint.id AND delivery.state = 'waiting'
        AND (endpoint.state = 'enabled' OR delivery.kind = 'test')),
    (SELECT min(replay.created_at) FROM delivery_webhookreplay AS replay
    WHERE replay.endpoint_id = endpoint.id AND replay.state = 'running'
        AND endpoint.state = 'enabled'))
FROM unnest(%(ids)s::varchar[], %(epochs)s::bigint[]) AS held (id, epoch)
WHERE endpoint.id = held.id AND endpoint.epoch = held.epoch
RETURNING endpoint.id
"""  # noqa: S608

LOAD = """
SELECT delivery.endpoint_id, delivery.id, delivery.kind, delivery.event_id, delivery.event_type,
    delivery.position, delivery.customer_id, delivery.attempts, delivery.first_attempt_at
FROM unnest(%(ids)s::varchar[], %(enabled)s::boolean[]) AS lane (id, is_enabled)
CROSS JOIN LATERAL (
    SELECT * FROM delivery_webhookdelivery
    WHERE endpoint_id = lane.id AND state = 'waiting' AND due_at <= %(at)s
        AND (lane.is_enabled OR kind = 'test')
    ORDER BY due_at, id LIMIT %(limit)s
) AS delivery
"""
NEXT_DUE = """
SELECT lane.id, (
    SELECT min(due_at) FROM delivery_webhookdelivery
    WHERE endpoint_id = lane.id AND state = 'waiting' AND due_at > %(at)s)
FROM unnest(%(ids)s::varchar[]) AS lane (id)
"""

MOVE = f"""
UPDATE {ENDPOINTS} AS endpoint
SET position = moved.position, due_at = least(endpoint.due_at, %(at)s)
FROM unnest(%(ids)s::varchar[], %(epochs)s::bigint[], %(positions)s::bigint[])
    AS moved (id, epoch, position)
WHERE endpoint.id = moved.id AND endpoint.epoch = moved.epoch AND endpoint.state = 'enabled'
    AND endpoint.deleted_at IS NULL AND endpoint.position < moved.position
RETURNING endpoint.id
"""  # noqa: S608
"""Whoever claims the lane after this process has died finds it due."""

INSERT = """
INSERT INTO delivery_webhookdelivery (id, project_id, endpoint_id, replay_id, kind, event_id,
    event_type, position, customer_id, state, reason, attempts, due_at)
SELECT id, project_id, endpoint_id, %(replay_id)s, %(kind)s, event_id, event_type, position,
    customer_id, state, '', 0, %(at)s
FROM unnest(%(ids)s::varchar[], %(projects)s::varchar[], %(endpoints)s::varchar[],
    %(events)s::varchar[], %(types)s::varchar[], %(positions)s::bigint[], %(customers)s::varchar[],
    %(states)s::varchar[])
    AS new (id, project_id, endpoint_id, event_id, event_type, position, customer_id, state)
"""

BUSY_CUSTOMERS = """
SELECT endpoint_id, customer_id FROM delivery_webhookdelivery
WHERE endpoint_id = ANY(%(ids)s::varchar[]) AND state = 'waiting' AND customer_id <> ''
    AND kind = 'live'
UNION
SELECT endpoint_id, customer_id FROM delivery_webhookdelivery
WHERE endpoint_id = ANY(%(ids)s::varchar[]) AND state = 'behind'
"""
"""Customers who have an unfinished delivery at one of these ordered endpoints."""

STORE = """
UPDATE delivery_webhookdelivery AS delivery
SET state = result.state, reason = result.reason, attempts = result.attempts,
    due_at = coalesce(nullif(result.due_at, '')::timestamptz, delivery.due_at),
    first_attempt_at = coalesce(delivery.first_attempt_at, result.sent_at::timestamptz),
    finished_at = nullif(result.finished_at, '')::timestamptz
FROM unnest(%(ids)s::varchar[], %(states)s::varchar[], %(reasons)s::varchar[],
    %(attempts)s::smallint[], %(due)s::varchar[], %(sent)s::varchar[], %(finished)s::varchar[])
    AS result (id, state, reason, attempts, due_at, sent_at, finished_at)
WHERE delivery.id = result.id AND delivery.state = 'waiting'
    AND delivery.attempts = result.attempts - 1
RETURNING delivery.id
"""
"""A result counts if no other one of the same attempt has been stored."""

PROMOTE = """
UPDATE delivery_webhookdelivery AS delivery
SET state = 'waiting', due_at = %(at)s
FROM (
    SELECT next.id
    FROM unnest(%(ids)s::varchar[], %(customers)s::varchar[]) AS done (endpoint_id, customer_id)
    CROSS JOIN LATERAL (
        SELECT id FROM delivery_webhookdelivery
        WHERE endpoint_id = done.endpoint_id AND customer_id = done.customer_id
            AND state = 'behind'
            AND NOT EXISTS (
                SELECT FROM delivery_webhookdelivery AS head
                WHERE head.endpoint_id = done.endpoint_id
                    AND head.customer_id = done.customer_id
                    AND head.state = 'waiting' AND head.kind = 'live')
        ORDER BY position LIMIT 1
    ) AS next
) AS next
WHERE delivery.id = next.id
RETURNING delivery.endpoint_id, delivery.id, delivery.kind, delivery.event_id, delivery.event_type,
    delivery.position, delivery.customer_id, delivery.attempts, delivery.first_attempt_at
"""
"""The next delivery of each customer whose last one has ended."""

HEALTH = f"""
UPDATE {ENDPOINTS} AS endpoint
SET failures = lane.failures, pauses = lane.pauses, last_problem = lane.problem,
    breaker_until = nullif(lane.breaker_until, '')::timestamptz,
    failing_since = nullif(lane.failing_since, '')::timestamptz,
    last_success_at = CASE WHEN lane.has_succeeded = 1 THEN %(at)s
        ELSE endpoint.last_success_at END,
    certificate_expires_at = coalesce(
        nullif(lane.certificate, '')::timestamptz, endpoint.certificate_expires_at)
FROM unnest(%(ids)s::varchar[], %(epochs)s::bigint[], %(failures)s::integer[],
    %(pauses)s::smallint[], %(problems)s::varchar[], %(breakers)s::varchar[],
    %(failing)s::varchar[], %(succeeded)s::smallint[], %(certificates)s::varchar[])
    AS lane (id, epoch, failures, pauses, problem, breaker_until, failing_since, has_succeeded,
        certificate)
WHERE endpoint.id = lane.id AND endpoint.epoch = lane.epoch
RETURNING endpoint.id
"""  # noqa: S608
