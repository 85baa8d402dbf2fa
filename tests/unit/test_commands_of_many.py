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

from tests.support.desks import World
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
    """What a command said: `things` are the children when it has a parent."""

    number: int
    name: str
    by: str
    at: int
    things: tuple[str, ...] = ()
    parent: str | None = None


@dataclass
class Replay:
    """Events in the order of their times, one after the other; `faults` are what is wrong with each."""

    issued: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    inside: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    faults: set[tuple[str, str, int]] = field(default_factory=set)

    @classmethod
    def of(cls, events: Iterable[Told]) -> Replay:
        replay = cls()
        for event in sorted(events, key=lambda event: event.at):
            replay.take(event)
        return replay

    def take(self, event: Told) -> None:
        mentioned = (*event.things, *([event.parent] if event.parent else []))
        for thing in mentioned:
            if event.name == "commission" and thing in self.issued:
                self.faults.add(("commissioned_before", thing, event.number))
            elif thing in self.ended:
                self.faults.add(("ended", thing, event.number))
        self.known.update(mentioned)
        if event.name == "commission":
            self.issued.update(event.things)
            self.ended.difference_update(event.things)
        elif event.name == "pack":
            self.pack(event, event.parent or "")
        elif event.name == "unpack":
            self.unpack(event)
        elif event.name != "observe":
            self.inside = {child: parent for child, parent in self.inside.items() if child not in event.things}
            left = self.inside.values()
            self.faults |= {("not_empty", thing, event.number) for thing in event.things if thing in left}
            self.ended |= set(event.things)

    def pack(self, event: Told, parent: str) -> None:
        for thing in event.things:
            if thing in self.inside:
                self.faults.add(("inside", thing, event.number))
            if self.inside.get(thing) != parent:
                self.inside.pop(thing, None)
                if thing in self.around(parent):
                    self.faults.add(("cycle", thing, event.number))
                self.inside[thing] = parent

    def around(self, container: str) -> list[str]:
        found = [container]
        while (container := self.inside.get(container, "")) and container not in found:
            found.append(container)
        return found

    def unpack(self, event: Told) -> None:
        for thing in event.things:
            if self.inside.get(thing) != event.parent:
                self.faults.add(("not_inside", thing, event.number))
        gone = event.things or tuple(self.inside)
        self.inside = {c: p for c, p in self.inside.items() if c not in gone or p != event.parent}


class Organisations(RuleBasedStateMachine):
    """What is accepted is what adds no fault to what its organisation sees."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count(1)
        self.told: list[Told] = []
        self.accepted = 0

    @initialize(secretive=st.sampled_from([(), ("mover.example",)]))
    def begin(self, secretive: tuple[str, ...]) -> None:
        self.world = World(secretive=secretive)

    def seen_by(self, organisation: str) -> list[Told]:
        return [one for one in self.told if one.by == organisation or one.by not in self.world.secretive]

    def expect(self, event: Told) -> bool:
        """Tell whether the model would accept an event."""
        before = self.seen_by(event.by)
        then = Replay.of(one for one in before if one.at < event.at)
        if event.name not in ("commission", "unpack") and not then.known.issuperset(event.things):
            return False
        if event.name == "unpack" and not event.things and event.parent not in then.inside.values():
            return False
        return Replay.of([*before, event]).faults <= Replay.of(before).faults

    def refusal(self, name: str, by: str, **body: Any) -> CommandRefusedError | None:
        """Give a command, and check what it is refused for, if it is."""
        head = self.world.ledger.head()
        try:
            self.world.do(name, by=by, **body)
        except CommandRefusedError as error:
            refused = error
        else:
            return None
        assert {broken.rule for broken in refused.rules} <= set(COMMANDS[name].rules), refused.rules
        assert self.world.ledger.head() == head
        return refused

    def give(self, event: Told, **body: Any) -> None:
        if any(one.at == event.at for one in self.told):
            return  # at one instant the order of things of one kind is that of their content
        expected = self.expect(event)
        refused = self.refusal(event.name, event.by, at=event.at, event_id=f"urn:x:{event.number}", **body)
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

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.told))
        before = self.seen_by(event.by)
        rest = [one for one in before if one is not event]
        expected = Replay.of(rest).faults <= Replay.of(before).faults
        refused = self.refusal("correct", event.by, event=f"urn:x:{event.number}")
        assert (refused is None) is expected, (event, refused and refused.rules)
        if refused is None:
            self.told.remove(event)

    @invariant()
    def nobody_who_sees_all_sees_anything_wrong(self) -> None:
        if self.told and not self.world.secretive:
            assert Replay.of(self.told).faults == set()


def test_random_commands_of_three_organisations() -> None:
    run_state_machine_as_test(Organisations, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
