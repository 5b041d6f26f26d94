"""Tables that models cannot declare: one is partitioned by month, and none of them has foreign keys
(``usage/models/record.py`` says why)."""

RECORD = """
CREATE TABLE usage_record (
    project_id varchar(30) NOT NULL,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    occurred_at timestamptz NOT NULL,
    id varchar(30) COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    member bytea,
    recorded_at timestamptz NOT NULL,
    corrects varchar(30) COLLATE "C" NOT NULL DEFAULT '',
    voided_at timestamptz,
    forwarding varchar(12) NOT NULL DEFAULT '',
    forwarding_error text NOT NULL DEFAULT '',
    forwarded_at timestamptz,
    event_identifier varchar(64) COLLATE "C" NOT NULL DEFAULT ''
) PARTITION BY RANGE (occurred_at);
CREATE TABLE usage_record_rest PARTITION OF usage_record DEFAULT;
CREATE INDEX usage_record_place ON usage_record (customer_id, meter_id, occurred_at);
CREATE INDEX usage_record_by_lane ON usage_record (meter_id, recorded_at)
    WHERE forwarding IN ('pending', 'canceling');
CREATE INDEX usage_record_waiting ON usage_record (project_id, customer_id)
    WHERE forwarding = 'waiting';
CREATE INDEX usage_record_refused ON usage_record (project_id, recorded_at)
    WHERE forwarding = 'refused';
"""
"""Without a primary key: ``usage_recordkey`` keeps ids unique, with a smaller index."""

RECORD_KEY = """
CREATE TABLE usage_recordkey (
    project_id varchar(30) NOT NULL,
    id varchar(30) COLLATE "C" PRIMARY KEY,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    occurred_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL
);
"""

TOTAL = """
CREATE TABLE usage_total (
    project_id varchar(30) NOT NULL,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    hour timestamptz NOT NULL,
    count bigint NOT NULL,
    sum numeric(38, 0) NOT NULL,
    max bigint NOT NULL,
    last bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, customer_id, meter_id, hour)
);
"""

MOVEMENT = """
CREATE TABLE usage_movement (
    project_id varchar(30) NOT NULL,
    customer_id varchar(30) NOT NULL,
    meter_id varchar(30) NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, customer_id, meter_id)
);
CREATE INDEX usage_movement_oldest ON usage_movement (moved_at);
"""
