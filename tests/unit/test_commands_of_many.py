"""Random commands of three organisations, beside a model that replays all events in the plainest way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.desks import GLNS, OPENED, World
from tests.support.happenings import OTHER_PALLET, PALLET, TOTE, pack
from traceability.supply_chain.commands.refusal import CommandRefusedError
from traceability.supply_chain.commands.table import COMMANDS

PACKS = [pack("A"), pack("B"), pack("C")]
CONTAINERS = [PALLET, OTHER_PALLET, TOTE]
ANYTHING = PACKS + CONTAINERS
BY = st.sampled_from(["maker.example", "mover.example", "store.example"])
AT = st.integers(0, 30)
SOME = st.lists(st.sampled_from(ANYTHING), min_size=1, max_size=3, unique=True)


@dataclass(frozen=True)
class Told:
    """What a command said: `things` are the children when it has a parent, `to` is whom it ships to.

    `hold` is the number of the hold that it releases.
    """

    number: int
    name: str
    by: str
    at: int
    things: tuple[str, ...] = ()
    parent: str | None = None
    to: str | None = None
    hold: int | None = None


@dataclass
class Replay:
    """Events in the order of their times, one after the other; `faults` are what is wrong with each."""

    issued: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    inside: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    makers: dict[str, str] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    under_way: dict[str, str] = field(default_factory=dict)
    held: dict[str, dict[int, str]] = field(default_factory=dict)
    placers: dict[tuple[str, int], str] = field(default_factory=dict)
    faults: set[tuple[str, str, int]] = field(default_factory=set)
    draft: Told | None = None

    @classmethod
    def of(cls, events: Iterable[Told], draft: Told | None = None) -> Replay:
        replay = cls(draft=draft)
        for event in sorted(events, key=lambda event: event.at):
            replay.take(event)
        return replay

    def take(self, event: Told) -> None:
        parent = event.parent
        mentioned = (*event.things, *([parent] if parent else []))
        concerned = set(mentioned)
        if event.name in ("ship", "receive", "place_hold", "release_hold"):
            concerned |= self.contents(event.things)
        elif event.name == "unpack" and not event.things:
            concerned |= {child for child, around in self.inside.items() if around == parent}
        claimed = {thing for thing in concerned if not self.may_speak(event, thing)}
        # Whether it was issued to another, or before, or is in use: an identifier is issued once. So an event stays as
        # wrong as it was when another of these is why.
        self.note("issued before" if event.name == "commission" else "claim", event, claimed)
        concerned -= claimed
        self.note("issued before", event, concerned & (self.issued if event.name == "commission" else set()))
        self.note("ended", event, concerned & self.ended.intersection(mentioned))
        self.look_at_hands(event, concerned)
        if event.name in ("pack", "unpack", "ship", "decommission", "destroy"):
            self.note("held", event, self.held_among(concerned - ({parent} if parent else set())))
        self.known.update(mentioned)
        getattr(self, event.name)(event, concerned)

    def note(self, what: str, event: Told, things: Iterable[str]) -> None:
        self.faults |= {(what, thing, event.number) for thing in things}

    def may_speak(self, event: Told, thing: str) -> bool:
        if event.hold is not None:
            return self.placers.get((thing, event.hold)) == event.by
        maker, holder = self.makers.get(thing), self.holders.get(thing)
        if event.name == "commission":
            return maker in (None, event.by) or holder == event.by
        if self.under_way.get(thing) == event.by:
            return True
        return event.by in (maker, holder) or holder is None

    def look_at_hands(self, event: Told, things: Iterable[str]) -> None:
        for thing in things:
            holder = self.holders.get(thing)
            if event.name == "receive":
                confirmed = holder == event.by and event is not self.draft
                if holder is not None and self.under_way.get(thing) != event.by and not confirmed:
                    self.note("not under way", event, [thing])
            elif event.name == "commission":
                if holder not in (None, event.by) and thing not in self.issued | self.ended:
                    self.note("issued before", event, [thing])
            elif event.name in ("pack", "unpack", "ship", "decommission", "destroy"):
                if holder not in (None, event.by):
                    self.note("not in hand", event, [thing])
                elif thing in self.under_way:
                    self.note("under way", event, [thing])

    def held_among(self, things: Iterable[str]) -> set[str]:
        return {thing for thing in things if set(self.held.get(thing, {}).values()) & set(self.around(thing))}

    def contents(self, things: Iterable[str]) -> set[str]:
        return {thing for thing in self.inside if not set(self.around(thing)[1:]).isdisjoint(things)}

    def around(self, thing: str) -> list[str]:
        found = [thing]
        while (thing := self.inside.get(thing, "")) and thing not in found:
            found.append(thing)
        return found

    def commission(self, event: Told, things: Iterable[str]) -> None:
        for thing in things:
            self.makers.setdefault(thing, event.by)
            self.holders[thing] = event.by
            self.under_way.pop(thing, None)
        self.issued.update(things)
        self.ended.difference_update(things)

    def observe(self, event: Told, things: Iterable[str]) -> None:
        for thing in things:
            self.holders.setdefault(thing, event.by)

    def place_hold(self, event: Told, things: Iterable[str]) -> None:
        self.observe(event, things)
        for thing in things:
            self.placers[thing, event.number] = event.by
            on = next(one for one in self.around(thing) if one in event.things)
            self.held.setdefault(thing, {})[event.number] = on

    def release_hold(self, event: Told, things: Iterable[str]) -> None:
        for thing in things:
            self.held.get(thing, {}).pop(event.hold or 0, None)
            self.placers.pop((thing, event.hold or 0), None)

    def pack(self, event: Told, things: Iterable[str]) -> None:
        self.observe(event, things)
        parent = event.parent or ""
        for thing in event.things:
            if thing in things:
                if thing in self.inside:
                    self.note("inside", event, [thing])
                if self.inside.get(thing) != parent:
                    self.inside.pop(thing, None)
                    if thing in self.around(parent):
                        self.note("cycle", event, [thing])
                    self.inside[thing] = parent

    def unpack(self, event: Told, things: Iterable[str]) -> None:
        self.observe(event, things)
        self.note("not inside", event, [one for one in event.things if self.inside.get(one) != event.parent])
        self.inside = {c: p for c, p in self.inside.items() if c not in things or p != event.parent}

    def decommission(self, event: Told, things: Iterable[str]) -> None:
        self.inside = {child: parent for child, parent in self.inside.items() if child not in things}
        self.note("not empty", event, [thing for thing in things if thing in self.inside.values()])
        self.ended.update(things)
        for thing in things:
            self.under_way.pop(thing, None)
            self.holders.setdefault(thing, event.by)

    destroy = decommission

    def ship(self, event: Told, things: Iterable[str]) -> None:
        self.observe(event, things)
        self.under_way.update(dict.fromkeys(things, event.to or ""))

    def receive(self, event: Told, things: Iterable[str]) -> None:
        for thing in things:
            self.holders[thing] = event.by
            self.under_way.pop(thing, None)


class Organisations(RuleBasedStateMachine):
    """What is accepted is what adds no fault to what its organisation sees."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count(1)
        self.told: list[Told] = []
        self.accepted = 0

    @initialize(secretive=st.sampled_from([(), ("mover.example",)]))
    def begin(self, secretive: tuple[str, ...]) -> None:
        self.world = self.made(secretive)

    def made(self, secretive: tuple[str, ...]) -> World:
        return World(secretive=secretive, opened=OPENED | {"more"})

    def seen_by(self, organisation: str) -> list[Told]:
        return [one for one in self.told if one.by == organisation or one.by not in self.world.secretive]

    def expect(self, event: Told) -> bool:
        """Tell whether the model would accept an event."""
        before = self.seen_by(event.by)
        then = Replay.of(one for one in before if one.at < event.at)
        if event.name not in ("commission", "unpack", "receive") and not then.known.issuperset(event.things):
            return False
        if event.name == "unpack" and not event.things and event.parent not in then.inside.values():
            return False
        if event.name == "ship" and not then.inside.keys().isdisjoint(event.things):
            return False
        return Replay.of([*before, event], event).faults <= Replay.of(before).faults

    def refusal(self, name: str, by: str, *, late: bool, **body: Any) -> CommandRefusedError | None:
        """Give a command, and check what it is refused for, if it is."""
        head = self.world.ledger.head()
        try:
            self.world.do(name, by=by, **body)
        except CommandRefusedError as error:
            refused = error
        else:
            return None
        # Of what came later anything may be broken.
        assert late or {broken.rule for broken in refused.rules} <= set(COMMANDS[name].rules), refused.rules
        assert self.world.ledger.head() == head
        return refused

    def give(self, event: Told, **body: Any) -> None:
        if any(one.at == event.at for one in self.told):
            return  # at one instant the order of things of one kind is that of their content
        expected = self.expect(event)
        late = any(one.at > event.at for one in self.told)
        named = {} if event.name.endswith("hold") else {"event_id": f"urn:x:{event.number}"}
        refused = self.refusal(event.name, event.by, late=late, at=event.at, **named, **body)
        assert (refused is None) is expected, (event, refused and refused.rules)
        if refused is None:
            self.told.append(event)

    @rule(by=BY, at=AT, things=SOME)
    def commission(self, by: str, at: int, things: list[str]) -> None:
        self.give(Told(next(self.numbers), "commission", by, at, tuple(things)), things=things)

    @rule(by=BY, at=AT, things=SOME, name=st.sampled_from(["observe", "decommission", "destroy"]))
    def handle(self, by: str, at: int, things: list[str], name: str) -> None:
        self.give(Told(next(self.numbers), name, by, at, tuple(things)), things=things)

    @rule(by=BY, at=AT, parent=st.sampled_from(CONTAINERS), children=SOME)
    def pack(self, by: str, at: int, parent: str, children: list[str]) -> None:
        told = Told(next(self.numbers), "pack", by, at, tuple(children), parent)
        self.give(told, parent=parent, children=children)

    @rule(by=BY, at=AT, parent=st.sampled_from(CONTAINERS), children=st.one_of(st.just([]), SOME))
    def unpack(self, by: str, at: int, parent: str, children: list[str]) -> None:
        told = Told(next(self.numbers), "unpack", by, at, tuple(children), parent)
        self.give(told, parent=parent, children=children)

    @rule(by=BY, at=AT, things=SOME, to=st.sampled_from(sorted(GLNS)))
    def ship(self, by: str, at: int, things: list[str], to: str) -> None:
        told = Told(next(self.numbers), "ship", by, at, tuple(things), to=to)
        self.give(told, things=things, to=f"https://id.gs1.org/417/{GLNS[to]}")

    @rule(by=BY, at=AT, things=SOME)
    def receive(self, by: str, at: int, things: list[str]) -> None:
        self.give(Told(next(self.numbers), "receive", by, at, tuple(things)), things=things)

    @rule(by=BY, at=AT, things=SOME)
    def place_hold(self, by: str, at: int, things: list[str]) -> None:
        if by not in self.world.secretive:  # whose holds are seen by those whom they concern
            told = Told(next(self.numbers), "place_hold", by, at, tuple(things))
            self.give(told, things=things, reason="quality", hold=f"H{told.number}")

    @precondition(lambda self: any(one.name == "place_hold" for one in self.told))
    @rule(by=BY, at=AT, data=st.data())
    def release_hold(self, by: str, at: int, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from([one for one in self.told if one.name == "place_hold"]))
        if by not in self.world.secretive:
            told = Told(next(self.numbers), "release_hold", by, at, held.things, hold=held.number)
            self.give(told, things=held.things, hold=f"H{held.number}")

    @precondition(lambda self: any(one.hold is None and one.name != "place_hold" for one in self.told))
    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        decided = ("place_hold", "release_hold")
        event = data.draw(st.sampled_from([one for one in self.told if one.name not in decided]))
        before = self.seen_by(event.by)
        rest = [one for one in before if one is not event]
        expected = Replay.of(rest).faults <= Replay.of(before).faults
        refused = self.refusal("correct", event.by, late=True, event=f"urn:x:{event.number}")
        assert (refused is None) is expected, (event, refused and refused.rules)
        if refused is None:
            self.told.remove(event)

    @invariant()
    def nobody_who_sees_all_sees_anything_wrong(self) -> None:
        if self.told and not self.world.secretive:
            assert Replay.of(self.told).faults == set()


def told(*steps: tuple[str, str, int]) -> Organisations:
    """Return the machine after commands about one pack by the mover, whom nobody else sees, and the maker."""
    machine = Organisations()
    machine.begin(("mover.example",))
    for name, by, at in steps:
        number = next(machine.numbers)
        machine.give(Told(number, name, f"{by}.example", at, (PACKS[0],)), things=[PACKS[0]])
    assert len(machine.told) == len(steps)
    return machine


def test_a_correction_leaves_an_event_as_wrong_as_it_was() -> None:
    machine = told(("commission", "mover", 0), ("commission", "maker", 2), ("observe", "mover", 1))
    # Without the first, the maker's is no claim any more: it is about what the mover has in use.
    assert machine.refusal("correct", "mover.example", late=True, event="urn:x:1") is None


def test_an_event_in_between_leaves_another_as_wrong_as_it_was() -> None:
    told(("receive", "mover", 0), ("commission", "maker", 20), ("commission", "mover", 10))


def test_random_commands_of_three_organisations() -> None:
    run_state_machine_as_test(Organisations, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
