"""Imports that nothing disturbs, to compare with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedServer
from tests.conftest import Database, fresh_database
from tests.support.captures import SENDER, TOLD, Left, Site, left_by, planted, put, run_all, write_documents
from traceability.ledger.capture import ErrorBehaviour, Phase

EVENTS = 2_500


@dataclass(frozen=True)
class Undisturbed:
    """Documents, and what an import of them leaves when nothing happens to it."""

    behaviour: ErrorBehaviour
    documents: list[Path]
    left: Left


def _undisturbed(
    behaviour: ErrorBehaviour,
    folder: Path,
    postgres: EmbeddedServer,
    admin: psycopg.Connection,
    template: str,
) -> Undisturbed:
    events = list(planted(EVENTS, malformed=behaviour is ErrorBehaviour.PROCEED))
    documents = write_documents(folder, 3, events)
    for database in fresh_database(postgres, admin, template):
        with Site(database, folder).engine() as engine:
            put(engine, documents, behaviour)
            (job,) = run_all(engine)
            # It is worth comparing with: there is something of everything.
            assert (job.phase, job.failed, job.appended) == (Phase.CAPTURED, True, len(events))
            assert min(job.counts.duplicates, job.counts.conflicts) > 30
            assert (job.counts.malformed > TOLD + 10) == (behaviour is ErrorBehaviour.PROCEED)
            assert engine.spool.jobs() == set()
            left = left_by(engine, database)
            codes = Counter(code for _, _, _, code, *_ in left.findings[SENDER])
            assert codes["capture.more_malformed"] == (behaviour is ErrorBehaviour.PROCEED)
            return Undisturbed(behaviour, documents, left)
    raise AssertionError


@pytest.fixture(scope="session")
def rollback(
    postgres: EmbeddedServer, admin: psycopg.Connection, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    return _undisturbed(ErrorBehaviour.ROLLBACK, tmp_path_factory.mktemp("rollback"), postgres, admin, template)


@pytest.fixture(scope="session")
def proceed(
    postgres: EmbeddedServer, admin: psycopg.Connection, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    return _undisturbed(ErrorBehaviour.PROCEED, tmp_path_factory.mktemp("proceed"), postgres, admin, template)


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    """Give a place for programs that are killed."""
    return Site(database, tmp_path)
