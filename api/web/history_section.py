"""The history of a thing as sentences, from the thing's own point of view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from api.receipts import receipt_address
from api.web import words
from api.web.names import Names
from api.web.page import Detail, Entry, Named
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.readings import TEMPERATURE, readings
from traceability.supply_chain.seen import (
    AGGREGATION_EVENT,
    ASSOCIATION_EVENT,
    TRANSFORMATION_EVENT,
    Mention,
    Role,
    SeenEvent,
    thing_of,
)

MAX_LISTED: Final = 6
"""Things of an event that are named one by one; of more, only the number is told."""

# What most events say anyway, and what their step says better.
_USUAL: Final = frozenset({"active", "in_progress", "in_transit"})


@dataclass(frozen=True, slots=True)
class Log:
    """What a page tells of the log: `first` is the position of leaf 0, `size` that of the signed tree.

    `name` is its name in addresses, `origin` that in checkpoints, `vkey` the key that verifies them.
    """

    first: int
    size: int
    name: str
    origin: str
    vkey: str

    def leaf_index(self, position: int) -> int | None:
        """Return where an event is in the signed tree, None when it is not in it yet."""
        index = position - self.first
        return index if 0 <= index < self.size else None


@dataclass(frozen=True, slots=True)
class Logs:
    """The ledger's logs in the order of their positions, each with the tree that is signed."""

    chain: tuple[Log, ...] = ()

    def holding(self, position: int) -> Log | None:
        """Return the log of which an event is a leaf, or will be; None while there is no log."""
        return next((log for log in reversed(self.chain) if log.first <= position), None)

    def leaf_index(self, position: int) -> int | None:
        """Return where an event is in its log's tree, None when it is not in it yet."""
        log = self.holding(position)
        return None if log is None else log.leaf_index(position)


def history(thing: str, entries: Iterable[HistoryEntry], names: Names, logs: Logs) -> tuple[Entry, ...]:
    """Return the lines, oldest first; a declaration is told where the event is that it takes back."""
    entries = list(entries)
    told = {entry.retracted_by.position for entry in entries if entry.retracted_by is not None}
    shown = (entry for entry in entries if entry.event.position not in told)
    return tuple(_entry(thing, entry, names, logs) for entry in shown)


def receipt_path(event: SeenEvent, thing: str) -> str:
    """Return the address of an event's receipt, in which of all its items only `thing` is open."""
    # The event may name it with its lot beside the serial, and a receipt opens what is written.
    named = next((item.id for item in event.view.items if thing_of(item.id) == thing), None)
    address = receipt_address(event.event_id)
    return address if named is None else f"{address}?item={quote(named, safe='')}"


def verify_path(event: SeenEvent, thing: str) -> str:
    """Return the address of the page that fetches this receipt and checks it."""
    _, _, asked = receipt_path(event, thing).partition("?")
    return f"/verify?event={event.event_id}" + (f"&{asked}" if asked else "")


def amount(quantity: Decimal | None, uom: str | None) -> str:
    """Return a quantity as people write it: `60 kg`, `12 pieces`."""
    if quantity is None:
        return "an amount that was not told"
    if uom is None:
        return f"{quantity:f} piece{'' if quantity == 1 else 's'}"
    return f"{quantity:f} {words.unit(uom)}"


def _entry(thing: str, entry: HistoryEntry, names: Names, logs: Logs) -> Entry:
    event, view = entry.event, entry.event.view
    place = view.biz_location or view.read_point
    return Entry(
        anchor=f"event-{event.position}",
        iso=words.iso(view.occurred_at),
        utc=f"{words.moment(view.occurred_at)} UTC",
        local=words.local_clock(view.occurred_at, view.offset),
        headline=_headline(entry, names),
        place=None if place is None else names.place(place),
        details=tuple(_details(entry, names)),
        recorded_by=names.organisation(view.captured_by),
        receipt=receipt_path(event, entry.via or thing),
        verify=verify_path(event, entry.via or thing),
        leaf_index=logs.leaf_index(event.position),
        retracted=None if entry.retracted_by is None else _retraction(entry.retracted_by, names),
        claim=_claim(entry, names),
    )


def _claim(entry: HistoryEntry, names: Names) -> str | None:
    if entry.reason is None:
        return None
    who = names.organisation(entry.event.captured_by)
    return f"It changes nothing: as far as you may see, {who} {words.claim(entry.reason)}."


def _headline(entry: HistoryEntry, names: Names) -> str:
    if isinstance(entry.event, SeenDecision):
        return words.decided(entry.event.payload)
    view = entry.event.view
    roles = {mention.role for mention in entry.mentions}
    done = words.step(view.biz_step)
    if view.declaration is not None:
        return "An error was declared"
    if view.type == TRANSFORMATION_EVENT:
        return _transformed(entry.event, roles)
    if view.type in (AGGREGATION_EVENT, ASSOCIATION_EVENT):
        return _tied(entry.event, roles, names, done)
    return done


