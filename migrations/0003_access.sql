-- Who takes part in a ledger, with which keys, and what each opens to whom. Times are microseconds since 1970 in UTC.
--
-- Nothing is deleted: a revoked key and an ended grant stay, so that it can be told later who could see what, and when.

CREATE SCHEMA access;

CREATE TABLE access.organisation (
    ledger_id    integer NOT NULL,
    name         text    NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$' AND name <> 'public'),
    display_name text    NOT NULL,
    created_at   bigint  NOT NULL,
    PRIMARY KEY (ledger_id, name)
);

-- Whoever holds a GLN sees the events that name it as a party: each belongs to one organisation.
CREATE TABLE access.identifier (
    ledger_id    integer NOT NULL,
    scheme       text    NOT NULL CHECK (scheme IN ('gln', 'domain')),
    value        text    NOT NULL,
    organisation text    NOT NULL,
    PRIMARY KEY (ledger_id, scheme, value),
    FOREIGN KEY (ledger_id, organisation) REFERENCES access.organisation
);
CREATE INDEX identifier_organisation ON access.identifier (ledger_id, organisation);

CREATE TABLE access.api_key (
    ledger_id    integer NOT NULL,
    key_id       text    NOT NULL,
    organisation text    NOT NULL,
    hash         bytea   NOT NULL CHECK (octet_length(hash) = 32),  -- SHA-256: the key is 256 random bits
    scopes       text[]  NOT NULL CHECK (scopes <@ '{capture,query,admin}' AND scopes <> '{}'),
    created_at   bigint  NOT NULL,
    revoked_at   bigint,
    PRIMARY KEY (ledger_id, hash),
    UNIQUE (ledger_id, key_id),
    FOREIGN KEY (ledger_id, organisation) REFERENCES access.organisation
);

-- The grantee `public` is everybody: such a grant is the grantor's public profile.
CREATE TABLE access.disclosure (
    ledger_id  integer NOT NULL,
    grantor    text    NOT NULL,
    grantee    text    NOT NULL,
    steps      text[],           -- CBV business steps; NULL: every event
    parts      text[]  NOT NULL CHECK (parts <@ '{item,what,where,why,how,more}'),
    created_at bigint  NOT NULL,
    ended_at   bigint,
    FOREIGN KEY (ledger_id, grantor) REFERENCES access.organisation
);
CREATE UNIQUE INDEX disclosure_in_force ON access.disclosure (ledger_id, grantor, grantee) WHERE ended_at IS NULL;
CREATE INDEX disclosure_grantee ON access.disclosure (ledger_id, grantee) WHERE ended_at IS NULL;

-- A reader asks at every answer for the visibilities that came after those it knows.
CREATE INDEX visibility_position ON ledger.visibility (ledger_id, position);
