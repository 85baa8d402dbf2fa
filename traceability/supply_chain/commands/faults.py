"""What may never be true of things, looked for in all that is said of them, whatever the order of arrival.

A command is judged by what it would add: faults that are there already are not its own. So a command about the past is
refused when something that came later would no longer hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from traceability.gs1.units import unit
from traceability.supply_chain.balance import EXACT
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.commands.rights import faults_of_rights
from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.containment import Containment, Interval
from traceability.supply_chain.decisions import HoldPlaced, SeenDecision, TransferAccepted, TransferProposed
from traceability.supply_chain.item import Lifecycle, lifecycle_after, makes
from traceability.supply_chain.seen import AGGREGATION_EVENT, OBJECT_EVENT, Mention, Role, SeenEvent
from traceability.supply_chain.story import MAX_NESTING
from traceability.supply_chain.windows import Window

DEEPEST: Final = 10
"""Containers that may be inside one another."""

FINAL: Final = frozenset(
    {Lifecycle.CONSUMED, Lifecycle.SUPPLIED, Lifecycle.DECOMMISSIONED, Lifecycle.DESTROYED}
)  # what was lost or stolen may be found
_OF_THE_LIVING: Final = HoldPlaced | TransferProposed | TransferAccepted  # a hold of the past may still be released
_SAME: Final = 3  # members of a fault that tell it from others: the rule, the thing, and the event that breaks it
_PIECES: Final = "EA"  # UN/ECE Recommendation 20
_MILLIONTH: Final = Decimal("0.000001")


def added_faults(around: Surroundings, draft: SeenEvent) -> tuple[list[Fault], Picture]:
    """Return the faults that a command's event would add, and the picture with this event."""
    after = around.picture(draft.occurred_at, draft)
    found = list(faults(after))
    if found:
        before = {fault[:_SAME] for fault in faults(around.picture(draft.occurred_at))}
        found = [fault for fault in found if fault[:_SAME] not in before]
    return found, after


def faults(picture: Picture) -> Iterator[Fault]:
    """Yield what is wrong with the things of which all is known."""
    for thing in picture.entries:
        for fault in _faults_of(picture, thing):
            yield from (fault._replace(thing=one) for one in picture.alike[thing])


def _faults_of(picture: Picture, thing: str) -> Iterator[Fault]:
    yield from _faults_of_life(picture, thing)
    intervals = picture.nest.of_child(thing)
    for interval in intervals:
        yield from _faults_of_nest(picture, interval)
    yield from _faults_of_moves(thing, picture.lives[thing], intervals)
    yield from faults_of_quantity(thing, picture.lives[thing])
    yield from faults_of_rights(picture, thing)


def _faults_of_life(picture: Picture, thing: str) -> Iterator[Fault]:
    """Yield where a thing is made again, and what is done with it or decided about it after its end."""
    lifecycle = Lifecycle.UNKNOWN
    made: SeenEvent | None = None
    ended: SeenEvent | None = None
    for entry in picture.own(thing):
        event = entry.event
        over = () if ended is None else (ended.position, f", after which it was {lifecycle.value}")
        if isinstance(event, SeenDecision):
            if over and isinstance(event.payload, _OF_THE_LIVING):
                yield Fault(Rule.ENDED, thing, event.position, *over)
        elif entry.mentions:
            roles = {mention.role for mention in entry.mentions if not mention.class_level}
            made_now = bool(roles) and makes(event, roles)  # a lot may be made a bit at a time
            if made_now and made is not None:
                yield Fault(Rule.COMMISSIONED_BEFORE, thing, event.position, made.position)
            elif over:
                yield Fault(Rule.ENDED, thing, event.position, *over)
            made = event if made_now and made is None else made
            lifecycle = lifecycle_after(lifecycle, event, roles)
            if lifecycle not in FINAL:
                ended = None
            elif ended is None:
                ended = event
                if lifecycle is not Lifecycle.CONSUMED:
                    yield from _faults_of_end(picture, thing, event)


def _faults_of_end(picture: Picture, thing: str, ended: SeenEvent) -> Iterator[Fault]:
    for interval in picture.holding.of_parent(thing) if thing in picture.containers else ():
        if interval.opened_at <= ended.occurred_at <= interval.last:
            note = f", which put {interval.child} into it"
            yield Fault(Rule.NOT_EMPTY, thing, ended.position, interval.opened_by, note)
            return


