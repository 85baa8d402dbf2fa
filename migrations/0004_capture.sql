-- Capture: the jobs of documents on their way into a ledger, and what was found wrong with events.
--
-- A job's documents lie in the spool, a folder; here is how far it came. Its cursor moves in the transaction that
-- appends the events before it, so a job that is taken up again after a crash neither repeats nor leaves out one.
-- Times are microseconds since 1970 in UTC.

CREATE SCHEMA IF NOT EXISTS work;

CREATE TABLE work.capture_job (
    ledger_id    integer NOT NULL,
    job_id       uuid    NOT NULL,  -- the standard's captureID; a UUIDv7, so jobs sort by time
    organisation text    NOT NULL,
    behaviour    text    NOT NULL CHECK (behaviour IN ('rollback', 'proceed')),
    documents    text[]  NOT NULL,  -- names, in order; document i lies in the spool as job_id/i
    bytes        bigint  NOT NULL,  -- of all documents
    created_at   bigint  NOT NULL,
    phase        text    NOT NULL DEFAULT 'checking' CHECK (phase IN ('checking', 'appending', 'captured', 'refused')),
    failed       boolean NOT NULL DEFAULT false,  -- an event, or all of them, is not captured
    finished_at  bigint,
    -- The cursor: `appended` events of the job, in the order of its documents, are dealt with.
    appended     bigint  NOT NULL DEFAULT 0,
    recorded     bigint  NOT NULL DEFAULT 0,
    duplicates   bigint  NOT NULL DEFAULT 0,
    conflicts    bigint  NOT NULL DEFAULT 0,
    malformed    bigint  NOT NULL DEFAULT 0,
    -- A runner holds a job by a lease; whoever took it over has another number, and the old runner's commits fail.
    lease        bigint  NOT NULL DEFAULT 0,
    leased_until bigint  NOT NULL DEFAULT 0,
    -- Idempotency-Key of the request, and what it carried: sent again, it is this job.
    request_key    text,
    request_digest bytea,
    PRIMARY KEY (ledger_id, job_id)
);
CREATE INDEX capture_job_organisation ON work.capture_job (ledger_id, organisation, job_id);
CREATE UNIQUE INDEX capture_job_request ON work.capture_job (ledger_id, organisation, request_key);
CREATE INDEX capture_job_open ON work.capture_job (ledger_id, job_id) WHERE finished_at IS NULL;

-- One row a broken rule, or an event that was not recorded because it is there already.
CREATE TABLE work.finding (
    ledger_id    integer NOT NULL,
    finding_id   uuid    NOT NULL,  -- UUIDv7
    organisation text    NOT NULL,  -- who sent it; nobody else sees it
    job_id       uuid,              -- NULL: not from a document
    document     text    NOT NULL,
    event_index  bigint,            -- in the document, from 0; NULL: about the document itself
    path         text    NOT NULL,  -- JSONPath (RFC 9535) from the document's root
    code         text    NOT NULL,
    severity     text    NOT NULL CHECK (severity IN ('error', 'warning')),
    message      text    NOT NULL,
    position     bigint,            -- the recorded event that it is about, repeats or contradicts
    letter_id    uuid,              -- the bytes of an event that was not recorded
    found_at     bigint  NOT NULL,
    state        text    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'dismissed')),
    settled_at   bigint,            -- when it was replayed or dismissed
    PRIMARY KEY (ledger_id, finding_id)
);
CREATE INDEX finding_organisation ON work.finding (ledger_id, organisation, finding_id);
CREATE INDEX finding_job ON work.finding (ledger_id, job_id, finding_id);
CREATE INDEX finding_position ON work.finding (ledger_id, position) WHERE position IS NOT NULL;
CREATE INDEX finding_letter ON work.finding (ledger_id, letter_id) WHERE letter_id IS NOT NULL;

-- The bytes of an event that was not recorded, once, however many rules it breaks. A recorded event's are its source.
CREATE TABLE work.letter (
    ledger_id integer NOT NULL,
    letter_id uuid    NOT NULL,
    position  bigint,           -- the recorded event that it repeats or contradicts: erased together with it
    context   bytea   NOT NULL, -- the document's @context as JSON, without which prefixes have no meaning; empty: none
    body      bytea   NOT NULL,
    PRIMARY KEY (ledger_id, letter_id)
);
CREATE INDEX letter_position ON work.letter (ledger_id, position) WHERE position IS NOT NULL;
ALTER TABLE work.letter ALTER context SET STATISTICS 0, ALTER body SET STATISTICS 0;
ALTER TABLE work.finding ALTER message SET STATISTICS 0;
