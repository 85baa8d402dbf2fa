"""Events that were recorded, judged: what they say of things that cannot be, or that nobody had the right to say.

Imported facts are not refused for being surprising. What breaks a rule is told here, by the same rules that refuse a
command (`commands.faults`) and some that only the past can break. It is a fold over what the reader may see: whatever
the order of arrival, and whatever is hidden, two readers who see the same are told the same. No rule is left out for
things with much said of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from traceability.ledger.event import utc_text
from traceability.ledger.findings import Severity
from traceability.supply_chain.balance import Verdict, balance_of
from traceability.supply_chain.commands.faults import faults
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import MEANINGS, Rule, told
from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.entry import ClaimReason, HistoryEntry
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.item import makes
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.screening import CLOCKS_DIFFER, not_cleared
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, SeenEvent
from traceability.supply_chain.standing import ordered
from traceability.supply_chain.transfers import movement
from traceability.supply_chain.windows import BEGIN

MOST_THINGS: Final = 1_000
"""Things that are evaluated together."""

_TRADE_ITEM: Final = "https://id.gs1.org/01/"


class OfThePast(StrEnum):
    """What no command can break, because it is about what others say, or about what the clock says."""

    TWO_PLACES = "two_places"
    TIME_INVERSION = "time_inversion"


Broken: TypeAlias = Rule | OfThePast
_Found: TypeAlias = tuple[Broken, int, int | None, str]
SENTENCES: Final[Mapping[Broken, str]] = {
    **{rule: sentence for rule, (sentence, _) in MEANINGS.items()},
    OfThePast.TWO_PLACES: "One serial is in one place at a time: in two, one of them may be a counterfeit.",
    OfThePast.TIME_INVERSION: "What happens is recorded afterwards, and taken back after that.",
}
"""What each rule says."""

_WARNINGS: Final[frozenset[Broken]] = frozenset(
    {
        Rule.NOT_INSIDE,
        Rule.NOT_EMPTY,
        Rule.TOO_DEEP,
        Rule.UNDER_WAY,
        Rule.OFFERED,
        Rule.NOT_UNDER_WAY,
        Rule.NO_SUCH_PROPOSAL,
        Rule.NO_SUCH_HOLD,
        Rule.NO_AUTHORITY,
        OfThePast.TIME_INVERSION,
    }
)  # what is common when something was not recorded


class Irregularity(NamedTuple):
    """The event at `position` breaks a rule for a thing, because of what the event at `against` says, where it is one.

    `told` says what was recorded, in a sentence.
    """

    thing: str
    rule: Broken
    position: int
    against: int | None
    told: str

    @property
    def severity(self) -> Severity:
        """Return `error` for what contradicts other events, `warning` for what is common when one was not recorded."""
        return "warning" if self.rule in _WARNINGS else "error"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is irregular about things, as known at a position; by thing, then by the time of the event.

    `events` are those that are told of, by position.
    """

    known_at: int
    irregularities: tuple[Irregularity, ...]
    events: Mapping[int, SeenEvent]


def evaluate(index: ProvenanceIndex, parties: Parties, things: Collection[str]) -> Evaluation:
    """Judge all that is said of things (`thing_of`), at most `MOST_THINGS` of them; never raises."""
    around = Surroundings(index, parties)
    around.name(frozenset(things))
    around.name_containers()
    for name in {event.transformation for event in list(around.events) if event.transformation is not None}:
        around.join(name)
    around.look_inward(things, BEGIN)
    picture = around.picture(BEGIN)
    recorded = around.recorded
    found = {
        Irregularity(fault.thing, fault.rule, fault.position, fault.against, _sentence(recorded, *fault[2:]))
        for fault in faults(picture)
        # Goods go on from carrier to carrier.
        if fault.rule is not Rule.UNDER_WAY or movement(recorded[fault.position]) is None
    }
    found.update(_of_the_past(picture))
    found.update(_out_of_balance(picture))
    asked = frozenset(things)
    found = {one for one in found if one.thing in asked}
    known = sorted(found, key=lambda one: (one.thing, recorded[one.position].occurred_at, one[1:3], one.told))
    cited = {place for one in known for place in (one.position, one.against) if place is not None}
    return Evaluation(index.known_at, tuple(known), {place: recorded[place] for place in cited})


