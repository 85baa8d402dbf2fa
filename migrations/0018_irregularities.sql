-- What is irregular about the things of each organisation, in the events that it sees, and how far that was judged. Rows
-- follow from the ledger and the rights of the organisation, but for when it was looked: known_at and ended_at.

CREATE TABLE work.judged (
    ledger_id    integer NOT NULL,
    organisation text    NOT NULL,
    position     bigint  NOT NULL,  -- what is recorded up to here was looked at
    rights       bytea   NOT NULL,  -- digest of what else the judgement follows from; another one begins anew
    register_at  bigint  NOT NULL,  -- the register counted as known here; a later statement begins anew
    PRIMARY KEY (ledger_id, organisation)
);

CREATE TABLE work.irregularity (
    ledger_id    integer NOT NULL,
    organisation text    NOT NULL,  -- who is told
    position     bigint  NOT NULL,  -- of the event that breaks a rule
    digest       bytea   NOT NULL,  -- of thing, code, against and told: with the position they are its identity
    event_id     uuid    NOT NULL,
    thing        text    NOT NULL,
    thing_tag    bigint  NOT NULL,  -- hash of its item: tag; the thing may be too long for an index
    code         text    NOT NULL,
    severity     text    NOT NULL CHECK (severity IN ('error', 'warning')),
    against      bigint,
    against_id   uuid,
    told         text    NOT NULL,
    known_at     bigint  NOT NULL,  -- it was found as known at this position
    ended_at     bigint,            -- as known here it was found no more; NULL: it stands
    PRIMARY KEY (ledger_id, organisation, position, digest)
);
CREATE INDEX irregularity_standing ON work.irregularity (ledger_id, organisation, position, digest) WHERE ended_at IS NULL;
CREATE INDEX irregularity_thing ON work.irregularity (ledger_id, organisation, thing_tag);
