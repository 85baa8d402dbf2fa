"""What events and decisions say of some things together, with or without that of a command.

Things of which exactly the same is said lead the same life, so each life is looked at once: a thousand packs that were
commissioned together are one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property

from traceability.ledger.index import MarkKind
from traceability.supply_chain.authority import Judged, judged
from traceability.supply_chain.containment import Containment, Interval, nesting, surrounding
from traceability.supply_chain.custody import Custody
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.index import PlainIndex, first_of
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import AGGREGATION_EVENT, MARK_KINDS, Role, SeenEvent, Subjects
from traceability.supply_chain.standing import ordered, standing, with_declarations
from traceability.supply_chain.story import story_of
from traceability.supply_chain.windows import Windows


class Read(PlainIndex):
    """A provenance index of what was read before, about some things and no others."""

    def __init__(
        self, known_at: int, events: Sequence[SeenEvent], decisions: Sequence[SeenDecision], things: AbstractSet[str]
    ) -> None:
        self._known_at = known_at
        self.things = things
        self.standing = standing(events)
        self._declarations = [event for event in events if event.declares]
        self._emptyings: dict[tuple[MarkKind, str], list[SeenEvent]] = {}
        for event in self.standing:
            if event.empties:
                for parent in event.parents:
                    self._emptyings.setdefault((MARK_KINDS[event.type], parent), []).append(event)
        self.concerning: dict[str, list[SeenEvent]] = {thing: [] for thing in things}
        for event in events:
            for thing in event.mentions_of:
                if thing in self.concerning:
                    self.concerning[thing].append(event)
        self.decided: dict[str, list[SeenDecision]] = {}
        for decision in decisions:
            for thing in decision.decided_about & things:
                self.decided.setdefault(thing, []).append(decision)

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        return self._known_at

    def events(self, asked: Subjects, during: Mapping[str, Windows] | None = None) -> list[SeenEvent]:
        """Return the events that concern things, and what retracts them."""
        names = asked.things | (during or {}).keys()
        found = {event.position: event for name in names for event in self.concerning.get(name, ())}
        return with_declarations(found.values(), self._declarations)

    def decisions(self, things: Collection[str]) -> list[SeenDecision]:
        """Return the decisions about things."""
        return list({one.position: one for thing in things for one in self.decided.get(thing, ())}.values())

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go, at most `most`."""
        return nesting(self.standing, things, most)

    def surrounding(self, things: Collection[str], most: int) -> dict[str, int]:
        """Return how many containers may be around each of these things, at most `most`."""
        return surrounding(self.standing, things, most)

    def emptyings(self, kind: MarkKind, after: Collection[tuple[str, int]]) -> list[SeenEvent]:
        """Return what emptied parents first after an instant."""
        parents = {parent for parent, _ in after}
        return first_of([event for parent in parents for event in self._emptyings.get((kind, parent), ())], after)


