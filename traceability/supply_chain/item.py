"""The state of one thing: a total fold over what the reader may see of it.

It reads events by event time (`seen.ordered`), so any arrival order gives the same state, and never raises. Facts are
recorded as claimed, so every event moves the state, however surprising; who had the authority to say so is decided
where the parties are known (design §3).

What happens to a container happens to what is in it: its places, readings and goods dispositions are inherited while
the thing is inside, its own life is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from traceability.supply_chain.readings import TEMPERATURE, Reading, readings
from traceability.supply_chain.seen import OBJECT_EVENT, TRANSFORMATION_EVENT, Mention, Role, SeenEvent


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
_ENDS_BY_STEP: Final = {
    "dispensing": Lifecycle.SUPPLIED,
    "retail_selling": Lifecycle.SUPPLIED,
    "decommissioning": Lifecycle.DECOMMISSIONED,
    "destroying": Lifecycle.DESTROYED,
}
_ENDS_BY_DISPOSITION: Final = {
    "destroyed": Lifecycle.DESTROYED,
    "dispensed": Lifecycle.SUPPLIED,
    "retail_sold": Lifecycle.SUPPLIED,
    "stolen": Lifecycle.LOST_OR_STOLEN,
}
# CBV 2.0 §7.2: these speak of the container itself, not of what is inside.
_CONTAINER_ONLY: Final = frozenset({"container_closed", "container_open"})


class HistoryEntry(msgspec.Struct, frozen=True):
    """An event in the life of a thing: its own `mentions`, or (`via`) those of a container that it was in.

    Without mentions it is an event of a lot's member.

    `retracted_by` is the error declaration that took the event back; such an event, and the declaration itself, are
    shown and do not move the state.
    """

    event: SeenEvent
    mentions: tuple[Mention, ...]
    via: str | None = None
    retracted_by: SeenEvent | None = None

    @property
    def counts(self) -> bool:
        """Tell whether the entry moves the state."""
        return self.retracted_by is None and not self.event.declares


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


def state_of(thing: str, entries: Iterable[HistoryEntry]) -> ItemState:
    """Fold a history, in order, into a state; what other things add (containers, contents) is not filled in."""
    state = ItemState()
    counted = [entry for entry in entries if entry.counts]
    for entry in counted:
        if entry.via is not None:
            state = _inherited(state, entry.event)
        elif entry.mentions:
            state = _own(state, thing, entry)
        else:
            state = _of_member(state, entry.event)
    temperatures = [r for r in readings(entry.event for entry in counted) if r.kind == TEMPERATURE]
    return replace(state, temperatures=tuple(temperatures[-LAST_TEMPERATURES:]))


def _own(state: ItemState, thing: str, entry: HistoryEntry) -> ItemState:
    event, view = entry.event, entry.event.view
    named = [mention for mention in entry.mentions if not mention.class_level]
    roles = {mention.role for mention in entry.mentions}
    lifecycle = _lifecycle(state.lifecycle, event, named)
    made = lifecycle is Lifecycle.ACTIVE and _makes(event, roles)
    disposition = view.disposition
    # The disposition of a transformation is that of its outputs (EPCIS 2.0 §7.4.6).
    if view.type == TRANSFORMATION_EVENT and Role.OUTPUT not in roles:
        disposition = None
    facts = [
        QuantityFact(view.occurred_at, m.role, view.action, m.quantity, m.uom, event.position)
        for m in entry.mentions
        if m.class_level
    ]
    return replace(
        _placed(state, event),
        lifecycle=lifecycle,
        commissioned_at=view.occurred_at if made and state.commissioned_at is None else state.commissioned_at,
        disposition=disposition or state.disposition,
        persistent_dispositions=(state.persistent_dispositions | set(view.persistent_set)) - set(view.persistent_unset),
        lot=event.lot_of(thing) or state.lot,
        quantities=(*state.quantities, *facts),
    )


def _inherited(state: ItemState, event: SeenEvent) -> ItemState:
    disposition = event.view.disposition
    if disposition is None or disposition in _CONTAINER_ONLY or state.lifecycle in ENDED:
        return _placed(state, event)
    return replace(_placed(state, event), disposition=disposition)


def _of_member(state: ItemState, event: SeenEvent) -> ItemState:
    """Tell that a lot exists as soon as a member does; where one member is says nothing about the lot."""
    made = state.commissioned_at is None and event.action == "ADD" and event.type == OBJECT_EVENT
    return replace(
        state,
        lifecycle=Lifecycle.ACTIVE if state.lifecycle is Lifecycle.UNKNOWN else state.lifecycle,
        commissioned_at=event.occurred_at if made else state.commissioned_at,
        last_seen_at=event.occurred_at,
    )


def _placed(state: ItemState, event: SeenEvent) -> ItemState:
    view = event.view
    place = view.biz_location or view.read_point
    seen = replace(state, last_seen_at=view.occurred_at, last_step=view.biz_step or state.last_step)
    if place is None:
        return seen
    return replace(seen, place=place, place_since=state.place_since if place == state.place else view.occurred_at)


def _makes(event: SeenEvent, roles: Collection[Role]) -> bool:
    view = event.view
    return (view.type == OBJECT_EVENT and view.action == "ADD") or Role.OUTPUT in roles


def _lifecycle(before: Lifecycle, event: SeenEvent, named: list[Mention]) -> Lifecycle:
    """Return the lifecycle after an event; `named` are its mentions that mean this very thing and not a quantity."""
    view = event.view
    roles = {mention.role for mention in named}
    if _makes(event, roles):
        return Lifecycle.ACTIVE  # also again: a returnable asset, or a serial that was taken back into use
    if Role.INPUT in roles:
        return Lifecycle.CONSUMED
    if roles:
        after = _ENDS_BY_DISPOSITION.get(view.disposition or "")
        if after is None and view.disposition != "partially_dispensed":
            after = _ENDS_BY_STEP.get(view.biz_step or "")
        if after is None and view.type == OBJECT_EVENT and view.action == "DELETE":
            after = Lifecycle.DECOMMISSIONED
        if after is not None:
            return after
    if before in (Lifecycle.UNKNOWN, Lifecycle.LOST_OR_STOLEN):
        return Lifecycle.ACTIVE  # to handle a thing is to know that it is there
    return before
