"""`traceability part …`: whether an aircraft part is serviceable, and how much of its life is used."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Annotated

import typer

from api.aircraft_part_models import LifeOut, LimitOut, PartOut, StretchOut
from api.aircraft_parts import check_certificate, describe_components, describe_life, describe_part
from api.bundles import part_bundle
from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, group, note, print_json, print_table
from api.cli.item import AsOf, Bundle, KnownAt, named, save_bundle
from api.cli.opening import opened
from api.codes import read_code
from api.web import words
from traceability.supply_chain.aircraft_part.certificates import Verdict

app = group("part")

Identifier = Annotated[str, typer.Argument(metavar="ID", help="A Digital Link, URN, (01)… or (8004)….")]


@app.command()
def show(
    identifier: Identifier,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    bundle: Bundle = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Show the stage of a part, the release that holds, its life back to birth, and what is irregular.

    It exits with 1 when the part is not serviceable, as far as the organisation of `--as` may see. `--bundle` writes
    the answer, the part's life and a proof of all events in it, as known at the last published position.

    Example: `traceability part show '(01)09521301007013(21)KF-20417' --bundle back-to-birth.zip`
    """
    thing = read_code(identifier)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        if bundle is not None:
            save_bundle(engine, part_bundle(engine, reader, thing, as_of=as_of, known_at=known_at), bundle)
            return
        found = describe_part(engine, reader, thing, as_of=as_of, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print_table(("", named(found.id)), _facts(found))
        print_table(("from", "until", "where", "gap", "positions"), [_line(one) for one in found.back_to_birth])
        for one in found.irregularities:
            where = "" if one.event is None else f", at position {one.event.position}"
            note(f"{one.severity}: {one.rule} ({one.code}{where})")
    if not found.serviceable:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def life(
    identifier: Identifier,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Show what a part flew in each installation, and what is left under its limits.

    It exits with 1 when a limit is reached, or when a part with a limit has a life that is not proven.

    Example: `traceability part life '(01)09521301007013(21)KF-20417' --json`
    """
    thing = read_code(identifier)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_life(engine, reader, thing, as_of=as_of, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print_table(("on", "from", "until", "cycles", "minutes"), _installations(found))
        print_table(("limit", "cycles left", "minutes left", "source"), [_limit(one) for one in found.limits])
        for gap in found.unaccounted:
            note(f"Nobody tells how much it flew from {_short(gap.since)} until {_short(gap.until)}.")
    if found.limits and not (found.proven and all(_is_left(one) for one in found.limits)):
        raise typer.Exit(EXIT_FALSE)


@app.command()
def components(
    identifier: Identifier,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Show what is installed on an aircraft or assembly, what has the least life left under a limit first.

    It exits with 1 when one of the parts is not serviceable.

    Example: `traceability part components '(8004)9521302ENG-61044'`
    """
    thing = read_code(identifier)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_components(engine, reader, thing, as_of=as_of, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        rows = (
            (
                named(one.id),
                named(one.on) if one.position is None else f"{named(one.on)}, {one.position}",
                "yes" if one.serviceable else f"no: {', '.join(map(words.opened, one.lacks))}",
                f"{one.cycles} cycles, {one.minutes} minutes",
                "; ".join(f"{limit.limit}: {_left(limit)}" for limit in one.limits),
            )
            for one in found.components
        )
        print_table(("part", "on", "serviceable", "used", "left"), rows)
        if not found.complete:
            note(f"There are more than these {len(found.components)}: ask for one of the assemblies.")
    if not all(one.serviceable for one in found.components):
        raise typer.Exit(EXIT_FALSE)


@app.command()
def certificate(
    identifier: Identifier,
    document: Annotated[
        Path, typer.Argument(metavar="FILE", help="The certificate as it was issued.", exists=True, dir_okay=False)
    ],
    *,
    tracking_number: Annotated[
        str | None,
        typer.Option("--tracking-number", metavar="TEXT", help="The number on it, to tell what was altered."),
    ] = None,
    known_at: KnownAt = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Tell whether a certificate is one that was recorded for a part; the file itself is only hashed.

    It exits with 1 unless somebody recorded it who may release the part.

    Example: `traceability part certificate '(01)09521301007013(21)KF-20417' form1.pdf --tracking-number ARC-2023-0417`
    """
    thing = read_code(identifier)
    with document.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = check_certificate(engine, reader, thing, digest, tracking_number=tracking_number, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print_table(("", named(found.id)), [("verdict", words.opened(found.verdict)), ("certificate", digest)])
        rows = (
            (one.form, one.tracking_number, one.approval, one.recorded_by, _short(one.at)) for one in found.certificates
        )
        print_table(("form", "number", "approval", "recorded by", "at"), rows)
        if found.holds:
            note("It is the release that holds.")
    if found.verdict is not Verdict.RECORDED:
        raise typer.Exit(EXIT_FALSE)


def _facts(found: PartOut) -> Iterator[tuple[str, str]]:
    yield "stage", words.opened(found.stage)
    yield "serviceable", "yes" if found.serviceable else f"no: {', '.join(map(words.opened, found.lacks))}"
    if found.release is not None:
        release = found.release
        yield "release", f"{release.form} {release.tracking_number}, {words.opened(release.status)}, {release.approval}"
        yield "certificate", release.document
    for assembly in found.installed_on:
        place = "" if found.position is None else f", {found.position}"
        yield "installed on", f"{named(assembly)}{place}"
    if found.removed_because:
        yield "last removed for", found.removed_because
    yield "used", f"{found.cycles} cycles, {found.minutes} minutes{'' if found.life_is_proven else ', not proven'}"
    for limit in found.limits:
        yield f"left of {limit.limit}", _left(limit)
    for hold in found.holds:
        yield "on hold", f"{hold.kind}: {hold.reason}, by {hold.placed_by}"
    yield "known at", f"position {found.known_at}"


def _left(limit: LimitOut) -> str:
    left = ((limit.cycles_left, "cycles"), (limit.minutes_left, "minutes"))
    return ", ".join(f"{count} {unit}" for count, unit in left if count is not None)


def _is_left(limit: LimitOut) -> bool:
    return all(left is None or left > 0 for left in (limit.cycles_left, limit.minutes_left))


def _line(one: StretchOut) -> tuple[str, ...]:
    where = words.opened(one.where) if one.on is None else f"On {named(one.on)}"
    where += "" if one.position is None else f", {one.position}"
    positions = " ".join(str(document.position) for document in one.documents)
    return _short(one.since), _short(one.until), where, "" if one.gap is None else words.opened(one.gap), positions


def _installations(found: LifeOut) -> Iterator[tuple[str, ...]]:
    for one in found.installations:
        yield named(one.on), _short(one.since), _short(one.until), str(one.cycles), str(one.minutes)
    if found.own_cycles or found.own_minutes:
        yield "stated of itself", "", "", str(found.own_cycles), str(found.own_minutes)
    yield "all", "", "", str(found.cycles), str(found.minutes)


def _limit(one: LimitOut) -> tuple[str, ...]:
    left = ("" if count is None else str(count) for count in (one.cycles_left, one.minutes_left))
    return one.limit, *left, one.source


def _short(time: str | None) -> str:
    return "" if time is None else time[:16].replace("T", " ")
