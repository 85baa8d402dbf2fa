-- The notary: which logs a ledger has, and every checkpoint that was ever signed.
--
-- Rows are only added. There is no state beside them: how far a log is signed is its largest checkpoint, how far it is
-- published is the `checkpoint` file that is served.

CREATE SCHEMA notary;

CREATE TABLE notary.log (
    ledger_id      integer NOT NULL,
    log_id         integer NOT NULL CHECK (log_id > 0),
    name           text    NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),  -- in URLs
    origin         text    NOT NULL,  -- of its checkpoints and of its key; fixed, as receipts depend on it
    vkey           text    NOT NULL,
    first_position bigint  NOT NULL CHECK (first_position > 0),  -- leaf 0
    created_at     bigint  NOT NULL,
    PRIMARY KEY (ledger_id, log_id),
    UNIQUE (ledger_id, name),
    UNIQUE (ledger_id, origin)
);

-- The key forbids what would end all trust in the log: two roots that were signed for one size.
CREATE TABLE notary.checkpoint (
    ledger_id integer NOT NULL,
    log_id    integer NOT NULL,
    size      bigint  NOT NULL CHECK (size >= 0),
    root      bytea   NOT NULL CHECK (octet_length(root) = 32),
    note      text    NOT NULL,  -- the signed note, byte for byte
    signed_at bigint  NOT NULL,
    PRIMARY KEY (ledger_id, log_id, size)
);