def _faults_of_moves(thing: str, life: Sequence[SeenEvent], intervals: Sequence[Interval]) -> Iterator[Fault]:
    """Yield where a thing is packed that is inside already, or unpacked that is not; what is counted is many things."""
    opened, closed = {i.opened_by: i for i in intervals}, {i.closed_by: i for i in intervals if i.implied}
    left = {i.closed_by for i in intervals}
    for event in life:
        mentions = event.mentions_of[thing]
        if event.type != AGGREGATION_EVENT or not any(m.role is Role.CHILD and not m.class_level for m in mentions):
            continue
        if event.action == "ADD":
            before = closed.get(event.position)
            if before is None and event.position not in opened:
                before = next((i for i in intervals if i.opened_at <= event.occurred_at <= i.last), None)
            if before is not None or event.position not in opened:
                against, note = (before.opened_by, f", which put it into {before.parent}") if before else (None, "")
                yield Fault(Rule.INSIDE, thing, event.position, against, note)
        elif event.action == "DELETE" and event.position not in left:
            yield Fault(Rule.NOT_INSIDE, thing, event.position, None)


def _faults_of_nest(picture: Picture, interval: Interval) -> Iterator[Fault]:
    """Yield what is wrong with what a thing is in while it is: itself in turn, or too many."""
    around, cycle = climb(picture.nest, interval.child, interval.parent, interval.window)
    holds = interval.child in picture.containers
    within = contents_depth(picture.holding, interval.child, interval.window) if holds else 0
    if cycle:
        yield Fault(Rule.CYCLE, interval.child, interval.opened_by, None, f"{interval.parent} is inside of it then")
    elif around + within > DEEPEST:
        yield Fault(Rule.TOO_DEEP, interval.child, interval.opened_by, None, f"{interval.parent} is nested that deep")


def climb(nest: Containment, child: str, parent: str, window: Window) -> tuple[int, bool]:
    """Return how many containers are around `child` in `parent` at most in a time, and whether it is one of them."""
    level = {(parent, window)}
    for depth in range(1, MAX_NESTING + 1):
        if any(container == child for container, _ in level):
            return depth, True
        level = {
            (interval.parent, shared)
            for container, stay in level
            for interval in nest.of_child(container)
            if (shared := interval.window.meet(stay)) is not None
        }
        if not level:
            return depth, False
    return MAX_NESTING, False


def contents_depth(nest: Containment, thing: str, window: Window) -> int:
    """Return how many containers, counting from a thing inward, are inside one another at most in a time."""
    level = {(thing, window)}
    for depth in range(MAX_NESTING):
        level = {
            (interval.child, shared)
            for container, stay in level
            for interval in nest.of_parent(container)
            if (shared := interval.window.meet(stay)) is not None
        }
        if not level:
            return depth
    return MAX_NESTING


def faults_of_quantity(thing: str, life: Sequence[SeenEvent]) -> Iterator[Fault]:
    """Yield where more of a class or lot went than there had been; of what was never counted in, nothing is said."""
    left: dict[str, Fraction] = {}
    counted = {
        kind
        for event in life
        for mention in event.mentions_of[thing]
        if (flow := _flow(event, mention)) is not None
        for kind, amount in (flow,)
        if amount > 0
    }
    for event in life if counted else ():
        for mention in event.mentions_of[thing]:
            flow = _flow(event, mention)
            if flow is None or flow[0] not in counted:
                continue
            kind, amount = flow
            left[kind] = left.get(kind, Fraction(0)) + amount
            if amount < 0 and left[kind] < 0:
                note = f"{written(-left[kind])} more of it goes than there was ({kind})"
                yield Fault(Rule.BELOW_ZERO, thing, event.position, None, note)


def _flow(event: SeenEvent, mention: Mention) -> tuple[str, Fraction] | None:
    """Return the kind of a quantity and how much of it came to be, or below zero went; None for neither."""
    if not mention.class_level or mention.quantity is None:
        return None
    kind, amount = measured(mention.quantity, mention.uom)
    if mention.role is Role.OUTPUT or (event.type == OBJECT_EVENT and event.action == "ADD"):
        return kind, amount
    if mention.role is Role.INPUT or (event.type == OBJECT_EVENT and event.action == "DELETE"):
        return kind, -amount
    return None


def measured(quantity: Decimal, uom: str | None) -> tuple[str, Fraction]:
    """Return the kind of a quantity and how much it is in the reference unit of the kind; without a unit, pieces."""
    found = unit(uom or _PIECES)
    return found.kind, found.reference(Fraction(quantity), difference=True)


def written(amount: Fraction) -> str:
    """Write an amount for people: as a decimal number of at most six digits after the point."""
    exact = EXACT.divide(Decimal(amount.numerator), Decimal(amount.denominator))
    return f"{EXACT.normalize(EXACT.quantize(exact, _MILLIONTH)):f}"