def _transformed(event: SeenEvent, roles: set[Role]) -> str:
    far, verb = (Role.INPUT, "Made from") if Role.OUTPUT in roles else (Role.OUTPUT, "Used to make")
    things = [mention for mention in event.mentions if mention.role is far]
    if not things:
        return "Made" if far is Role.INPUT else "Used up"
    return f"{verb} {'one thing' if len(things) == 1 else f'{len(things)} things'}"


def _tied(event: SeenEvent, roles: set[Role], names: Names, done: str) -> str:
    view = event.view
    association = view.type == ASSOCIATION_EVENT
    if Role.CHILD in roles:
        joint = {"ADD": "on" if association else "into", "DELETE": "from"}.get(view.action or "", "in")
        return done if view.parent is None else f"{done} {joint} {names.known_as(thing_of(view.parent))}"
    children = [mention for mention in event.mentions if mention.role is Role.CHILD]
    if not children:
        return f"{done}: all of it" if view.action == "DELETE" and event.whole else done
    moved = {} if association else {"ADD": " put in", "DELETE": " taken out", "OBSERVE": " inside"}
    what = names.several(mention.thing for mention in children)
    return f"{done}: {what}{moved.get(view.action or '', '')}"


def _details(entry: HistoryEntry, names: Names) -> Iterator[Detail]:
    event, view = entry.event, entry.event.view
    if view.declaration is not None:
        yield Detail("", _retraction(event, names))
    for mention in entry.mentions:
        if mention.class_level and mention.role in (Role.OBJECT, Role.INPUT):
            yield Detail("Amount:", amount(mention.quantity, mention.uom))
    if entry.via is not None:
        yield _link("Inside", names.brief(entry.via))
    for mention in _tied_to(entry):
        label = f"{amount(mention.quantity, mention.uom)} of" if mention.class_level else "Which:"
        yield _link(label, names.thing(mention.thing))
    if view.disposition is not None and view.disposition not in _USUAL:
        yield Detail("State:", words.disposition(view.disposition).lower())
    yield from _readings(event)
    yield from _business(event, names)


def _link(label: str, named: Named) -> Detail:
    return Detail(label, named.value, named.href)


def _tied_to(entry: HistoryEntry) -> list[Mention]:
    """Return what an event ties a thing to, unless there are too many to name one by one.

    Siblings in a container are not among them: they are nobody's business on this page.
    """
    event = entry.event
    roles = {mention.role for mention in entry.mentions}
    if Role.CHILD in roles:
        return [mention for mention in event.mentions if mention.role is Role.PARENT and entry.via is None]
    far = {Role.PARENT: Role.CHILD, Role.OUTPUT: Role.INPUT, Role.INPUT: Role.OUTPUT}
    wanted = {far[role] for role in roles if role in far}
    found = [mention for mention in event.mentions if mention.role in wanted]
    return found if len(found) <= MAX_LISTED else []


def _business(event: SeenEvent, names: Names) -> Iterator[Detail]:
    view = event.view
    for kind, uri in view.sources:
        yield Detail(f"From {words.party(kind)}", names.party(uri))
    for kind, uri in view.destinations:
        yield Detail(f"To {words.party(kind)}", names.party(uri))
    for kind, uri in view.biz_transactions:
        yield Detail(f"{words.transaction(kind)}:", uri.rpartition(":")[2] or uri)
    given = view.certification
    for certificate in given if isinstance(given, list) else [given]:
        if isinstance(certificate, str):
            web = certificate.startswith(("https://", "http://"))
            yield Detail("Certificate:", certificate, certificate if web else None)


def _readings(event: SeenEvent) -> Iterator[Detail]:
    kinds: dict[tuple[str, str | None], list[Decimal]] = {}
    for reading in readings([event]):
        kinds.setdefault((reading.kind, reading.uom), []).append(reading.value)
    for (kind, uom), values in kinds.items():
        low, high = min(values), max(values)
        span = f"{low:f}" if low == high else f"{low:f} to {high:f}"
        label = "Temperature" if kind == TEMPERATURE else words.opened(kind)
        number = "" if len(values) == 1 else f" ({len(values)} readings)"
        yield Detail(f"{label}:", f"{span} {words.unit(uom)}{number}".rstrip())


def _retraction(declaration: SeenEvent, names: Names) -> str:
    declared = declaration.view.declaration
    assert declared is not None
    who = names.organisation(declaration.view.captured_by)
    when = words.moment(words.instant(declared.time, default=declaration.view.occurred_at))
    why = "" if declared.reason is None else f": {words.opened(declared.reason).lower()}"
    return f"Withdrawn by {who} on {when} UTC{why}."


def latest(entries: Iterable[HistoryEntry]) -> HistoryEntry | None:
    """Return the last entry that counts."""
    return next((entry for entry in reversed(list(entries)) if entry.counts), None)
