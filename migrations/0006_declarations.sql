-- migrate: no transaction
-- The newest error declarations, for a process that keeps what each ledger's declarations join on.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sighting_declaring
    ON ledger.sighting (ledger_id, position) INCLUDE (event) WHERE retracts;
