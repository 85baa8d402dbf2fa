-- Subscriptions to named queries: where their events are posted, how far that came, and what could not be delivered.
-- Times are microseconds since 1970 in UTC.

CREATE TABLE work.subscription (
    ledger_id           integer NOT NULL,
    subscription_id     uuid    NOT NULL,  -- a UUIDv7, so they sort by time
    organisation        text    NOT NULL,  -- whose eyes the events are seen with
    query_name          text    NOT NULL,
    dest                text    NOT NULL,
    signature_token     text,              -- a secret of the subscriber's: it signs, and no answer shows it
    schedule            text,              -- the JSON object as it was given; NULL: a stream
    report_if_empty     boolean NOT NULL,
    initial_record_time bigint,
    created_at          bigint  NOT NULL,
    -- The cursor: what is recorded up to here was delivered, or is a dead delivery. It is moved by whoever knows where
    -- it stands, so of two that deliver at once only one moves it.
    position            bigint  NOT NULL,
    due_at              bigint  NOT NULL,  -- nothing is delivered before: the schedule, or a pause after a failure
    last_notified_at    bigint,
    failures            integer NOT NULL DEFAULT 0,  -- in a row, of the delivery behind the cursor
    failing_since       bigint,
    last_error          text,
    PRIMARY KEY (ledger_id, subscription_id),
    FOREIGN KEY (ledger_id, organisation, query_name) REFERENCES work.named_query ON DELETE CASCADE
);
CREATE INDEX subscription_query ON work.subscription (ledger_id, organisation, query_name, subscription_id);

-- A delivery that was given up: the events that meet the query between two positions. Their bytes are not kept, so that
-- an erasure reaches them, and who delivers them again sends what the organisation may see by then.
CREATE TABLE work.dead_delivery (
    ledger_id       integer NOT NULL,
    delivery_id     uuid    NOT NULL,
    subscription_id uuid    NOT NULL,
    after_position  bigint  NOT NULL,
    up_to           bigint  NOT NULL,
    events          integer NOT NULL,
    attempts        integer NOT NULL,
    failing_since   bigint  NOT NULL,
    died_at         bigint  NOT NULL,
    reason          text    NOT NULL,
    PRIMARY KEY (ledger_id, delivery_id),
    FOREIGN KEY (ledger_id, subscription_id) REFERENCES work.subscription ON DELETE CASCADE
);
CREATE INDEX dead_delivery_subscription ON work.dead_delivery (ledger_id, subscription_id, delivery_id);
