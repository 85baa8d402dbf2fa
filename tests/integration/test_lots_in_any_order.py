"""What is told of a lot, recorded in PostgreSQL in any order: the lot is the same, and as in memory."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.provenance import PostgresProvenance
from adapters.postgres.visibility import PostgresVisibility
from tests.integration.test_custody_in_any_order import Ledgers, ledgers
from tests.support.happenings import MAKER, index_of
from tests.support.holders import PARTIES, SEES_ALL, SHOP
from tests.support.lots import LOT, Said, content, made, rich_worlds
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.lot.reading import members_of, read_lot

__all__ = ["ledgers"]  # a fixture

READERS = [SEES_ALL, Reader(SHOP, frozenset({SHOP})), Reader(MAKER)]


def told(index: ProvenanceIndex, ids: list[int]) -> object:
    try:
        return content(read_lot(index, LOT, PARTIES)[0], ids), members_of(index, LOT)
    except NotFoundError:
        return None


def seen(ledger: PostgresLedger, reader: Reader, ids: list[int]) -> object:
    return told(PostgresProvenance(ledger, PostgresVisibility(ledger.pool, ledger.ledger_id), reader=reader), ids)


@settings(max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(rich_worlds(), st.randoms(use_true_random=False), st.sampled_from(READERS))
def test_any_order_of_arrival_gives_the_same_lot(
    ledgers: Ledgers, said: list[Said], choose: random.Random, reader: Reader
) -> None:
    # The same said twice by one organisation is recorded once.
    world: list[Said] = [made(0, 20), *said]
    world = [one for place, one in enumerate(world) if one not in world[:place]]
    ids = list(range(len(world)))
    order = choose.sample(ids, len(ids))
    in_memory = told(index_of(world, reader=reader), ids)
    assert seen(ledgers.record(world), reader, ids) == in_memory
    assert seen(ledgers.record([world[place] for place in order]), reader, order) == in_memory
