"""SQL that stores events and requests a sync of their objects, for one event or a batch.

The rows are parameters: one array for each column. SQL, because a row depends on another write;
constant, so that it is planned once per connection. ``OFFSET 0`` keeps PostgreSQL from reading the
table for the look-ups of a batch.
"""

from billing.sync import queue_sql

_DELIVERIES = """
delivery AS MATERIALIZED (
    SELECT delivery.*
    FROM set_config('lock_timeout',
        coalesce(%(lock_timeout)s, current_setting('lock_timeout')), true),
    unnest(
        %(objects)s::bigint[], %(account_ids)s::text[], %(kinds)s::text[], %(stripe_ids)s::text[],
        %(customers)s::text[], %(ids)s::text[], %(endpoint_ids)s::text[], %(event_ids)s::text[],
        %(types)s::text[], %(bodies)s::bytea[], %(quarantined)s::text[],
        %(created_at)s::timestamptz[], %(traceparents)s::text[], %(received_at)s::timestamptz[],
        %(report_due_at)s::timestamptz[]
    ) WITH ORDINALITY AS delivery (number, account_id, kind, stripe_id, customer, id, endpoint_id,
        event_id, type, body, quarantined, event_created_at, traceparent, received_at,
        report_due_at, place)
)
"""

_OBJECTS = """
object AS MATERIALIZED (
    SELECT DISTINCT ON (number) number, account_id, kind, stripe_id, customer, event_id,
        event_created_at, traceparent
    FROM delivery
    WHERE kind <> '' AND NOT EXISTS (
        SELECT FROM webhooks_inboundevent AS event
        WHERE event.endpoint_id = delivery.endpoint_id AND event.event_id = delivery.event_id
        OFFSET 0)
    ORDER BY number, place
)
"""

_STORE = """
INSERT INTO webhooks_inboundevent AS event (
    id, endpoint_id, event_id, type, stripe_object_id, customer_stripe_id, body, sync_id,
    request_number, quarantined, report_due_at, deliveries, received_at, last_received_at)
SELECT id, endpoint_id, event_id, type, stripe_id, customer, body, sync_id, request_number,
    quarantined, report_due_at, 1, received_at, received_at
FROM delivery LEFT JOIN sync_request USING (number)
ORDER BY place
ON CONFLICT (endpoint_id, event_id) DO UPDATE SET
    deliveries = event.deliveries + 1, last_received_at = EXCLUDED.last_received_at
RETURNING deliveries
"""

RECEIVE = f"WITH {_DELIVERIES}, {_OBJECTS}, {queue_sql.SYNC_REQUESTS}{_STORE}"
"""Returns the number of deliveries of each event, in the order of the arrays.

Each event is there once. Events about the same object have the same number in ``objects``, and the
arrays are in the order of these numbers: objects and then events are locked in it.

The object of the first delivery stays due until it is applied, so a later delivery of the event
requests nothing. With a ``lock_timeout`` (or else NULL) the transaction waits for each lock no
longer than that.
"""
