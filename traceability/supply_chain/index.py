"""The port through which folds read a ledger: one reader's view of it, up to one position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from traceability.ledger.index import MarkKind
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.deeds import is_deed
from traceability.supply_chain.seen import SeenEvent, Subjects
from traceability.supply_chain.standing import counting
from traceability.supply_chain.windows import Windows


class ProvenanceIndex(Protocol):
    """The events and decisions that one reader may see among those recorded up to `known_at`.

    Every answer is checked against what the reader sees, so that two tags of one hash cost time and never an answer. It
    names an event once, in no order. An instance serves one question: when the reader may only see items that it names,
    each call names more of them, so an event may come again with more of its items.
    """

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        ...

    def events(self, asked: Subjects, during: Mapping[str, Windows] | None = None) -> Sequence[SeenEvent]:
        """Return the events that concern what is asked for, with every error declaration that retracts one of them.

        So do those of the things that have windows in `during`. Of one that was never a child, events outside of these
        may be left out: a pallet is used again and again.
        """
        ...

    def decisions(self, things: Collection[str]) -> Sequence[SeenDecision]:
        """Return the decisions about these things that the reader may see, also of those asked for in windows only."""
        ...

    def known(self, things: Collection[str], as_of: int | None = None) -> set[str]:
        """Return those of these things that an event that counts names, or names a member of, as of an event time."""
        ...

    def ties(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> Sequence[SeenEvent]:
        """Return the events that count, concern what is asked for and may tie things together.

        They are neither retracted nor a retraction, and `SeenEvent.ties` is true of them. `during` as for `events`; of
        those things, events may also be left out in which they are only the parent. Nothing is said of the events at
        the positions `but`.
        """
        ...

    def deeds(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> Sequence[SeenEvent]:
        """Return what `ties` does, with the events of which `is_deed` is true: they may move custody, or end things.

        Of things in `during`, none is left out in which they are only the parent.
        """
        ...

    def counting(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> Sequence[SeenEvent]:
        """Return what `ties` does, and every other event that counts and concerns what is asked for.

        Of things in `during`, none is left out in which they are only the parent.
        """
        ...

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go at any time, but not more than `most`.

        It may be more than the reader sees, never less.
        """
        ...

    def surrounding(self, things: Collection[str], most: int) -> Mapping[str, int]:
        """Return how many containers may be around each of these things, one in the other, but not more than `most`.

        That is at any time, and may be more than the reader sees, never less.
        """
        ...

    def leavings(self, within: Mapping[str, Windows]) -> Sequence[SeenEvent]:
        """Return the events that count, concern one of these things in its windows and may tie things together.

        Events outside of the windows may be left out, unless they say more now that these things are named.
        """
        ...

    def emptyings(self, kind: MarkKind, after: Collection[tuple[str, int]]) -> Sequence[SeenEvent]:
        """Return what emptied parents first after an instant (µs UTC): the events that count and close everything.

        Of several at the first instant, all are given. Who asks was led to the parents, so it names them.
        """
        ...


class PlainIndex(ABC):
    """Answers picked from `events`, for an index that has them at hand."""

    @abstractmethod
    def events(self, asked: Subjects, during: Mapping[str, Windows] | None = None) -> Sequence[SeenEvent]:
        """Return what `ProvenanceIndex.events` does."""

    def known(self, things: Collection[str], as_of: int | None = None) -> set[str]:
        """Return those of these things that an event that counts names, or names a member of, as of an event time."""
        told = counting(self.events(Subjects(things=set(things), lots=set(things))))
        seen = [event for event in told if as_of is None or event.occurred_at <= as_of]
        return {name for event in seen for name in event.things | event.lots}.intersection(things)

    def ties(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count, concern what is asked for and may tie things together."""
        return [event for event in self.counting(asked, during, but) if event.ties]

    def deeds(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return what `ties` does, and what else moves custody or ends things."""
        return [event for event in self.counting(asked, during, but) if event.ties or is_deed(event)]

    def counting(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count and concern what is asked for."""
        told = frozenset(but)
        return [event for event in counting(self.events(asked, during)) if event.position not in told]

    def leavings(self, within: Mapping[str, Windows]) -> list[SeenEvent]:
        """Return the events that count, concern one of these things and may tie things together."""
        return self.ties(Subjects(things=within.keys()))


def first_of(emptyings: Iterable[SeenEvent], after: Collection[tuple[str, int]]) -> list[SeenEvent]:
    """Return, of events that empty their parents, those that came first after an instant (µs UTC) for one of these."""
    of_parent: dict[str, list[SeenEvent]] = {parent: [] for parent, _ in after}
    for event in emptyings:
        for parent in event.parents:
            if parent in of_parent:
                of_parent[parent].append(event)
    found: dict[int, SeenEvent] = {}
    for parent, instant in after:
        later = [event for event in of_parent[parent] if event.occurred_at > instant]
        first = min((event.occurred_at for event in later), default=None)
        found.update((event.position, event) for event in later if event.occurred_at == first)
    return list(found.values())
