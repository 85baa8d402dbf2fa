"""The composition root: which adapters stand behind the ports of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

import psycopg
from psycopg_pool import ConnectionPool

from adapters.feeds.spool import Spool
from adapters.feeds.unpack import Limits
from adapters.postgres.capture_jobs import PostgresCaptureJobs
from adapters.postgres.connection import DatabaseSettings, DatabaseUrls, database_urls, open_pool
from adapters.postgres.event_query import PostgresEventQueries
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.migrate import check, migrate
from adapters.postgres.organisations import PostgresOrganisations
from adapters.postgres.parties import PostgresParties
from adapters.postgres.register import PostgresRegister
from adapters.postgres.sealed import PostgresSealed
from adapters.postgres.subscriptions import PostgresSubscriptions
from adapters.postgres.visibility import PostgresVisibility
from adapters.system import SystemClock, SystemEntropy
from api.policy import witnesses_of
from api.sealing import Secrets
from api.settings import Settings
from traceability.errors import ConflictError, UnavailableError
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.access import Reader
from traceability.ledger.index import Indexer
from traceability.ledger.organisations import LOCAL
from traceability.ledger.store import LedgerRules
from traceability.notary.cosigning import Witnesses
from traceability.ports import Clock, Entropy
from traceability.supply_chain.parties import Parties, Registered

INDEXER: Final[Indexer] = index_rows
"""How the index of every ledger follows from its records."""


@dataclass(frozen=True)
class Engine:
    """Everything that a face of the program works with: one ledger of one database, seen by this process."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    urls: DatabaseUrls
    pool: ConnectionPool[psycopg.Connection]
    rules: LedgerRules
    ledger: PostgresLedger
    organisations: PostgresOrganisations
    visibility: PostgresVisibility
    jobs: PostgresCaptureJobs
    spool: Spool
    witnesses: Witnesses | None = None

    @cached_property
    def event_queries(self) -> PostgresEventQueries:
        """Return what answers EPCIS queries."""
        return PostgresEventQueries(self.ledger, self.visibility, self.register)

    @cached_property
    def secrets(self) -> Secrets:
        """Return what encrypts the secrets of partners and subscriptions."""
        return Secrets(self.settings, self.entropy, PostgresSealed(self.pool, self.ledger.ledger_id))

    @cached_property
    def _parties(self) -> PostgresParties:
        return PostgresParties(self.pool, self.ledger.ledger_id)

    def parties(self, reader: Reader, known_at: int | None = None) -> Parties:
        """Return to whom parties and places belong, and what the register says of them, as far as a reader may see."""
        about = cache(lambda name: self.register.about([name], reader, known_at))
        # Strangers are asked for again and again: within one question they stay strangers.
        return Registered(cache(self._parties.organisation_of), self.register.for_all(known_at), about)

    @cached_property
    def register(self) -> PostgresRegister:
        """Return who is registered, licensed and whose partner."""
        return PostgresRegister(self.ledger, self.visibility, self.settings.operator)

    @property
    def subscriptions(self) -> PostgresSubscriptions:
        """Return who subscribed to which named query."""
        return PostgresSubscriptions(self.pool, self.ledger.ledger_id)

    def ledger_of(self, organisation: str) -> PostgresLedger:
        """Return the ledger as `organisation` appends to it; raises `NotFoundError` when there is none."""
        self.organisations.get(organisation)
        return PostgresLedger(self.pool, self.rules, name=self.ledger.name, organisation=organisation)


def database_settings(settings: Settings) -> DatabaseSettings:
    """Return what the settings say about the database."""
    url, owner_url = settings.database_url, settings.database_owner_url
    return DatabaseSettings(
        url=None if url is None else url.get_secret_value(),
        owner_url=None if owner_url is None else owner_url.get_secret_value(),
        data=settings.data / "postgres",
    )


def spool_of(settings: Settings, ledger: str) -> Spool:
    """Return where the documents of a ledger's captures wait.

    A folder for each ledger: what belongs to no job of this one may be a job of another.
    """
    folder = (settings.spool or settings.data / "spool") / ledger
    return Spool(folder, Limits(settings.capture_max_bytes))


def unfinished_restore(settings: Settings) -> Path:
    """Return the file that is there while a database is in its place in which not all is erased again."""
    return settings.data / "restoring"


@contextmanager
def open_database(settings: Settings) -> Iterator[DatabaseUrls]:
    """Give the database's URLs, after migrating it if it is private.

    Raises as `database_urls` does, and `UnavailableError` (`migrate.pending`) when a real one lacks migrations.
    """
    with database_urls(database_settings(settings)) as urls:
        _bring_up_to_date(urls, private=settings.database_url is None)
        yield urls


@contextmanager
def open_engine(settings: Settings, *, restoring: bool = False) -> Iterator[Engine]:
    """Connect, or start the private server, and put everything together.

    A private database is migrated and given the organisation `local`; a real one is not touched: raises
    `UnavailableError` (`migrate.pending`) when it lacks migrations, and whatever `database_urls` and `open_pool` raise;
    `NotFoundError` (`ledger.unknown`) for a ledger that it does not have. Unless it is `restoring`, a database whose
    restore has not come to its end is not opened (`backup.unfinished`).
    """
    if not restoring and unfinished_restore(settings).exists():
        raise UnavailableError(
            "A restore has not come to its end: what was erased may be readable in this database",
            code="backup.unfinished",
            hint="Run the same traceability db restore again, or: traceability db restore --in-place",
        )
    clock, entropy = SystemClock(), SystemEntropy()
    private = settings.database_url is None
    with (
        witnesses_of(settings) as witnesses,
        open_database(settings) as urls,
        open_pool(urls.runtime, max_size=settings.pool_size) as pool,
    ):
        rules = LedgerRules(indexer=INDEXER, content_digest=content_digest, clock=clock, entropy=entropy)
        ledger = PostgresLedger(pool, rules, name=settings.ledger, organisation=settings.organisation)
        organisations = PostgresOrganisations(pool, ledger.ledger_id, clock=clock, entropy=entropy)
        if private and not organisations.all():
            with suppress(ConflictError):  # another process that came first at the same moment
                organisations.add(LOCAL)
        visibility = PostgresVisibility(pool, ledger.ledger_id)
        lease_us = settings.capture_lease_seconds * 1_000_000
        jobs = PostgresCaptureJobs(pool, ledger.ledger_id, clock=clock, lease_us=lease_us)
        spool = spool_of(settings, settings.ledger)
        yield Engine(
            settings,
            clock,
            entropy,
            urls,
            pool,
            rules,
            ledger,
            organisations,
            visibility,
            jobs,
            spool,
            witnesses,
        )


def _bring_up_to_date(urls: DatabaseUrls, *, private: bool) -> None:
    report = check(urls.owner if private else urls.runtime)
    if report.clean:
        return
    if not private:
        raise UnavailableError(
            f"The database lacks {len(report.pending)} migrations: {', '.join(report.pending)}",
            code="migrate.pending",
            hint="Run: traceability db migrate",
        )
    migrate(urls.owner, runtime_role=urls.runtime_role)
