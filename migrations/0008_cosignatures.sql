-- What witnesses signed under our checkpoints. A row is added when a witness answers and never changes: receipts of the
-- same size may carry different lines, and every one of them can be found again here.
CREATE TABLE notary.cosignature (
    ledger_id integer NOT NULL,
    log_id    integer NOT NULL,
    size      bigint  NOT NULL CHECK (size >= 0),
    vkey      text    NOT NULL,  -- of the witness
    line      text    NOT NULL,  -- the signature line, byte for byte
    PRIMARY KEY (ledger_id, log_id, size, vkey)
);
