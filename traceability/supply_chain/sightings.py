"""How many things were last seen, at once: what `item.state_of` says of each, from events that are read once.

A thing is seen by its own events, and by those of a container while it is inside. Containers are only read for the
stays in which they could still say something newer than the thing's own events do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec
import numpy as np

from traceability.supply_chain.item import CONTAINER_ONLY, ENDED, Lifecycle, lifecycle_after
from traceability.supply_chain.links import Links
from traceability.supply_chain.seen import AGGREGATION_EVENT, OBJECT_EVENT, TRANSFORMATION_EVENT, Role, SeenEvent
from traceability.supply_chain.standing import ordered
from traceability.supply_chain.stays import Stays, around, by_container, stays_of
from traceability.supply_chain.tables import distinct
from traceability.supply_chain.windows import BEGIN


class Sighting(msgspec.Struct):
    """What is known of a thing after its events: `at` is when it was seen last (µs UTC), `own_at` when it was by an
    event of its own; what was not told was told at BEGIN. `tied` is its life by what made or ended it alone.
    """  # noqa: D205 - one sentence

    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    tied: Lifecycle = Lifecycle.UNKNOWN
    at: int | None = None
    own_at: int = BEGIN
    step: str | None = None
    step_at: int = BEGIN
    place: str | None = None
    place_at: int = BEGIN
    disposition: str | None = None
    disposition_at: int = BEGIN

    def ended_before(self, used_at: int | None) -> Lifecycle | None:
        """Return how it ended: by what made or ended it, of which observations then change nothing, else by those, or
        in a container that was used after all that is told of itself.
        """  # noqa: D205 - one sentence
        for life in (self.tied, self.lifecycle):
            if life in ENDED and (life is not Lifecycle.LOST_OR_STOLEN or life is self.lifecycle):
                return life
        return None if used_at is None or self.own_at > used_at else Lifecycle.CONSUMED

    @property
    def settled_at(self) -> int:
        """Return the instant before which nothing that happened could change it."""
        return min(self.step_at, self.place_at, self.disposition_at)

    def live(self, event: SeenEvent, thing: str) -> None:
        """Take in an event of the thing itself."""
        mentions = event.of(thing)
        named = {mention.role for mention in mentions if not mention.class_level}
        self.lifecycle = lifecycle_after(self.lifecycle, event, named)
        if named and (event.type == TRANSFORMATION_EVENT or (event.type == OBJECT_EVENT and event.action != "OBSERVE")):
            self.tied = lifecycle_after(self.tied, event, named)
        # The disposition of a transformation is that of its outputs (EPCIS 2.0 §7.4.6).
        if event.type != TRANSFORMATION_EVENT or any(m.role is Role.OUTPUT for m in mentions):
            self._dispose(event, event.head.disposition)
        self.own_at = event.occurred_at
        self._see(event)

    def inherit(self, event: SeenEvent) -> None:
        """Take in an event of a container that the thing was in."""
        disposition = event.head.disposition
        if disposition not in CONTAINER_ONLY and self.lifecycle not in ENDED:
            self._dispose(event, disposition)
        self._see(event)

    def _dispose(self, event: SeenEvent, disposition: str | None) -> None:
        if disposition is not None:
            self.disposition, self.disposition_at = disposition, event.occurred_at

    def _see(self, event: SeenEvent) -> None:
        self.at = at = event.occurred_at
        if event.head.bizStep is not None:
            self.step, self.step_at = event.head.bizStep, at
        if event.place is not None:
            self.place, self.place_at = event.place, at


def sightings(links: Links, things: Collection[int], used: Mapping[int, int]) -> dict[int, Sighting]:
    """Return how things, by number, were last seen; `links` has loaded each.

    `used` is when things were used in a container; of what ended by that or its own events no container is read.
    """
    names = links.facts.things.names
    numbers = {names[thing]: thing for thing in things}
    own = links.events(numbers.keys(), {})
    found = _folded(numbers, own, {})
    live = {thing: of.settled_at for thing, of in found.items() if of.ended_before(used.get(thing)) is None}
    stays = stays_of(links, live)
    if len(stays.thing):
        concerned = {names[thing]: thing for thing in distinct(stays.thing).tolist()}
        again = [event for event in own if not event.things.isdisjoint(concerned)]
        found |= _folded(concerned, [*again, *around(links, stays)], by_container(links, stays))
    return found


def seen(links: Links, things: Collection[int]) -> Iterator[tuple[SeenEvent, set[int]]]:
    """Yield all events of things, by number, and of the containers that they were in, each with those that it sees."""
    names = links.facts.things.names
    numbers = {names[thing]: thing for thing in things}
    stays = stays_of(links, dict.fromkeys(things, BEGIN))
    events = [*links.events(numbers.keys(), {}), *around(links, stays)]
    for event, own, others in _seeing(numbers, events, by_container(links, stays)):
        yield event, own | others


def _folded(
    numbers: Mapping[str, int], events: Iterable[SeenEvent], inside: Mapping[str, Stays]
) -> dict[int, Sighting]:
    names = {number: name for name, number in numbers.items()}
    found = {number: Sighting() for number in names}
    for event, own, others in _seeing(numbers, events, inside):
        for number in own:
            found[number].live(event, names[number])
        for number in others:
            found[number].inherit(event)
    return found


def _seeing(
    numbers: Mapping[str, int], events: Iterable[SeenEvent], inside: Mapping[str, Stays]
) -> Iterator[tuple[SeenEvent, set[int], set[int]]]:
    """Yield events in the order of folds: which things each is an event of, and which it sees in a container."""
    for event in ordered(events):
        own = {numbers[name] for name in event.things & numbers.keys()}
        others = set[int]()
        for container in event.things & inside.keys():
            others |= _seen_within(event, container, inside[container])
        if others:
            # What happens to a member of a lot says nothing about the lot, whatever that is in.
            others -= own | {numbers[lot] for lot in event.lots & numbers.keys()}
        yield event, own, others


def _seen_within(event: SeenEvent, container: str, stays: Stays) -> set[int]:
    """Return which things an event of their container is an event of."""
    at = event.occurred_at
    here = np.zeros(len(stays.thing), np.bool_)
    roles = {mention.role for mention in event.of(container)}
    # Packing something else into it is not.
    if event.type != AGGREGATION_EVENT or Role.CHILD in roles:
        here |= (stays.first <= at) & (at <= stays.last)
    # The emptying of a container names none of its children, and is how these left.
    if event.empties and container in event.parents:
        here |= stays.left_at == at
    return set(stays.thing[here].tolist())
