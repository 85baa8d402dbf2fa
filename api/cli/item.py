"""`traceability item`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from api.bundles import item_bundle, pieces
from api.cli.context import JSON, As, LedgerName, note, print_json, print_table
from api.cli.opening import opened
from api.cli.output import writing
from api.codes import human_readable, read_code
from api.notary import published_logs
from api.provenance import describe_item
from api.provenance_models import MAX_HISTORY, EntryOut, IntervalOut, ItemOut
from api.web import words
from api.wiring import Engine
from traceability.gs1.epcis.times import read_time
from traceability.supply_chain.seen import identify

_LISTED = 12
"""Contents and members that are printed one by one; `--json` has them all."""


def moment(text: str) -> datetime:
    """Read a time of the command line; without an offset nobody knows which time it is."""
    try:
        time = read_time(text)
    except ValueError as error:
        raise typer.BadParameter("write it like 2026-03-01T08:15:00+01:00") from error
    if time.utcoffset() is None:
        raise typer.BadParameter("give the offset too, like 2026-03-01T08:15:00+01:00")
    return time


AsOf = Annotated[
    datetime | None, typer.Option("--as-of", parser=moment, metavar="TIME", help="Up to this event time, with offset.")
]
KnownAt = Annotated[
    int | None, typer.Option("--known-at", min=0, metavar="POSITION", help="As known at this position of the ledger.")
]


Bundle = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        metavar="FILE",
        help="Write the answer and its proof into this zip, do not print it; - is stdout.",
    ),
]


def save_bundle(engine: Engine, bundle: BinaryIO, file: Path) -> None:
    """Write a bundle to a file, or standard output, and say how it is checked."""
    with bundle, writing(file, code="bundle.output") as out:
        out.file.writelines(pieces(bundle))
    keys = " ".join(f"--key '{log.key.text}'" for log in published_logs(engine))
    note(f"Wrote the bundle to {file}. Anyone checks it with: python -m traceability.notary.verify {file} {keys}")


def item(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A Digital Link, URN, (01)… or the bare number.")],
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_HISTORY, help="Of the history the last so many events.")] = 1000,
    bundle: Bundle = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Show where a thing is, what it is in, and what happened to it.

    The answer is made of the events that the organisation of `--as` may see. `--as-of` asks for a moment in the world,
    `--known-at` for a moment of the ledger. `traceability log prove POSITION` gives the receipt of an event, `--bundle`
    the answer with a proof of all its events, as known at the last published position.

    For example:

    - `traceability item https://id.gs1.org/01/09521103001011/21/0003`
    - `traceability item '(00)095211030000070017' --as-of 2026-03-02T12:00:00+01:00`
    - `traceability item '(00)095211030000070017' --bundle pallet.zip`
    """
    thing = read_code(identifier)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        if bundle is not None:
            made = item_bundle(engine, reader, thing, as_of=as_of, known_at=known_at, limit=limit)
            save_bundle(engine, made, bundle)
            return
        found = describe_item(engine, reader, thing, as_of=as_of, known_at=known_at, limit=limit)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    print_table(("", named(found.id)), _facts(found))
    print_table(("when (UTC)", "what", "where", "by", "position"), [_line(entry) for entry in found.history])
    if found.history_count > len(found.history):
        note(f"The last {len(found.history)} of {found.history_count} events; --limit shows more.")


def named(thing: str) -> str:
    """Return an identifier as it is printed under a code."""
    identifier = identify(thing)
    return thing if identifier is None else " ".join(human_readable(identifier))


def _facts(found: ItemOut) -> Iterator[tuple[str, str]]:
    state = found.state
    yield "state", words.opened(state.lifecycle)
    if state.disposition:
        yield "disposition", words.disposition(state.disposition)
    if state.place:
        yield "last place", f"{named(state.place)}, since {_short(state.place_since)}"
    if state.lot:
        yield "lot", named(state.lot)
    yield from _held(found)
    if state.contained_in:
        yield "is in", ", in ".join(named(container) for container in state.contained_in)
    for label, things in (
        ("holds", state.contents),
        ("attached to", state.attached_to),
        ("carries", state.attachments),
        ("made from", state.transformed_from),
        ("made into", state.transformed_into),
        ("members", found.members),
    ):
        if things:
            yield label, _several(things)
    for reading in state.temperatures[-1:]:
        yield "last temperature", f"{reading.value} {words.unit(reading.uom)}, {_short(reading.at)}"
    for interval in found.containers:
        if interval.until is not None:
            yield "was in", _stay(interval)
    yield "known at", f"position {found.known_at}"


def _held(found: ItemOut) -> Iterator[tuple[str, str]]:
    for label, held in (("in custody of", found.custody), ("owned by", found.ownership)):
        holders = [named(holding.holder) for holding in held if holding.until is None]
        if holders:
            yield label, ", ".join(holders)
    for shipment in found.shipments:
        to = "whoever receives it" if shipment.to is None else named(shipment.to)
        yield "under way to", f"{to}, since {_short(shipment.since)}"
    for hold in found.holds:
        yield "on hold", f"{hold.kind}: {hold.reason}, by {hold.placed_by} since {_short(hold.since)}"
    for proposal in found.proposals:
        yield "offered", f"{proposal.role} to {proposal.receiver}, since {_short(proposal.since)}"


def _line(entry: EntryOut) -> tuple[str, ...]:
    what = entry.step if entry.declaration is None else "Error declared"
    if entry.via is not None:
        what = f"{what}, in {named(entry.via)}"
    if entry.retracted_by is not None:
        what = f"{what} (retracted)"
    if entry.reason is not None:
        what = f"{what} (claim: {entry.reason.replace('_', ' ')})"
    place = entry.biz_location or entry.read_point
    where = "" if place is None else named(place)
    return _short(entry.occurred_at), what, where, entry.captured_by, str(entry.position)


def _stay(interval: IntervalOut) -> str:
    return f"{named(interval.parent)}, {_short(interval.since)} to {_short(interval.until)}"


def _several(things: list[str]) -> str:
    shown = ", ".join(named(thing) for thing in things[:_LISTED])
    return shown if len(things) <= _LISTED else f"{shown} and {len(things) - _LISTED} more"


def _short(time: str | None) -> str:
    return "" if time is None else time[:16].replace("T", " ")
