"""Why a command is refused: the rule, the things and facts that break it, and what would make it pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.errors import ConflictError
from traceability.ledger.event import utc_text
from traceability.supply_chain.seen import SeenEvent

MOST_NAMED: Final = 100
"""Things and facts that a refusal tells of one rule."""


class Rule(StrEnum):
    """What a command may not break."""

    UNKNOWN = "unknown"
    COMMISSIONED_BEFORE = "commissioned_before"
    MADE_BEFORE = "made_before"
    ENDED = "ended"
    INSIDE = "inside"
    NOT_INSIDE = "not_inside"
    NOTHING_INSIDE = "nothing_inside"
    CYCLE = "cycle"
    TOO_DEEP = "too_deep"
    NOT_EMPTY = "not_empty"
    BELOW_ZERO = "below_zero"
    MASS_BALANCE = "mass_balance"
    DECLARED_BEFORE = "declared_before"
    WITHOUT_EVENT_ID = "without_event_id"
    NOT_CUSTODIAN = "not_custodian"
    UNDER_WAY = "under_way"
    NOT_UNDER_WAY = "not_under_way"
    NOT_TOP_LEVEL = "not_top_level"
    HELD = "held"
    EXPIRED = "expired"
    RECALLED = "recalled"
    INACTIVE = "inactive"
    NO_AUTHORITY = "no_authority"
    PREFIX_OF_ANOTHER = "prefix_of_another"
    NOT_AUTHORISED = "not_authorised"
    OFFERED = "offered"
    PROPOSED_BEFORE = "proposed_before"
    NO_SUCH_PROPOSAL = "no_such_proposal"
    NOT_ITS_RECEIVER = "not_its_receiver"
    NOT_ITS_ISSUER = "not_its_issuer"
    ISSUER_WITHOUT_ROLE = "issuer_without_role"
    NO_SUCH_HOLD = "no_such_hold"
    NOT_ITS_PLACER = "not_its_placer"
    NOT_CERTIFIED = "not_certified"
    NOT_RELEASED = "not_released"
    INSTALLED = "installed"
    NOT_INSTALLED = "not_installed"
    POSITION_TAKEN = "position_taken"
    NO_LIFE_LEFT = "no_life_left"
    LIFE_NOT_PROVEN = "life_not_proven"
    ANOTHER_DOCUMENT = "another_document"
    DEACTIVATED = "deactivated"
    NOT_REVERSIBLE = "not_reversible"
    USED_TWICE = "used_twice"


MEANINGS: Final[Mapping[Rule, tuple[str, str]]] = {
    Rule.UNKNOWN: (
        "Something is known of the thing at that time.",
        "Commission it, or record the event by which it came to you, with an earlier time.",
    ),
    Rule.COMMISSIONED_BEFORE: (
        "An identifier is issued once.",
        "Use an identifier that was never used; correct the event that issued this one if that was a mistake.",
    ),
    Rule.MADE_BEFORE: (
        "What a transformation puts out is a new lot.",
        "Give the output a new lot number, or the transformation_id of the transformation that made the lot.",
    ),
    Rule.ENDED: (
        "Nothing happens to a thing after its life has ended.",
        "Leave the thing out, or correct the event that ended its life.",
    ),
    Rule.INSIDE: (
        "A thing is in one container at a time, and is unpacked before it is packed again.",
        "Unpack it first, with a time between the two.",
    ),
    Rule.NOT_INSIDE: (
        "Only what is inside is unpacked.",
        "Name what is inside of the container at that time, and for a lot what was packed as a quantity.",
    ),
    Rule.NOTHING_INSIDE: (
        "A container that is emptied holds something.",
        "Check the container and the time; an empty container needs no unpacking.",
    ),
    Rule.CYCLE: ("Nothing is inside of itself.", "Unpack one of the containers first."),
    Rule.TOO_DEEP: ("At most 10 containers are inside one another.", "Unpack one of the containers first."),
    Rule.NOT_EMPTY: (
        "A container that ends is empty.",
        "Unpack it first, or name what is inside too, so that it ends with it.",
    ),
    Rule.BELOW_ZERO: (
        "No more of a lot goes than there was at any time.",
        "Give the quantity that is left, or record first where the rest came from.",
    ),
    Rule.MASS_BALANCE: (
        "What comes out of a transformation is what went in, within the tolerance.",
        "Correct the quantities or their units, give the tolerance of the process, or record all inputs first.",
    ),
    Rule.DECLARED_BEFORE: ("An event is declared an error once.", "It counts for nothing already."),
    Rule.WITHOUT_EVENT_ID: (
        "An error declaration names its event by the eventID (EPCIS 2.0 §7.4.1.4).",
        "An event that was recorded without an eventID cannot be taken back.",
    ),
    Rule.NOT_CUSTODIAN: (
        "Only who has a thing packs, changes, ships or ends it.",
        "Receive it first, or accept a transfer of its custody.",
    ),
    Rule.UNDER_WAY: (
        "What is on its way stays as it is until it has arrived.",
        "Wait until it is received, or reject it first.",
    ),
    Rule.NOT_UNDER_WAY: (
        "What another has is received when it was sent to you.",
        "Have it shipped to your party first, or accept a transfer of its custody.",
    ),
    Rule.NOT_TOP_LEVEL: (
        "What is inside of a container is shipped with it.",
        "Ship the outermost container, or unpack the thing first.",
    ),
    Rule.HELD: (
        "What is on hold is not packed, unpacked, used up, ended, shipped, sent back or given into other hands.",
        "Have the hold released first by whoever placed it.",
    ),
    Rule.EXPIRED: (
        "What has expired is not shipped to be sold.",
        "Ship it as unsellable: to go back, or to be examined or destroyed.",
    ),
    Rule.RECALLED: (
        "What is recalled with its batch or withdrawn with its product is not shipped to be sold.",
        "Ship it as unsellable: to go back, or to be examined or destroyed.",
    ),
    Rule.INACTIVE: (
        "A pack that was taken off sale is not shipped to be sold.",
        "Reactivate it, if that was a mistake; or ship it as unsellable, to go back, to be examined or destroyed.",
    ),
    Rule.NO_AUTHORITY: (
        "Who speaks of a thing made it, has or owns it, is to receive it, or holds the place where it is seen.",
        "Let whoever has it say so, or take it over first.",
    ),
    Rule.PREFIX_OF_ANOTHER: (
        "Identifiers are issued by the holder of their company prefix.",
        "Use an identifier of a prefix that is registered to you.",
    ),
    Rule.NOT_AUTHORISED: (
        "Who does this has the licence, role or trading partner that the register asks for.",
        "Ask the register for what is missing at that time: GET /register/{organisation}/authorised.",
    ),
    Rule.OFFERED: (
        "Into what is offered to another nothing more is packed.",
        "Wait for the answer, or cancel the proposal.",
    ),
    Rule.PROPOSED_BEFORE: (
        "To one receiver a thing is offered once at a time, and two open offers of it have two names.",
        "Wait for the answer, cancel the first proposal, or leave its name to us.",
    ),
    Rule.DEACTIVATED: (
        "A pack is deactivated once.",
        "Check the pack: of two with one serial one may be a counterfeit. Who locked it may say what became of it.",
    ),
    Rule.NOT_REVERSIBLE: (
        "A deactivation is undone within ten days by who stated it, unless destroyed, stolen, recalled or expired.",
        "Ask GET /drug-packages/{id} for the status, since when and by whom; correct what an EPCIS event told.",
    ),
    Rule.NO_SUCH_PROPOSAL: (
        "An answer is to a proposal that is open at that time.",
        "Check the name of the proposal, and whether it was answered.",
    ),
    Rule.NOT_ITS_RECEIVER: ("A proposal is answered by its receiver.", "Let the receiver answer it."),
    Rule.NOT_ITS_ISSUER: ("A proposal is cancelled by its issuer.", "Let the issuer cancel it."),
    Rule.ISSUER_WITHOUT_ROLE: (
        "Only who has a thing gives custody of it, and only who owns it ownership.",
        "Let whoever has or owns it propose the transfer.",
    ),
    Rule.NO_SUCH_HOLD: ("A hold is released that is in force at that time.", "Check the name of the hold."),
    Rule.NOT_ITS_PLACER: ("A hold is released by whoever placed it.", "Let whoever placed it release it."),
    Rule.NOT_CERTIFIED: (
        "A hold that requires certificates is released when each is there, valid at that time and not adverse.",
        "Record an event of the thing with the certificationInfo; GET /lots/{id} with requires tells what a lot lacks.",
    ),
    Rule.NOT_RELEASED: (
        "A part is installed under a release after it was made, removed or worked on.",
        "Have it released first, with an earlier time than the installation.",
    ),
    Rule.INSTALLED: (
        "What is installed is removed before it is installed again, released or scrapped.",
        "Remove it first, with a time before this.",
    ),
    Rule.NOT_INSTALLED: (
        "Only what is installed there is removed.",
        "Name the assembly that the part is installed on at that time.",
    ),
    Rule.POSITION_TAKEN: (
        "At one position of an assembly one part is installed.",
        "Remove what is there first, or check the position.",
    ),
    Rule.NO_LIFE_LEFT: (
        "A part is installed that has life left under each of its limits.",
        "Install another; correct the limit or the utilisation if that was a mistake.",
    ),
    Rule.LIFE_NOT_PROVEN: (
        "The life of a part with a limit is known from its birth on, without gaps.",
        "Record its making, and state the utilisation of all the time in which it was installed.",
    ),
    Rule.ANOTHER_DOCUMENT: (
        "A certificate of one form, number and approval is one document.",
        "Ask the organisation on the certificate which document it issued.",
    ),
    Rule.USED_TWICE: (
        "One time of an assembly is told of once; another statement of the same time corrects it.",
        "State the same time again to correct it, or a time of which nothing was stated.",
    ),
}
"""What each rule says, and what makes a command that breaks it pass."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a rule stumbled over: a sentence, and the position of the event that it is about, None for the command."""

    position: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that the command would break: for `count` things, of which the first hundred are named."""

    rule: Rule
    things: tuple[str, ...]
    count: int
    facts: tuple[Fact, ...]

    @property
    def remedy(self) -> str:
        """Return what would make the command pass."""
        return MEANINGS[self.rule][1]


class CommandRefusedError(ConflictError):
    """Guards refused the command; nothing was recorded (HTTP 409)."""

    code = "command.refused"

    def __init__(self, rules: Sequence[BrokenRule]) -> None:
        said = " ".join(MEANINGS[broken.rule][0] for broken in rules)
        super().__init__(f"The command would break a rule. {said}", hint=rules[0].remedy)
        self.rules = tuple(rules)


class Fault(NamedTuple):
    """The event at `position` breaks a rule for a thing, because of what the event at `against` says.

    `against` is None where it is not an event that the rule stumbles over, but what is missing.
    """

    rule: Rule
    thing: str
    position: int
    against: int | None
    note: str = ""


def refusal(faults: Iterable[Fault], events: Mapping[int, SeenEvent], head: int) -> CommandRefusedError | None:
    """Gather faults by rule; None when there are none. Events behind `head` are the command's own."""
    things: dict[Rule, dict[str, None]] = {}
    facts: dict[Rule, dict[Fact, None]] = {}
    for fault in sorted(faults, key=_by_thing):
        things.setdefault(fault.rule, {})[fault.thing] = None
        known = facts.setdefault(fault.rule, {})
        if len(known) < MOST_NAMED:
            known.update(dict.fromkeys(_facts(fault, events, head)))
    if not things:
        return None
    return CommandRefusedError(
        [
            BrokenRule(rule, tuple(named)[:MOST_NAMED], len(named), tuple(facts[rule])[:MOST_NAMED])
            for rule, named in things.items()
        ]
    )


def _by_thing(fault: Fault) -> tuple[Rule, str, int, int]:
    return fault.rule, fault.thing, fault.position, fault.against or 0


def _facts(fault: Fault, events: Mapping[int, SeenEvent], head: int) -> Iterable[Fact]:
    if fault.against is not None and fault.against <= head:
        yield Fact(fault.against, f"{told(events[fault.against])}{fault.note}.")
    elif fault.against is None and fault.note:
        yield Fact(None, f"{fault.note.strip(' ,').capitalize()}.")
    if fault.position <= head:
        yield Fact(fault.position, f"{told(events[fault.position])}, which the command would contradict.")


def told(event: SeenEvent) -> str:
    """Say what was recorded: by whom, what and when it happened."""
    what = event.head.bizStep or event.action or event.type.split(".")[1].removesuffix("_event")
    return f"{event.captured_by} recorded {what} at {utc_text(event.occurred_at)}"
