"""Tables in SQL: models can declare neither partitions nor storage parameters."""

WEBHOOK_DELIVERY = """
CREATE TABLE delivery_webhookdelivery (
    id varchar(30) COLLATE "C" PRIMARY KEY,
    project_id varchar(30) NOT NULL
        CONSTRAINT delivery_webhookdelivery_project_id_fk_projects_project_id
        REFERENCES projects_project (id) DEFERRABLE INITIALLY DEFERRED,
    endpoint_id varchar(30) NOT NULL,
    replay_id varchar(30) NOT NULL,
    kind varchar(8) NOT NULL,
    event_id varchar(30) NOT NULL,
    event_type varchar(64) NOT NULL,
    position bigint NOT NULL,
    customer_id varchar(64) NOT NULL,
    state varchar(10) NOT NULL,
    reason varchar(32) NOT NULL,
    attempts smallint NOT NULL,
    due_at timestamptz NOT NULL,
    first_attempt_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT delivery_webhookdelivery_endpoint_tenant_fk FOREIGN KEY (project_id, endpoint_id)
        REFERENCES delivery_webhookendpoint (project_id, id) DEFERRABLE INITIALLY DEFERRED
) PARTITION BY RANGE (id);
CREATE TABLE delivery_webhookdelivery_rest PARTITION OF delivery_webhookdelivery DEFAULT;
CREATE INDEX delivery_by_endpoint ON delivery_webhookdelivery (endpoint_id, id DESC);
CREATE INDEX delivery_by_event ON delivery_webhookdelivery (project_id, event_id);
CREATE INDEX delivery_waiting ON delivery_webhookdelivery (endpoint_id, due_at)
    WHERE state = 'waiting';
CREATE INDEX delivery_behind ON delivery_webhookdelivery (endpoint_id, customer_id, position)
    WHERE state = 'behind';
CREATE INDEX delivery_failed ON delivery_webhookdelivery (endpoint_id, id DESC)
    WHERE state = 'failed';
"""

WEBHOOK_ATTEMPT = """
CREATE TABLE delivery_webhookattempt (
    id varchar(30) COLLATE "C" PRIMARY KEY,
    project_id varchar(30) NOT NULL,
    delivery_id varchar(30) NOT NULL,
    endpoint_id varchar(30) NOT NULL,
    customer_id varchar(64) NOT NULL,
    number smallint NOT NULL,
    sent_at timestamptz NOT NULL,
    url varchar(2000) NOT NULL,
    address varchar(45) NOT NULL,
    status smallint,
    fault varchar(24) NOT NULL,
    sentence varchar(300) NOT NULL,
    is_reused boolean NOT NULL,
    phases jsonb NOT NULL,
    request_headers jsonb NOT NULL,
    body_bytes integer NOT NULL,
    body_digest varchar(16) NOT NULL,
    response_headers jsonb NOT NULL,
    response_body bytea NOT NULL,
    is_cut boolean NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE delivery_webhookattempt_rest PARTITION OF delivery_webhookattempt DEFAULT;
CREATE INDEX attempt_by_delivery ON delivery_webhookattempt (delivery_id, number);
CREATE INDEX attempt_by_customer ON delivery_webhookattempt (project_id, customer_id)
    WHERE NOT customer_id = '';
"""

VACUUM_OFTEN = """
ALTER TABLE delivery_webhookendpoint SET (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
"""
"""Rows that change several times a second."""
