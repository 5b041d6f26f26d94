"""The outbox in SQL: models cannot declare that a table is partitioned."""

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
