-- All that the runtime role may do, stated anew after every migrate (see README.md). Each schema has its block.

-- ledger: records and index are only ever added to; of the head only the position and its time move.
REVOKE ALL ON SCHEMA ledger FROM PUBLIC, :"runtime_role";
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC, :"runtime_role";
GRANT USAGE ON SCHEMA ledger TO :"runtime_role";
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ledger TO :"runtime_role";
REVOKE INSERT ON ledger.head FROM :"runtime_role";
GRANT UPDATE (position, recorded_at) ON ledger.head TO :"runtime_role";

-- work: jobs, cursors and the like; the list of migrations is for reading.
REVOKE ALL ON SCHEMA work FROM PUBLIC, :"runtime_role";
REVOKE ALL ON ALL TABLES IN SCHEMA work FROM PUBLIC, :"runtime_role";
GRANT USAGE ON SCHEMA work TO :"runtime_role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA work TO :"runtime_role";
REVOKE INSERT, UPDATE, DELETE ON work.migration FROM :"runtime_role";

-- access: organisations, keys and grants are added; a key is revoked and a grant ended, neither is forgotten or widened.
REVOKE ALL ON SCHEMA access FROM PUBLIC, :"runtime_role";
REVOKE ALL ON ALL TABLES IN SCHEMA access FROM PUBLIC, :"runtime_role";
GRANT USAGE ON SCHEMA access TO :"runtime_role";
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA access TO :"runtime_role";
GRANT UPDATE (revoked_at) ON access.api_key TO :"runtime_role";
GRANT UPDATE (ended_at) ON access.disclosure TO :"runtime_role";

-- notary: logs are created and checkpoints signed; a row never changes.
REVOKE ALL ON SCHEMA notary FROM PUBLIC, :"runtime_role";
REVOKE ALL ON ALL TABLES IN SCHEMA notary FROM PUBLIC, :"runtime_role";
GRANT USAGE ON SCHEMA notary TO :"runtime_role";
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA notary TO :"runtime_role";
