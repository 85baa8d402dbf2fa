"""The command that takes an event back: correct."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Literal
from uuid import UUID

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem
from pydantic import Field, StringConstraints

from traceability.errors import NotFoundError
from traceability.gs1.epcis.strict_json import JSON, loads
from traceability.gs1.epcis.view import read_event_id, read_head, read_items
from traceability.gs1.epcis.writer import write_event
from traceability.ledger.event import LedgerEvent, utc_text
from traceability.ledger.store import Ledger
from traceability.supply_chain.commands.body import Case, Command, Uri
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.seen import EPCIS_TYPES, SeenEvent, thing_of
from traceability.supply_chain.things import ROLES


class Correct(Command):
    """Declare an event of one's own to be an error: it stays in the ledger, and counts for nothing.

    To say it right, send another command; with an `event_id` that is among the `corrective_event_ids` when the two are
    to be known as one correction.
    """

    name = "correct"
    emits = "the event again, with an errorDeclaration"
    rules = (
        Rule.DECLARED_BEFORE,
        Rule.WITHOUT_EVENT_ID,
        Rule.INSIDE,
        Rule.NOT_INSIDE,
        Rule.CYCLE,
        Rule.TOO_DEEP,
        Rule.ENDED,
        Rule.NOT_EMPTY,
        Rule.BELOW_ZERO,
        Rule.NO_AUTHORITY,
        Rule.HELD,
    )

    event: Annotated[str, StringConstraints(min_length=1, max_length=2048)] = Field(
        description="Its eventID, or our id of it.", examples=["urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"]
    )
    reason: Literal["did_not_occur", "incorrect_data"] = "incorrect_data"
    corrective_event_ids: list[Uri] = Field(
        default=[], max_length=100, description="eventIDs of the events that say it right, recorded or to come."
    )

    def look(self, case: Case) -> None:
        """Read all about the things of the event, and what is in them; raises `NotFoundError`."""
        original = self._original(case)
        event_id = read_event_id(original.parts.more)
        if event_id is not None:
            case.around.event_ids.add(event_id)
        items = read_items(b"\n".join(original.parts.what))
        case.around.name({thing_of(item.id) for item in items if item.list in ROLES})
        case.around.look_inward(case.around.named, case.at)

    def said(self, case: Case) -> dict[str, JSON]:
        """Return the event with the declaration."""
        event: dict[str, JSON] = loads(write_event(self._original(case).parts, None))
        declaration: dict[str, JSON] = {"declarationTime": utc_text(case.at), "reason": self.reason}
        if self.corrective_event_ids:
            declaration["correctiveEventIDs"] = self.corrective_event_ids
        return {**event, "errorDeclaration": declaration}

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:  # noqa: ARG002
        """Yield that the event has no eventID, or was declared an error before."""
        if draft.joined is None:
            yield Fault(Rule.WITHOUT_EVENT_ID, self.event, draft.position, None)
        for event in case.around.events:
            if event.declares and event.joined is not None and event.joined == draft.joined:
                yield Fault(Rule.DECLARED_BEFORE, self.event, draft.position, event.position)

    def _original(self, case: Case) -> LedgerEvent:
        for event in _own_events(case.ledger, case.organisation, self.event):
            if event.type in EPCIS_TYPES and read_head(event.parts.head).errorDeclaration is None:
                return event
        raise NotFoundError(
            "Your organisation recorded no such event",
            code="command.no_such_event",
            hint="An event is corrected by whoever recorded it; name its eventID.",
        )


def _own_events(ledger: Ledger, organisation: str, name: str) -> Iterable[LedgerEvent]:
    tags = [f"event:{name}", f"org:{organisation}"]
    for sequenced in ledger.read(DCBQuery(items=[DCBQueryItem(tags=tags)])):
        if isinstance(sequenced.event, LedgerEvent):
            yield sequenced.event
    with suppress(ValueError):
        record = ledger.record_of(UUID(name))
        if record is not None and record.event.captured_by == organisation:
            yield record.event
