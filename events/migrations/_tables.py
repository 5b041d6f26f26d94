"""Tables in SQL: models can declare neither partitions nor storage parameters."""

OUTBOX_EVENT = """
CREATE TABLE events_outboxevent (
    id varchar(30) COLLATE "C" PRIMARY KEY,
    project_id varchar(30) NOT NULL
        CONSTRAINT events_outboxevent_project_id_ea14ccd8_fk_projects_project_id
        REFERENCES projects_project (id) DEFERRABLE INITIALLY DEFERRED,
    type varchar(64) NOT NULL,
    subject varchar(64) NOT NULL,
    customer_id varchar(64) NOT NULL,
    version bigint NOT NULL,
    data jsonb NOT NULL,
    previous jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    relayed_at timestamptz,
    CONSTRAINT events_outboxevent_project_id_key UNIQUE (project_id, id)
) PARTITION BY RANGE (id);
CREATE TABLE events_outboxevent_rest PARTITION OF events_outboxevent DEFAULT;
CREATE INDEX events_outboxevent_project_id_ea14ccd8 ON events_outboxevent (project_id);
CREATE INDEX events_outboxevent_project_id_ea14ccd8_like
    ON events_outboxevent (project_id varchar_pattern_ops);
CREATE INDEX outbox_not_relayed ON events_outboxevent (id) WHERE relayed_at IS NULL;
CREATE INDEX outbox_by_customer ON events_outboxevent (project_id, customer_id, id DESC);
"""

LOGGED_EVENT = """
CREATE TABLE events_loggedevent (
    event_id varchar(30) COLLATE "C" PRIMARY KEY,
    project_id varchar(30) NOT NULL,
    number bigint NOT NULL,
    position bigint NOT NULL,
    customer_id varchar(64) NOT NULL,
    sequence bigint NOT NULL,
    previous_version bigint NOT NULL,
    type varchar(64) NOT NULL
) PARTITION BY RANGE (event_id);
CREATE TABLE events_loggedevent_rest PARTITION OF events_loggedevent DEFAULT;
CREATE INDEX log_by_number ON events_loggedevent (number);
CREATE INDEX log_by_position ON events_loggedevent (project_id, position);
CREATE INDEX log_by_customer ON events_loggedevent (project_id, customer_id, sequence)
    WHERE sequence > 0;
"""

VACUUM_OFTEN = """
ALTER TABLE events_pendingevent SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0);
ALTER TABLE events_loghead SET (
    fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE events_projecthead SET (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
"""
"""Rows that live for milliseconds, and rows that change with every event."""

ENTER_EARLIER_EVENTS = """
INSERT INTO events_pendingevent (n, event_id, project_id, customer_id, type, version)
SELECT -row_number() OVER (ORDER BY id DESC), id, project_id, customer_id, type, version
FROM events_outboxevent AS event
WHERE NOT EXISTS (SELECT FROM events_pendingevent WHERE event_id = event.id)
    AND NOT EXISTS (SELECT FROM events_loggedevent WHERE event_id = event.id)
"""
"""Numbers below zero: they come before all events that are recorded meanwhile."""
