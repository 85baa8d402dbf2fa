-- Partners: where an organisation's events are fetched from, received or looked for, and how far that is.
-- Times are microseconds since 1970 in UTC.

CREATE TABLE work.partner (
    ledger_id    integer NOT NULL,
    name         text    NOT NULL,
    organisation text    NOT NULL,  -- as whom its events are captured
    kind         text    NOT NULL CHECK (kind IN ('epcis', 'webhook', 'folder')),
    address      text    NOT NULL,  -- of /events, or of the folder; empty for a webhook
    accept       text    NOT NULL,  -- what it is asked for: json or xml
    overlap_us   bigint  NOT NULL,  -- how far before the last recordTime it is asked again
    mapping      text,              -- what the columns of its CSV are, as it was given
    header       text,              -- name of the header that carries the secret
    secret       text,              -- that header's value, or the signing token of a webhook
    created_at   bigint  NOT NULL,
    -- Moves in the transaction that makes the capture job of what was received, so that a crash between the two is none.
    progress     jsonb   NOT NULL,
    received     bigint  NOT NULL DEFAULT 0,  -- events
    known        bigint  NOT NULL DEFAULT 0,  -- of these, the ledger had them already
    -- Whoever works on it holds it by a lease, as a capture job.
    lease        bigint  NOT NULL DEFAULT 0,
    leased_until bigint  NOT NULL DEFAULT 0,
    next_at      bigint  NOT NULL,
    failures     integer NOT NULL DEFAULT 0,  -- since the last success
    succeeded_at bigint,
    failed_at    bigint,
    error_code   text,
    error        text,
    -- Of the last pull that brought events.
    last_events  bigint,
    last_us      bigint,
    PRIMARY KEY (ledger_id, name)
);
CREATE INDEX partner_next ON work.partner (ledger_id, next_at);

-- A file of a folder that was dealt with: captured, or found to be unreadable. By its content, whatever its name is now.
CREATE TABLE work.partner_file (
    ledger_id   integer NOT NULL,
    partner     text    NOT NULL,
    digest      bytea   NOT NULL,  -- SHA-256
    name        text    NOT NULL,  -- in the folder, when it was first seen
    size        bigint  NOT NULL,
    modified_ns bigint  NOT NULL,
    seen_at     bigint  NOT NULL,
    job_id      uuid,              -- NULL: nothing of it could be captured
    error_code  text,
    error       text,
    PRIMARY KEY (ledger_id, partner, digest)
);

-- What a partner sent is counted from its jobs; what it repeats is counted and not told.
ALTER TABLE work.capture_job ADD COLUMN partner text;
CREATE INDEX capture_job_partner ON work.capture_job (ledger_id, partner, job_id) WHERE partner IS NOT NULL;
