-- The chain of a ledger's logs: what closes one opens the next, in one transaction. Rows are only added.

CREATE TABLE notary.closing (
    ledger_id      integer NOT NULL,
    log_id         integer NOT NULL CHECK (log_id > 0),
    last_position  bigint  NOT NULL CHECK (last_position >= 0),  -- of its last leaf; first_position − 1 if it has none
    -- A log is abandoned when the database was restored from an older state: the published checkpoint, byte for byte,
    -- that lies beyond what the database knows. Null for a log that was closed in good order.
    abandoned_note text,
    reason         text    NOT NULL DEFAULT '',
    closed_at      bigint  NOT NULL,
    PRIMARY KEY (ledger_id, log_id)
);
