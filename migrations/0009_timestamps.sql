-- What authorities outside say of when a checkpoint existed (RFC 3161). Rows are only added.
CREATE TABLE notary.timestamp (
    ledger_id   integer NOT NULL,
    log_id      integer NOT NULL,
    size        bigint  NOT NULL,  -- of the checkpoint
    authority   text    NOT NULL,  -- the address that was asked
    received_at bigint  NOT NULL,
    response    bytea   NOT NULL CHECK (octet_length(response) <= 65536),  -- TimeStampResp, byte for byte
    PRIMARY KEY (ledger_id, log_id, size, authority, received_at)
);
