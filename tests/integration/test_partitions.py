"""Positions run over from one partition into the next, and say so when there is none."""

from __future__ import annotations

import psycopg
import pytest
from eventsourcing.dcb.api import DCBQuery, DCBQueryItem

from adapters.postgres.partitions import WIDTH, maintain, positions_left
from tests.conftest import Database
from tests.ledgers import event, numbered, postgres_ledger
from traceability.errors import UnavailableError
from traceability.ledger.store import Ledger


def move_head(database: Database, position: int) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE ledger.head SET position = %s WHERE name = 'main'", [position])


def tagged(ledger: Ledger, tag: str) -> list[int]:
    return [found.position for found in ledger.read(DCBQuery(items=[DCBQueryItem(tags=[tag])]))]


def test_both_ways_to_append_cross_into_the_next_partition(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger:
        move_head(database, WIDTH - 3)
        assert ledger.append([event("few") for _ in range(4)]) == WIDTH + 1
        assert tagged(ledger, "few") == list(range(WIDTH - 2, WIDTH + 2))
        move_head(database, 2 * WIDTH - 3)
        recorded = [one.position for batch in ledger.append_all(numbered(["many"], 5)) for one in batch]
        assert recorded == tagged(ledger, "many") == list(range(2 * WIDTH - 2, 2 * WIDTH + 3))


def test_without_a_partition_nothing_is_recorded_until_one_is_made(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger, psycopg.connect(database.owner_url, autocommit=True) as owner:
        last = positions_left(owner)
        move_head(database, last - 1)
        for append in (
            lambda: ledger.append([event("a"), event("b")]),
            lambda: list(ledger.append_all(numbered(["a", "b"], 2))),
        ):
            with pytest.raises(UnavailableError) as caught:
                append()
            assert caught.value.code == "ledger.no_partition"
        assert ledger.head() == last - 1
        assert maintain(owner) > WIDTH
        assert ledger.append([event("a"), event("b")]) == last + 1
