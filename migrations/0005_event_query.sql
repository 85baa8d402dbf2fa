-- migrate: no transaction
-- The newest events of each visibility, for questions: a reader's answer is merged from those that it may see, so it
-- costs what the reader may see, not what the ledger holds. The business step is in the visibility.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sighting_seen
    ON ledger.sighting (ledger_id, visibility, occurred_at, position);
