"""The stories into a ledger: the organisations that take part, what each shows to the public, what each captured.

And a feed that is not as it should be, so that there is something to see where findings are listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from api.capture.blocks import BlockWorkers
from api.capture.receive import receiving
from api.capture.run import CaptureRun
from api.demo.story import Participant, manifest
from api.vocabularies import state
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import read_document
from traceability.ledger.capture import ErrorBehaviour
from traceability.ledger.organisations import Scope
from traceability.ledger.store import Outcome

_SENDER: Final = 6  # the grocers


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one participant's document."""

    participant: Participant
    recorded: int
    duplicates: int


def load_stories(engine: Engine) -> Iterator[Loaded]:
    """Add what is missing, participant by participant; what was loaded before is recognised and kept as it is.

    What they call their places and products comes after all events.
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
    for participant in manifest().organisations:
        document = read_document(participant.read_document(), captured_by=participant.name)
        assert document.created_at is not None
        for _ in state(engine, participant.name, document.elements, stated_at=document.created_at):
            pass


def send_rough_feed(engine: Engine) -> tuple[Participant, str]:
    """Capture a document with a repeated, a contradicting and a malformed event, unless that was done before.

    Returns who sent it, and a key with which its findings can be seen; the key is kept beside those of the log.
    """
    sender = manifest().organisations[_SENDER]
    kept = engine.settings.data / "keys" / "demo-findings"
    if kept.exists():
        return sender, kept.read_text(encoding="ascii")
    with receiving(engine, sender.name, ErrorBehaviour.PROCEED, held=True) as (upload, make):
        with upload.file(f"corrected-{sender.document}") as out:
            out.write(_rough(orjson.loads(sender.read_document())))
        job = make()
    with BlockWorkers(1) as workers:
        CaptureRun(engine, workers, job).run()
    key = engine.organisations.create_key(sender.name, [Scope.QUERY, Scope.CAPTURE])[1]
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept.touch(mode=0o600)
    kept.write_text(key, encoding="ascii")
    return sender, key


def _rough(document: dict[str, Any]) -> bytes:
    """Return a document of three of these events: as it was, with other content under its ID, with half a time."""
    repeated, contradicting, malformed = document["epcisBody"]["eventList"][:3]
    contradicting["disposition"] = "damaged"
    malformed["eventID"] = f"{malformed['eventID'][:-1]}0"
    malformed["eventTime"] = malformed["eventTime"][:19]
    return orjson.dumps({**document, "epcisBody": {"eventList": [repeated, contradicting, malformed]}})


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
