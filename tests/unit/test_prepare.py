"""What does not depend on a position is worked out once, and not again for an event that brings it."""

from dataclasses import replace

from adapters.system import SystemClock, SystemEntropy
from tests.support.epcis_events import event, read
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.commitment import commit
from traceability.ledger.index import IndexRows
from traceability.ledger.parts import Parts
from traceability.ledger.store import RANDOM_SIZE, LedgerRules, prepare

RULES = LedgerRules(indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy())
EVENT = read(event()).events[0].event
RANDOM = bytes(range(RANDOM_SIZE))


def never(_: Parts) -> IndexRows:
    raise AssertionError


def test_the_rows_that_an_event_brings_are_those_of_its_parts() -> None:
    brought = prepare(EVENT, replace(RULES, indexer=never), captured_by="")
    assert brought.index == prepare(replace(EVENT, index=None), RULES, captured_by="").index


def test_randomness_may_be_drawn_before() -> None:
    made = prepare(EVENT, RULES, captured_by="", random=RANDOM)
    assert (made.salt, made.personal_salt) == (RANDOM[:32], RANDOM[32:64])
    assert made.event_id.bytes[9:] == RANDOM[67:]
    assert made.commitment == commit(EVENT.parts, RANDOM[:32], RANDOM[32:64])


def test_else_every_event_draws_its_own() -> None:
    one, other = (prepare(EVENT, RULES, captured_by="") for _ in range(2))
    assert len({one.salt, one.personal_salt, other.salt, other.personal_salt}) == 4
    assert one.event_id != other.event_id
