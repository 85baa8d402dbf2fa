-- What the EPCIS REST interface keeps beside the ledger: named queries, requests that may be sent again, page tokens that
-- were ended, and the values that its lists hold. Times are microseconds since 1970 in UTC.

-- A question under a name. It is its organisation's alone, and subscriptions hang on it.
CREATE TABLE work.named_query (
    ledger_id    integer NOT NULL,
    organisation text    NOT NULL,
    name         text    NOT NULL,
    definition   text    NOT NULL,  -- the JSON object `query` as it was sent
    created_at   bigint  NOT NULL,
    PRIMARY KEY (ledger_id, organisation, name)
);

-- Idempotency-Key of a request that recorded one event, and what it carried: sent again, it is answered as before. The
-- row is committed together with the event.
CREATE TABLE work.event_request (
    ledger_id      integer NOT NULL,
    organisation   text    NOT NULL,
    request_key    text    NOT NULL,
    request_digest bytea   NOT NULL,
    position       bigint  NOT NULL,
    created_at     bigint  NOT NULL,
    PRIMARY KEY (ledger_id, organisation, request_key)
);
CREATE INDEX event_request_created ON work.event_request (ledger_id, created_at);

-- Tokens hold where a page begins and when they end, so none is kept unless it is ended before its time.
CREATE TABLE work.ended_page_token (
    ledger_id    integer NOT NULL,
    digest       bytea   NOT NULL,
    organisation text    NOT NULL,
    expires_at   bigint  NOT NULL,
    PRIMARY KEY (ledger_id, digest)
);
CREATE INDEX ended_page_token_expires ON work.ended_page_token (ledger_id, organisation, expires_at);

-- Which places and dispositions the events of each visibility name: a list is read from here, not from the events.
-- Whoever asks for a list first brings it up to the head, so that what costs nothing at capture lags behind no answer.
CREATE TABLE work.listed (
    ledger_id  integer NOT NULL,
    kind       text    NOT NULL CHECK (kind IN ('bizLocations', 'dispositions', 'readPoints')),
    visibility bigint  NOT NULL,
    digest     bytea   NOT NULL,  -- of the value, which may be too long for an index
    value      text    NOT NULL,
    PRIMARY KEY (ledger_id, kind, visibility, digest)
);
CREATE TABLE work.listed_up_to (
    ledger_id integer PRIMARY KEY,
    position  bigint NOT NULL
);