class Picture:
    """What was read, judged.

    `alike` has those that lead one life under the one that stands for them; `lives` are the events of that one, in the
    order of folds, that count and are no mere claims. `nest` knows its containers. Of things that are not `named`, not
    all is known: only where they were. The command is about the time `since` (µs UTC).
    """

    def __init__(
        self, read: Read, named: AbstractSet[str], parties: Parties, *, draft: SeenEvent | None, since: int
    ) -> None:
        self._parties = parties
        self.named = named
        self.draft = draft
        self.since = since
        self.read = read
        self.standing = read.standing
        told: dict[str, list[SeenEvent]] = {thing: [] for thing in read.things}
        for event in self.standing:
            for thing in event.mentions_of:
                if thing in told:
                    told[thing].append(event)
        self.alike = _alike(read, told, named, parties)
        self._first = {thing: first for first, members in self.alike.items() for thing in members}
        self._judged = {thing: self._judge(thing, told[thing]) for thing in self.alike if thing in named}
        self.entries = {thing: [one for one in j.entries if one.stands] for thing, j in self._judged.items()}
        self._folds = {
            thing: [*(fold for one, fold in zip(j.entries, j.folds, strict=False) if one.stands), j.folds[-1]]
            for thing, j in self._judged.items()
        }
        self._custody: dict[tuple[str, int], Custody] = {}
        self.lives = {thing: self._life(thing, told[thing]) for thing in self.alike}
        self.nest = self._nest()

    def stands_for(self, thing: str) -> str:
        """Return the one that is looked at in place of a thing."""
        return self._first[thing]

    def hears(self, entry: HistoryEntry) -> bool:
        """Tell whether an entry counts; the command's own does whatever it is, so that every rule it breaks is told."""
        return entry.counts or entry.event is self.draft

    def own(self, thing: str) -> list[HistoryEntry]:
        """Return what counts of a thing's history and is said of it, not of a container that it was in."""
        return [entry for entry in self.entries[thing] if entry.via is None and self.hears(entry)]

    def custody(self, thing: str, place: int) -> Custody:
        """Return who has one of those that stand for others, and so on, before the entry at a place of its history."""
        known = self._custody.get((thing, place))
        if known is None:
            known = self._custody[thing, place] = self._folds[thing][place].custody(ended=False)
        return known

    def custody_last(self, thing: str) -> Custody:
        """Return who has one of those that stand for others after all that is told of it, and who had it."""
        return self._judged[thing].custody

    def custody_at(self, thing: str, at: int) -> Custody:
        """Return the same at an instant (µs UTC)."""
        return self.custody(thing, bisect_right(self.entries[thing], at, key=lambda entry: entry.event.occurred_at))

    def drafted(self) -> Iterator[tuple[Sequence[str], Custody]]:
        """Yield those that lead one life and that the command's event tells of, and who has them just before it."""
        for thing, entries in self.entries.items():
            for place, entry in enumerate(entries):
                if entry.event is self.draft:
                    yield self.alike[thing], self.custody(thing, place)

    def closed_by(self, position: int) -> dict[str, Interval]:
        """Return by child, of those that stand for others, the interval that an event closed."""
        return {child: i for child in self.alike for i in self.nest.of_child(child) if i.closed_by == position}

    def _judge(self, thing: str, told: Sequence[SeenEvent]) -> Judged:
        """Return the history of a thing with the right by which each entry was said."""
        if self._has_story(thing, told):
            return story_of(self.read, thing, self.read.events(Subjects({thing})), self._parties).judged
        decided = self.read.decided.get(thing, ())
        entries = [HistoryEntry(event, event.mentions_of[thing]) for event in told]
        if decided:
            own = {event.position: entry for event, entry in zip(told, entries, strict=True)}
            own.update((one.position, HistoryEntry(one, ())) for one in decided)
            entries = [own[event.position] for event in ordered([*told, *decided])]
        return judged(thing, entries, self._parties)

    def _has_story(self, thing: str, told: Sequence[SeenEvent]) -> bool:
        """Tell whether more is told of what a thing was put into than the events that name the thing itself.

        When it is put onto a new pallet, or was never inside of anything, where it was tells nothing of it.
        """
        own = {event.position for event in told}
        parents = {
            parent
            for event in told
            if event.type == AGGREGATION_EVENT and any(m.role is Role.CHILD for m in event.mentions_of[thing])
            for parent in event.parents
        }
        about = self.read.concerning
        return any(
            parent in self.read.decided or parent not in about or any(e.position not in own for e in about[parent])
            for parent in parents
        )

    def _life(self, thing: str, told: Sequence[SeenEvent]) -> Sequence[SeenEvent]:
        if thing not in self.entries:
            return told
        return [entry.event for entry in self.own(thing) if entry.mentions]

    @cached_property
    def holding(self) -> Containment:
        """Return what is in what, whoever says so: what somebody claims to have put into a thing may be in it."""
        return Containment(self.standing)

    @cached_property
    def containers(self) -> AbstractSet[str]:
        """Return everything into which something was put."""
        return frozenset(parent for event in self.standing if event.type in MARK_KINDS for parent in event.parents)

    def _nest(self) -> Containment:
        nest = Containment()
        lives = {thing: {event.position for event in self.lives[thing]} for thing in self.entries}
        for event in self.standing:
            if event.empties and any(event.position not in lives[p] for p in event.parents if p in lives):
                continue  # a mere claim
            about = [
                thing
                for thing in event.mentions_of
                if thing in self.alike and (thing not in lives or event.position in lives[thing])
            ]
            nest.add((event,), about)
        return nest


def _alike(
    read: Read, told: Mapping[str, Sequence[SeenEvent]], named: AbstractSet[str], parties: Parties
) -> dict[str, list[str]]:
    alike: dict[object, list[str]] = {}
    for thing in sorted(told):
        said = tuple(
            [(e.position, m.role, m.class_level, m.quantity, m.uom) for e in told[thing] for m in e.mentions_of[thing]]
        )
        # What is told of together may be of several lots, which stand beside the serials.
        lots = tuple([lot for e in told[thing] if (lot := e.memberships.get(thing)) is not None])
        decided = tuple([one.position for one in read.decided.get(thing, ())])
        key = thing.rpartition("/")[0], parties.prefix_key(thing)
        alike.setdefault((thing in named, key, said, lots, decided), []).append(thing)
    return {members[0]: members for members in alike.values()}
