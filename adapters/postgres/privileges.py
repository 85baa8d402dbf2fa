"""Could the connected role change what is recorded? A server whose role could is not ready to serve."""

from __future__ import annotations

import psycopg

# Rights count whether they are the role's own, inherited, or to be had by SET ROLE: hence every role that it is a
# MEMBER of; and session_user, since a SET ROLE to less can be undone. A superuser counts as a member of all.
_ATTRIBUTES = b"""
WITH reachable AS (SELECT * FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER'))
SELECT 'is a superuser, or may become one' FROM reachable WHERE rolsuper
UNION SELECT 'may create roles, and so join others' FROM reachable WHERE rolcreaterole
UNION SELECT 'is a member of ' || rolname FROM reachable
 WHERE rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')
"""

# TRIGGER: whoever may hang a trigger on a table decides what an INSERT stores.
_TABLES = b"""
WITH reachable AS (SELECT * FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')),
guarded AS (
  SELECT c.oid, relowner, nspname || '.' || relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
   WHERE nspname IN ('ledger', 'notary') AND relkind IN ('r', 'p'))
SELECT 'owns database ' || datname FROM pg_database JOIN reachable r ON datdba = r.oid
 WHERE datname = current_database()
UNION SELECT 'owns schema ' || nspname FROM pg_namespace JOIN reachable r ON nspowner = r.oid
 WHERE nspname IN ('ledger', 'notary')
UNION SELECT 'owns ' || name FROM guarded JOIN reachable r ON relowner = r.oid
UNION SELECT 'may ' || privilege || ' ' || name
  FROM guarded t, reachable r, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
 WHERE has_table_privilege(r.oid, t.oid, privilege)
UNION SELECT 'may UPDATE ' || name || '.' || attname
  FROM guarded t JOIN pg_attribute ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped, reachable r
 WHERE has_column_privilege(r.oid, t.oid, attnum, 'UPDATE') AND NOT has_table_privilege(r.oid, t.oid, 'UPDATE')
   AND (name, attname) NOT IN (('ledger.head', 'position'), ('ledger.head', 'recorded_at'))
"""


def excess_privileges(connection: psycopg.Connection) -> tuple[str, ...]:
    """Return what the connected role could do to records, index and signed checkpoints beyond adding, sorted phrases.

    Empty is as it should be: in the schemas `ledger` and `notary` no right to any table but SELECT and INSERT, and for
    `ledger.head` UPDATE of `position` and `recorded_at`. When the role's attributes alone suffice, only they are named.
    """
    for query in (_ATTRIBUTES, _TABLES):
        if found := sorted(row[0] for row in connection.execute(query)):
            return tuple(found)
    return ()
