"""From a command to recorded events: look, judge, append under the condition that what was looked at is still so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from traceability.errors import ConflictError, InvalidInputError
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.reader import event_of
from traceability.gs1.epcis.strict_json import JSON
from traceability.ledger.access import ALL_PARTS
from traceability.ledger.event import LedgerEvent
from traceability.ledger.identifiers import event_id
from traceability.ledger.register.statements import FOR_ALL, organisation_tag
from traceability.ledger.store import AppendConflictError, Ledger
from traceability.ports import Clock, Entropy
from traceability.supply_chain.about_things import AboutThings
from traceability.supply_chain.commands.body import Case, Command
from traceability.supply_chain.commands.faults import added_faults
from traceability.supply_chain.commands.refusal import refusal
from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.decisions import see_decision
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import SeenEvent, see_row

RETRIES: Final = 3
_NO_ID: Final = UUID(int=0)
Append: TypeAlias = Callable[[LedgerEvent, DCBAppendCondition], int]
"""Records an event unless the condition fails, as `Ledger.append` does; returns its position."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an organisation's commands are dealt with.

    `view` opens what it sees up to the head of the ledger, `parties` who is who as known at a position.
    """

    organisation: str
    ledger: Ledger
    view: Callable[[], ProvenanceIndex]
    parties: Callable[[int], Parties]
    clock: Clock
    entropy: Entropy
    personal: Sequence[str] = ()

    def new_name(self) -> str:
        """Return a URI that nothing else is called."""
        return f"urn:uuid:{event_id(self.clock.now_us(), self.entropy.token(10))}"


class Decision(NamedTuple):
    """What a command that nothing speaks against records, and as long as what."""

    event: LedgerEvent
    condition: DCBAppendCondition


def carry_out(command: Command, desk: Desk, append: Append) -> int:
    """Check a command and record its event; return the position.

    Raises `CommandRefusedError` when a guard refuses, `InvalidInputError` when the event would be malformed
    (`command.event`) or at no possible time (`command.time`), `NotFoundError` (`command.no_such_event`),
    `ConflictError` (`command.event_id`) when the eventID is taken, and `AppendConflictError` when what the command
    depends on went on changing. Nothing is recorded then.
    """
    tries = 1 + RETRIES
    while True:
        event, condition = decide(command, desk)
        tries -= 1
        try:
            return append(event, condition)
        except AppendConflictError:
            if not tries:
                raise


def decide(command: Command, desk: Desk) -> Decision:
    """Judge a command by what its organisation sees now; raises as `carry_out` does."""
    view = desk.view()
    around = Surroundings(view, desk.parties(view.known_at))
    case = Case(desk.organisation, command.happened_at(desk.clock.now_us()), around, desk.ledger, desk.new_name)
    if command.new_event_id is not None:
        _claim(command.new_event_id, case)
    command.look(case)
    said = command.said(case)
    if isinstance(said, AboutThings):
        event = said.event(captured_by=desk.organisation, occurred_at=case.at, parties=command.seen_by(case))
    else:
        event = _event_of(said, desk)
    draft = _seen(event, around.head + 1)
    found, after = added_faults(around, draft)
    refused = refusal([*command.breaks(case, draft, after), *found], around.recorded, around.head)
    if refused is not None:
        raise refused
    items = [DCBQueryItem(tags=[tag]) for tag in (*around.tags, *FOR_ALL, organisation_tag(desk.organisation))]
    return Decision(event, DCBAppendCondition(DCBQuery(items=items), after=around.head))


def _claim(name: str, case: Case) -> None:
    """Depend on it that the organisation has no event of this eventID yet."""
    case.around.event_ids.add(name)
    query = DCBQuery(items=[DCBQueryItem(tags=[f"event:{name}", f"org:{case.organisation}"])])
    if next(case.ledger.read(query, limit=1), None) is not None:
        raise ConflictError(
            "Your organisation recorded an event of this eventID before",
            code="command.event_id",
            hint="Give every event an eventID of its own, or none.",
        )


def _event_of(members: dict[str, JSON], desk: Desk) -> LedgerEvent:
    """Read an event as one that was captured is read."""
    if "eventID" not in members:
        members = {**members, "eventID": desk.new_name()}
    findings = Findings(None, "$")
    personal = PersonalMembers(desk.personal)
    event = event_of(
        members, b"", standard_names(), captured_by=desk.organisation, personal=personal, findings=findings
    )
    if event is None:
        problem = next(problem for problem in findings.problems if problem.severity == "error")
        raise InvalidInputError(
            f"The event would be malformed: {problem.message}", code="command.event", hint=f"See {problem.path}."
        )
    return event


def _seen(event: LedgerEvent, position: int) -> SeenEvent:
    """Return what its own organisation will see of an event, behind all that is recorded."""
    parts = event.parts
    what = b"\n".join(parts.what)
    row = (position, _NO_ID, 0, parts.head, what, parts.where, parts.why, parts.how, parts.more)
    return see_decision(row, ALL_PARTS) or see_row(row, ALL_PARTS, ())
