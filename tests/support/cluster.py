"""The Citus cluster of TRACEABILITY_CITUS_URL in place of the embedded server; databases are made on all its nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import psycopg
from psycopg import conninfo, errors, sql

from adapters.postgres.embedded import DATABASE, OWNER_ROLE, RUNTIME_ROLE

_SECONDS = 30.0


@dataclass(frozen=True)
class Cluster:
    """A coordinator and its workers; `coordinator` is a superuser's URL. Every role may connect without a password."""

    coordinator: str
    workers: tuple[str, ...]
    """Their superuser's connection strings."""

    def url(self, *, role: str | None = RUNTIME_ROLE, database: str = DATABASE) -> str:
        """Return the coordinator's URL for `role`; None is the superuser."""
        known = conninfo.conninfo_to_dict(self.coordinator)
        user = role or str(known["user"])
        where = f"host={quote(str(known.get('host', '')), safe='')}&port={known.get('port', 5432)}"
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{where}"

    def create(self, name: str, template: str) -> None:
        """Make a database on all nodes: out of `template`, whose connections are ended, or an empty one."""
        with self._nodes() as nodes:
            for node in nodes:
                with _left(node, template):
                    _create(node, name, template)
            if template == "template0":
                # Roles are shared by all databases of a node: two that are told of them at once fail.
                nodes[0].execute("SELECT pg_advisory_lock(1)")
                self._join(name)

    def drop(self, name: str) -> None:
        """Remove a database from all nodes."""
        with self._nodes() as nodes:
            for node in nodes:
                _persistently(node, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def _nodes(self, database: str = "postgres") -> Iterator[list[psycopg.Connection]]:
        with ExitStack() as stack:
            yield [
                stack.enter_context(psycopg.connect(conninfo.make_conninfo(node, dbname=database), autocommit=True))
                for node in (self.coordinator, *self.workers)
            ]

    def _join(self, name: str) -> None:
        """Make the nodes a cluster in a new database, and our roles known to all of them."""
        with self._nodes(name) as (coordinator, *workers):
            for node in (coordinator, *workers):
                node.execute("CREATE EXTENSION citus")
            own, *others = (_address(node) for node in (coordinator, *workers))
            coordinator.execute("SELECT citus_set_coordinator_host(%s, %s)", own)
            for worker in others:
                coordinator.execute("SELECT citus_add_node(%s, %s)", worker)
            # Roles that were there before are known once something depends on them.
            for role in (OWNER_ROLE, RUNTIME_ROLE):
                coordinator.execute(
                    sql.SQL("CREATE TABLE public.known (n int); ALTER TABLE public.known OWNER TO {}").format(
                        sql.Identifier(role)
                    )
                )
                coordinator.execute("SELECT create_distributed_table('public.known', 'n')")
                coordinator.execute("DROP TABLE public.known")


def cluster_of(url: str) -> Cluster:
    """Return the cluster whose coordinator is at `url`, with our roles in it."""
    with psycopg.connect(url, autocommit=True) as connection:
        nodes = connection.execute(
            "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND isactive ORDER BY nodeid"
        ).fetchall()
    found = Cluster(url, tuple(conninfo.make_conninfo(url, host=host, port=port) for host, port in nodes))
    with found._nodes() as connections:
        for node in connections:
            for role in (OWNER_ROLE, RUNTIME_ROLE):
                with node.transaction():
                    node.execute("SELECT pg_advisory_xact_lock(1)")  # there are tests in other processes
                    node.execute("SET LOCAL citus.enable_create_role_propagation = off")
                    if not node.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                        node.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    return found


def _address(node: psycopg.Connection) -> tuple[str, int]:
    return node.info.host, node.info.port


def _create(node: psycopg.Connection, name: str, template: str) -> None:
    # Copied as files: some hundred tables of a page each are quicker read from the disk than written to the log.
    database, owner, runtime = (sql.Identifier(one) for one in (name, OWNER_ROLE, RUNTIME_ROLE))
    node.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
            database, owner, sql.Identifier(template)
        )
    )
    with node.transaction():
        node.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        node.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, runtime))


@contextmanager
def _left(node: psycopg.Connection, template: str) -> Iterator[None]:
    """Let nobody be connected to a database that is copied: not even Citus, which looks after each."""
    if template == "template0":
        yield
        return
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    node.execute(allow.format(sql.Identifier(template), sql.SQL("false")))
    node.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [template])
    yield
    node.execute(allow.format(sql.Identifier(template), sql.SQL("true")))


def _persistently(node: psycopg.Connection, statement: sql.Composed) -> None:
    """Repeat it while Citus comes back to look after the database."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            node.execute(statement)
        except errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
