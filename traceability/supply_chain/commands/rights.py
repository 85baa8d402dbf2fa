"""What goes against somebody's right to a thing: mere claims, what a hold forbids, and what only who has it may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.decisions import (
    HoldingRole,
    HoldPlaced,
    HoldReleased,
    SeenDecision,
    TransferAccepted,
)
from traceability.supply_chain.entry import OF_MAKERS, Authority, ClaimReason, HistoryEntry
from traceability.supply_chain.item import Lifecycle, ending, makes
from traceability.supply_chain.seen import AGGREGATION_EVENT, OBJECT_EVENT, Role, SeenEvent, is_lot
from traceability.supply_chain.transfers import Movement, movement

_RULES: Final = {
    reason: Rule.COMMISSIONED_BEFORE if reason is ClaimReason.MADE_BY_ANOTHER else Rule(reason.value)
    for reason in ClaimReason
}


class Deed(Enum):
    """What an entry does to a thing, as far as it matters who has it."""

    MAKE = auto()
    HANDLE = auto()
    """It is packed, unpacked, used up, ended or shipped."""
    PACK_INTO = auto()
    """Something is put into it or taken out of it."""
    RECEIVE = auto()
    SEND_BACK = auto()
    MISS = auto()
    """It is said to be lost or stolen, which takes it out of the hands of whoever has it."""
    VOID = auto()
    """It is said not to have been shipped after all."""


def faults_of_rights(picture: Picture, thing: str) -> Iterator[Fault]:
    """Yield the entries of a thing's history that are mere claims, and those that a hold or its custody forbids.

    Who must have it is only asked from the time of the command on: before, the command changes nothing.
    """
    entries = picture.entries[thing]
    for entry in entries:
        if entry.authority is Authority.CLAIM and entry.reason is not None:
            yield Fault(_RULES[entry.reason], thing, entry.event.position, None)
    yield from _faults_of_holds(picture, thing)
    for place, entry in enumerate(entries):
        deed = _deed(entry) if entry.event.occurred_at >= picture.since and picture.hears(entry) else None
        if deed is not None:
            yield from _faults_of_hands(picture, thing, place, deed)


def _faults_of_holds(picture: Picture, thing: str) -> Iterator[Fault]:
    """Yield what was done to a thing while it was on hold, by itself or with a container that it was in.

    Who made a lot holds all of it; who only has some of it holds what it has.
    """
    holds: dict[tuple[str, str], tuple[HistoryEntry, bool]] = {}
    lot = is_lot(thing)
    for place, entry in enumerate(picture.entries[thing]):
        event = entry.event
        if not picture.hears(entry):
            continue
        for hold, everybody in holds.values() if holds and _moves(picture, thing, place) else ():
            # What leaves its container was in it until just before.
            inside = hold.via is None or any(
                _is_in(picture, thing, hold.via, event.occurred_at - ago) for ago in (0, 1)
            )
            if inside and (everybody or event.captured_by == hold.event.captured_by):
                yield Fault(Rule.HELD, thing, event.position, hold.event.position)
        if not isinstance(event, SeenDecision):
            continue
        if isinstance(event.payload, HoldPlaced):
            named = event.payload.hold, event.captured_by
            if named not in holds or (holds[named][0].via is not None and entry.via is None):
                holds[named] = entry, not lot or entry.via is not None or entry.authority in OF_MAKERS
        elif isinstance(event.payload, HoldReleased):
            holds.pop((event.payload.hold, event.captured_by), None)


def _moves(picture: Picture, thing: str, place: int) -> bool:
    """Tell whether an entry does what a hold forbids."""
    entry = picture.entries[thing][place]
    if not isinstance(entry.event, SeenDecision):
        return _deed(entry) in (Deed.HANDLE, Deed.SEND_BACK)
    said = entry.event.payload
    return isinstance(said, TransferAccepted) and any(
        offered.proposal == said.proposal and offered.role is HoldingRole.CUSTODY
        for offered in picture.custody(thing, place).proposals
    )


def _faults_of_hands(picture: Picture, thing: str, place: int, deed: Deed) -> Iterator[Fault]:
    """Yield what is wrong with it that somebody did something to a thing, by who had it just before."""
    entry = picture.entries[thing][place]
    event, custody = entry.event, picture.custody(thing, place)
    having = [holding for holding in custody.of(HoldingRole.CUSTODY) if holding.until is None]
    mine = not having or any(event.captured_by in (holding.holder, holding.voice) for holding in having)
    mine = mine or entry.authority is Authority.FIRST_TO_SPEAK  # who fills an empty carrier
    expected = any(shipment.is_for(event.captured_by) for shipment in custody.shipments)
    if deed is Deed.MAKE:
        made = any(_deed(entry) is Deed.MAKE for entry in picture.entries[thing][:place] if picture.hears(entry))
        if not mine and not made:  # what was made before is a fault of its life
            yield Fault(Rule.COMMISSIONED_BEFORE, thing, event.position, having[0].opened_by)
    elif deed is Deed.RECEIVE:
        # Who has something may confirm it; a command to receive it would be a mistake, but for the next part of a lot.
        awaited = _is_counted(picture, thing) and _is_awaited(picture, thing, place)
        mistaken = event is picture.draft and not awaited
        if having and not expected and (not mine or mistaken):
            yield Fault(Rule.NOT_UNDER_WAY, thing, event.position, having[0].opened_by)
    elif deed is Deed.MISS and event.captured_by in custody.holders(HoldingRole.OWNERSHIP):
        return
    elif not mine and not (deed in (Deed.SEND_BACK, Deed.MISS) and expected):
        yield Fault(Rule.NOT_CUSTODIAN, thing, event.position, having[0].opened_by)
    elif deed in (Deed.HANDLE, Deed.PACK_INTO) and custody.shipments and not _is_counted(picture, thing):
        yield Fault(Rule.UNDER_WAY, thing, event.position, custody.shipments[0].opened_by)
    elif deed is Deed.PACK_INTO and event.action == "ADD":
        # It would not change hands with the rest: nobody offered it.
        for open_ in [one for one in custody.proposals if one.role is HoldingRole.CUSTODY][:1]:
            yield Fault(Rule.OFFERED, thing, event.position, open_.position)


def _deed(entry: HistoryEntry) -> Deed | None:
    if isinstance(entry.event, SeenDecision):
        return None
    named = frozenset(mention.role for mention in entry.mentions if not mention.class_level)
    counted = frozenset(mention.role for mention in entry.mentions if mention.class_level)
    return deed_of(entry.event, named, counted, own=entry.via is None)


def deed_of(event: SeenEvent, named: frozenset[Role], counted: frozenset[Role], *, own: bool) -> Deed | None:
    """Return what an event does to a thing with these roles in it, itself and as a quantity, or (not `own`) inside."""
    roles = named | counted
    if own and named and makes(event, named):
        return Deed.MAKE
    if event.type == AGGREGATION_EVENT:
        if own and event.action != "OBSERVE":
            return Deed.HANDLE if Role.CHILD in roles else Deed.PACK_INTO
        # Of what is inside of a container only its emptying is told.
        return Deed.HANDLE if event.empties else None
    if own and (Role.INPUT in roles or _ends(event, named)):
        return Deed.HANDLE
    missed = own and ending(event, named) is Lifecycle.LOST_OR_STOLEN
    return Deed.MISS if missed else _MOVES.get(movement(event))


def _ends(event: SeenEvent, named: frozenset[Role]) -> bool:
    ended = ending(event, named) not in (None, Lifecycle.LOST_OR_STOLEN)
    return ended or (event.type == OBJECT_EVENT and event.action == "DELETE")


_MOVES: Final[Mapping[Movement | None, Deed]] = {
    Movement.SHIP: Deed.HANDLE,
    Movement.RECEIVE: Deed.RECEIVE,
    Movement.SEND_BACK: Deed.SEND_BACK,
    Movement.VOID: Deed.VOID,
}


def _is_counted(picture: Picture, thing: str) -> bool:
    return any(mention.class_level for event in picture.lives[thing] for mention in event.mentions_of[thing])


def _is_awaited(picture: Picture, thing: str, place: int) -> bool:
    """Tell whether more of a lot was sent to who receives some of it at a place of its history than came before.

    So it is where nobody tells how much was sent, as of what is in a container.
    """
    receiver = picture.entries[thing][place].event.captured_by
    awaited: dict[str | None, Decimal] = {}
    for i, entry in enumerate(picture.entries[thing][:place]):
        event = entry.event
        amounts = [(m.uom, m.quantity) for m in entry.mentions if m.class_level and entry.via is None]
        opened = (one for one in picture.custody(thing, i + 1).shipments if one.opened_by == event.position)
        if any(shipment.is_for(receiver) for shipment in opened):
            if not amounts:
                return True
            sign = 1
        elif event.captured_by == receiver and event.head.bizStep == "receiving" and picture.hears(entry):
            sign = -1
        else:
            continue
        for uom, quantity in amounts:
            if quantity is None:
                return True
            awaited[uom] = awaited.get(uom, Decimal(0)) + sign * quantity
    return any(rest > 0 for rest in awaited.values())


def _is_in(picture: Picture, thing: str, container: str, at: int) -> bool:
    level = seen = {thing}
    while level:
        level = {i.parent for one in level for i in picture.nest.of_child(one) if i.opened_at <= at <= i.last} - seen
        seen = seen | level
    return container in seen
