"""The state of one thing: a total fold over what the reader may see of it.

It reads events by event time (`standing.ordered`), so any arrival order gives the same state, and never raises. Every
event that counts moves the state, however surprising; which of them are mere claims was judged before (`authority`).

What happens to a container happens to what is in it: its places, readings and goods dispositions are inherited while
the thing is inside, its own life is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.readings import TEMPERATURE, Reading
from traceability.supply_chain.seen import OBJECT_EVENT, TRANSFORMATION_EVENT, Role, SeenEvent


class Lifecycle(StrEnum):
    """Where a thing is in its life."""

    UNKNOWN = "unknown"
    ACTIVE = "active"
    CONSUMED = "consumed"
    SUPPLIED = "supplied"
    DECOMMISSIONED = "decommissioned"
    DESTROYED = "destroyed"
    LOST_OR_STOLEN = "lost_or_stolen"


ENDED: Final = frozenset(
    {Lifecycle.CONSUMED, Lifecycle.SUPPLIED, Lifecycle.DECOMMISSIONED, Lifecycle.DESTROYED, Lifecycle.LOST_OR_STOLEN}
)
ENDS_BY_STEP: Final[Mapping[str, Lifecycle]] = {
    "dispensing": Lifecycle.SUPPLIED,
    "retail_selling": Lifecycle.SUPPLIED,
    "decommissioning": Lifecycle.DECOMMISSIONED,
    "destroying": Lifecycle.DESTROYED,
}
ENDS_BY_DISPOSITION: Final[Mapping[str, Lifecycle]] = {
    "destroyed": Lifecycle.DESTROYED,
    "dispensed": Lifecycle.SUPPLIED,
    "retail_sold": Lifecycle.SUPPLIED,
    "stolen": Lifecycle.LOST_OR_STOLEN,
}
# CBV 2.0 §7.2: these speak of the container itself, not of what is inside.
CONTAINER_ONLY: Final = frozenset({"container_closed", "container_open"})


class QuantityFact(msgspec.Struct, frozen=True):
    """An amount of a class or lot that an event states; `uom` None counts pieces, `quantity` None is unstated."""

    at: int
    role: Role
    action: str | None
    quantity: Decimal | None
    uom: str | None
    position: int


class ItemState(msgspec.Struct, frozen=True):
    """What is known of a thing after its events; times are event times in µs UTC.

    `place` is the last business location, or a read point seen after it. `contained_in` is the chain of containers
    outward; `contents` are direct. `transformed_from` and `transformed_into` are the far ends of its transformations.
    """

    lifecycle: Lifecycle = Lifecycle.UNKNOWN
    commissioned_at: int | None = None
    disposition: str | None = None
    persistent_dispositions: frozenset[str] = frozenset()
    place: str | None = None
    place_since: int | None = None
    last_step: str | None = None
    last_seen_at: int | None = None
    lot: str | None = None
    contained_in: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    attached_to: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    transformed_from: tuple[str, ...] = ()
    transformed_into: tuple[str, ...] = ()
    quantities: tuple[QuantityFact, ...] = ()
    temperatures: tuple[Reading, ...] = ()


LAST_TEMPERATURES: Final = 8


def state_of(thing: str, entries: Iterable[HistoryEntry], measured: Iterable[Reading]) -> ItemState:
    """Fold a history, in order, into a state; what other things add (containers, contents) is not filled in.

    `measured` are the readings of the entries that count.
    """
    fold = _Fold(thing)
    for entry in entries:
        if not entry.counts or isinstance(entry.event, SeenDecision):
            continue
        if entry.via is not None:
            fold.inherit(entry.event)
        elif entry.mentions:
            fold.live(entry)
        else:
            fold.have_member(entry.event)
    return fold.state([reading for reading in measured if reading.kind == TEMPERATURE])


class _Fold:
    """A state in the making."""

    def __init__(self, thing: str) -> None:
        self._thing = thing
        self._lifecycle = Lifecycle.UNKNOWN
        self._commissioned_at: int | None = None
        self._disposition: str | None = None
        self._persistent: frozenset[str] = frozenset()
        self._place: str | None = None
        self._place_since: int | None = None
        self._last_step: str | None = None
        self._last_seen_at: int | None = None
        self._lot: str | None = None
        self._quantities: list[QuantityFact] = []

    def state(self, temperatures: Sequence[Reading]) -> ItemState:
        """Return the state after what was told so far."""
        return ItemState(
            lifecycle=self._lifecycle,
            commissioned_at=self._commissioned_at,
            disposition=self._disposition,
            persistent_dispositions=self._persistent,
            place=self._place,
            place_since=self._place_since,
            last_step=self._last_step,
            last_seen_at=self._last_seen_at,
            lot=self._lot,
            quantities=tuple(self._quantities),
            temperatures=tuple(temperatures[-LAST_TEMPERATURES:]),
        )

    def live(self, entry: HistoryEntry) -> None:
        """Tell an event of the thing itself."""
        event, head = entry.event, entry.event.head
        named = {mention.role for mention in entry.mentions if not mention.class_level}
        roles = {mention.role for mention in entry.mentions}
        self._lifecycle = lifecycle_after(self._lifecycle, event, named)
        if self._commissioned_at is None and self._lifecycle is Lifecycle.ACTIVE and makes(event, roles):
            self._commissioned_at = event.occurred_at
        # The disposition of a transformation is that of its outputs (EPCIS 2.0 §7.4.6).
        if event.type != TRANSFORMATION_EVENT or Role.OUTPUT in roles:
            self._disposition = head.disposition or self._disposition
        persistent = head.persistentDisposition
        if persistent.set or persistent.unset:
            self._persistent = self._persistent.union(persistent.set).difference(persistent.unset)
        self._lot = event.lot_of(self._thing) or self._lot
        self._quantities += [
            QuantityFact(event.occurred_at, m.role, event.action, m.quantity, m.uom, event.position)
            for m in entry.mentions
            if m.class_level
        ]
        self._see(event)

    def inherit(self, event: SeenEvent) -> None:
        """Tell an event of a container that the thing was in."""
        disposition = event.head.disposition
        if disposition is not None and disposition not in CONTAINER_ONLY and self._lifecycle not in ENDED:
            self._disposition = disposition
        self._see(event)

    def have_member(self, event: SeenEvent) -> None:
        """Tell that a lot exists as soon as a member does; where one member is says nothing about the lot."""
        if self._lifecycle is Lifecycle.UNKNOWN:
            self._lifecycle = Lifecycle.ACTIVE
        if self._commissioned_at is None and event.action == "ADD" and event.type == OBJECT_EVENT:
            self._commissioned_at = event.occurred_at
        self._last_seen_at = event.occurred_at

    def _see(self, event: SeenEvent) -> None:
        self._last_seen_at = event.occurred_at
        self._last_step = event.head.bizStep or self._last_step
        place = event.place
        if place is not None and place != self._place:
            self._place, self._place_since = place, event.occurred_at


def makes(event: SeenEvent, roles: Collection[Role]) -> bool:
    """Tell whether an event brings what plays these roles in it into being."""
    return (event.type == OBJECT_EVENT and event.action == "ADD") or Role.OUTPUT in roles


def ending(event: SeenEvent, roles: Collection[Role]) -> Lifecycle | None:
    """Return how an event ends the life of what it names in `roles`, those of this very thing and not of a quantity."""
    head = event.head
    if Role.INPUT in roles:
        return Lifecycle.CONSUMED
    if not roles:
        return None
    after = ENDS_BY_DISPOSITION.get(head.disposition or "")
    if after is None and head.disposition != "partially_dispensed":
        after = ENDS_BY_STEP.get(head.bizStep or "")
    if after is None and event.type == OBJECT_EVENT and event.action == "DELETE":
        after = Lifecycle.DECOMMISSIONED
    return after


def lifecycle_after(before: Lifecycle, event: SeenEvent, roles: Collection[Role]) -> Lifecycle:
    """Return the lifecycle after an event; `roles` are those of this very thing and not of a quantity."""
    if makes(event, roles):
        return Lifecycle.ACTIVE  # also again: a returnable asset, or a serial that was taken back into use
    after = ending(event, roles)
    if after is not None:
        return after
    if before in (Lifecycle.UNKNOWN, Lifecycle.LOST_OR_STOLEN):
        return Lifecycle.ACTIVE  # to handle a thing is to know that it is there
    return before
