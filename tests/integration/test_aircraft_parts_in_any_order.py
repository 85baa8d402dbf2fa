"""What is told of a pump, recorded in PostgreSQL in any order: the part is the same, and as in memory."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.provenance import PostgresProvenance
from adapters.postgres.visibility import PostgresVisibility
from tests.integration.test_custody_in_any_order import Ledgers, ledgers
from tests.support.happenings import READER, STRANGERS, commission, index_of
from tests.support.parts import PUMP, Said, signature, worlds
from traceability.supply_chain.aircraft_part.reading import aircraft_part

__all__ = ["ledgers"]  # a fixture


def seen(ledger: PostgresLedger, ids: list[int]) -> object:
    index = PostgresProvenance(ledger, PostgresVisibility(ledger.pool, ledger.ledger_id), reader=READER)
    return signature(aircraft_part(index, PUMP, STRANGERS)[0], ids)


@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(worlds, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_part(ledgers: Ledgers, told: list[Said], choose: random.Random) -> None:
    # The same said twice by one organisation is recorded once.
    world: list[Said] = [commission(0, PUMP), *told]
    world = [one for place, one in enumerate(world) if one not in world[:place]]
    order = choose.sample(range(len(world)), len(world))
    in_memory = signature(aircraft_part(index_of(world), PUMP, STRANGERS)[0], list(range(len(world))))
    assert seen(ledgers.record(world), list(range(len(world)))) == in_memory
    assert seen(ledgers.record([world[place] for place in order]), order) == in_memory
