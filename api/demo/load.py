"""The stories into a ledger: the organisations that take part, what each shows to the public, what each captured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from api.demo.story import Participant, manifest
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import read_document
from traceability.ledger.store import Outcome


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one participant's document."""

    participant: Participant
    recorded: int
    duplicates: int


def load_stories(engine: Engine) -> Iterator[Loaded]:
    """Add what is missing, participant by participant; what was loaded before is recognised and kept as it is.

    Raises `InvalidInputError` (`demo.altered`) when the ledger has an event of a story with other content.
    """
    present = {organisation.name for organisation in engine.organisations.all()}
    for participant in manifest().organisations:
        if participant.name not in present:
            engine.organisations.add(
                participant.name, display_name=participant.display_name, glns=participant.glns, domain=participant.name
            )
        engine.organisations.set_grant(participant.grant())
        yield _capture(engine, participant)


def _capture(engine: Engine, participant: Participant) -> Loaded:
    document = read_document(participant.read_document(), captured_by=participant.name)
    assert document.valid, "the stories are part of the program, and its tests read them"
    ledger = engine.ledger_of(participant.name)
    outcomes = Counter(
        appended.outcome
        for batch in ledger.append_all(captured.event for captured in document.events)
        for appended in batch
    )
    if outcomes[Outcome.CONFLICT]:
        raise InvalidInputError(
            f"the ledger already has other events of {participant.name} under the same IDs",
            code="demo.altered",
            hint="Start over with: traceability demo --fresh",
        )
    return Loaded(participant, outcomes[Outcome.RECORDED], outcomes[Outcome.DUPLICATE])