def evaluate_many(index: ProvenanceIndex, parties: Parties, things: Collection[str]) -> Evaluation:
    """Judge all that is said of any number of things: what is surely regular is found out at once (`screening`)."""
    left = not_cleared(index, parties, things)
    several = [
        evaluate(index, parties, left[start : start + MOST_THINGS]) for start in range(0, len(left), MOST_THINGS)
    ]
    return Evaluation(
        index.known_at,
        tuple(one for evaluation in several for one in evaluation.irregularities),
        {position: event for evaluation in several for position, event in evaluation.events.items()},
    )


def _sentence(recorded: Mapping[int, SeenEvent], position: int, against: int | None, note: str = "") -> str:
    said = told(recorded[position])
    if against is not None:
        return f"{said}, against this: {told(recorded[against])}{note}."
    return f"{said}; {note.strip(' ,')}." if note else f"{said}."


def _of_the_past(picture: Picture) -> Iterator[Irregularity]:
    for first, alike in picture.alike.items():
        if first in picture.entries:
            own = [entry for entry in picture.entries[first] if entry.via is None]
            for each in (*_in_two_places(first, own), *_at_wrong_times(own)):
                yield from (Irregularity(thing, *each) for thing in alike)


def _in_two_places(thing: str, own: Iterable[HistoryEntry]) -> Iterator[_Found]:
    """Yield where a thing is told to be elsewhere at the same time, and a trade item elsewhere while another has it."""
    # Pallets come back by ways that nobody records.
    reused = not thing.startswith(_TRADE_ITEM)
    last: SeenEvent | None = None
    for entry in own:
        event = entry.event
        if isinstance(event, SeenDecision) or event.place is None or _is_counted(entry):
            continue
        if last is not None and last.place != event.place:
            stranger = entry.reason is ClaimReason.NO_AUTHORITY and last.captured_by != event.captured_by
            if last.occurred_at == event.occurred_at or (stranger and not reused):
                sentence = f"{told(event)} at {event.place}, against this: {told(last)} at {last.place}."
                yield OfThePast.TWO_PLACES, event.position, last.position, sentence
        if entry.counts:
            last = event


def _at_wrong_times(own: Sequence[HistoryEntry]) -> Iterator[_Found]:
    """Yield what is told of a time yet to come, and what happened to a thing before it was made."""
    for entry in own:
        event = entry.event
        if event.occurred_at > event.recorded_at + CLOCKS_DIFFER:
            sentence = f"{told(event)}, which was in the future: it was recorded at {utc_text(event.recorded_at)}."
            yield OfThePast.TIME_INVERSION, event.position, None, sentence
    single = [entry for entry in own if entry.counts and entry.mentions and not _is_counted(entry)]
    made = [entry.event for entry in single if makes(entry.event, {mention.role for mention in entry.mentions})]
    for entry in single:
        event = entry.event
        if not made or event.occurred_at >= made[0].occurred_at:
            break
        sentence = f"{told(event)}, against this: {told(made[0])}, which made it."
        yield OfThePast.TIME_INVERSION, event.position, made[0].position, sentence


def _is_counted(entry: HistoryEntry) -> bool:
    return any(mention.class_level for mention in entry.mentions)


def _out_of_balance(picture: Picture) -> Iterator[Irregularity]:
    """Yield the transformations of things out of which more came than went in."""
    runs: dict[str, list[SeenEvent]] = {}
    for event in ordered(event for event in picture.standing if event.type == TRANSFORMATION_EVENT):
        runs.setdefault(event.transformation or f"@{event.position}", []).append(event)
    for name, events in runs.items():
        balance = balance_of(name, events, Decimal(0))
        if balance.verdict is not Verdict.GAIN:
            continue
        sums = (f"{one.inputs:f} went in and {one.outputs:f} came out ({one.uom or 'pieces'})" for one in balance.sums)
        sentence = f"{told(events[-1])}: {', '.join(sums)}."
        for thing in {thing for event in events for thing in event.things & picture.named}:
            yield Irregularity(thing, Rule.MASS_BALANCE, events[-1].position, None, sentence)
