"""`traceability monitoring …`: devices that watch things, their calibration, the verdict, and what is decided."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from api import calibrations, monitoring, monitoring_writes
from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, body_of, group, note, print_json, print_table
from api.cli.item import AsOf, KnownAt, moment
from api.cli.opening import opened
from api.monitoring_models import CertifyIn, DispositionIn, EvaluateIn, OpenIn, SealIn, SessionDone, SessionLine
from api.provenance import microseconds_of
from traceability.supply_chain.cold_chain.calibration import Status
from traceability.supply_chain.cold_chain.course import Verdict
from traceability.supply_chain.cold_chain.events import Disposition, Result

app = group("monitoring")

_BAD = (Verdict.INCOMPLETE, Verdict.OUT)
Name = Annotated[str, typer.Argument(metavar="SESSION", help="The name of the session.")]
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="A Digital Link, URN or (01)… of the device.")]


@app.command()
def certify(
    device: Device,
    certificate: Annotated[str, typer.Argument(metavar="CERTIFICATE", help="Its number.")],
    *,
    issuer: Annotated[str, typer.Option(metavar="TEXT", help="The laboratory.")],
    calibrated_at: Annotated[datetime, typer.Option(parser=moment, metavar="TIME", help="When it was calibrated.")],
    valid_until: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="Of a device that passed.")
    ] = None,
    out_of_tolerance: Annotated[bool, typer.Option("--out-of-tolerance", help="It did not pass.")] = False,
    issued_at: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="When the certificate was issued; now.")
    ] = None,
    accuracy_class: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    interval_days: Annotated[int | None, typer.Option(min=1, help="From one calibration to the next.")] = None,
    max_permissible_error: Annotated[str | None, typer.Option(metavar="KELVIN", help="As 0.5.")] = None,
    standard: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A reference that was used; may be repeated.")
    ] = None,
    evidence: Annotated[str | None, typer.Option(metavar="SHA256", help="Of the document.")] = None,
    shown_to: Annotated[
        list[str] | None, typer.Option(metavar="ORGANISATION", help="Who sees it too; may be repeated.")
    ] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Record a certificate of calibration; with the same number it corrects what you recorded.

    For example:

    - `traceability monitoring certify https://id.gs1.org/8004/9521234L1 D-K-0412 --issuer 'Lab of the Republic'
      --calibrated-at 2026-01-10T09:00:00Z --valid-until 2027-01-10T00:00:00Z`
    """
    members = {
        "device": device,
        "certificate": certificate,
        "issuer": issuer,
        "calibrated_at": calibrated_at,
        "result": Result.OUT_OF_TOLERANCE if out_of_tolerance else Result.PASSED,
        "valid_until": valid_until,
        "issued_at": issued_at,
        "accuracy_class": accuracy_class,
        "interval_days": interval_days,
        "max_permissible_error": max_permissible_error,
        "standards": standard or [],
        "evidence": evidence,
        "shown_to": shown_to or [],
    }
    body = body_of(CertifyIn, **members)
    with opened(ledger, as_) as engine:
        done = monitoring_writes.certify(engine, engine.settings.organisation, body)
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        typer.echo(done.device)
        note(f"Calibration {_words(done.status)} now. Its receipt: traceability log prove {done.position}")


@app.command()
def calibration(
    device: Device,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show the certificates of a device, and what it was used in while it may have been wrong.

    It exits with 1 when the device is not in calibration.

    For example:

    - `traceability monitoring calibration https://id.gs1.org/8004/9521234L1`
    """
    at = None if as_of is None else microseconds_of(as_of)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = calibrations.describe_device(engine, reader, device, as_of=at, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        note(f"{found.device}: {_words(found.status)}")
        print_table(
            ("certificate", "result", "calibrated", "valid until", "issuer", "counts"),
            (
                (one.certificate, one.result.value, one.calibrated_at, one.valid_until or "", one.issuer, one.counts)
                for one in found.certificates
            ),
        )
        for doubt in found.doubts:
            names = ", ".join(one.session for one in doubt.sessions) or "nothing that you see"
            note(f"In doubt from {doubt.since or 'ever'} to {doubt.until}, used in: {names}")
    if found.status is not Status.VALID:
        raise typer.Exit(EXIT_FALSE)


@app.command("open")
def open_session(
    device: Device,
    *,
    thing: Annotated[list[str], typer.Option(metavar="ID", help="What it watches; may be repeated.")],
    profile: Annotated[str, typer.Option(metavar="NAME", help="As GET /cold-chain/profiles lists them.")] = (
        "usp.controlled_cold"
    ),
    gap_after: Annotated[int, typer.Option(min=1, help="Minutes that a reading stands for at most.")] = 30,
    quality: Annotated[str | None, typer.Option(metavar="ORGANISATION", help="Who decides in the end; you.")] = None,
    told_by: Annotated[
        list[str] | None, typer.Option(metavar="ORGANISATION", help="Who tells its readings too; may be repeated.")
    ] = None,
    at: Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="When it began; now.")] = None,
    text: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A word about it.")] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Open a session with a device that is in calibration; print its name.

    For example:

    - `traceability monitoring open https://id.gs1.org/8004/9521234L1 --thing '(01)09521234000013(21)1001'`
    """
    members = {
        "device": device,
        "things": thing,
        "profile": profile,
        "gap_after_minutes": gap_after,
        "quality": quality,
        "told_by": told_by or [],
        "opened_at": at,
        "note": text,
    }
    with opened(ledger, as_) as engine:
        done = monitoring_writes.open_session(engine, engine.settings.organisation, body_of(OpenIn, **members))
    _print_done(done, json=json)


@app.command()
def seal(
    session: Name,
    *,
    until: Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="When it ended; now.")] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Fix which events the readings of a session are.

    For example:

    - `traceability monitoring seal 019ca877-0c1b-7000-8000-000000000001`
    """
    with opened(ledger, as_) as engine:
        done = monitoring_writes.seal(engine, engine.settings.organisation, session, body_of(SealIn, until=until))
    _print_done(done, json=json)


@app.command()
def evaluate(session: Name, *, as_: As = None, ledger: LedgerName = None, json: JSON = False) -> None:
    """Record how the sealed readings are judged; exits with 1 when the verdict is incomplete or out.

    For example:

    - `traceability monitoring evaluate 019ca877-0c1b-7000-8000-000000000001`
    """
    with opened(ledger, as_) as engine:
        done = monitoring_writes.evaluate(engine, engine.settings.organisation, session, EvaluateIn())
    _print_done(done, json=json)
    if done.verdict in _BAD:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def decide(
    session: Name,
    disposition: Annotated[Disposition, typer.Argument(help="What is to become of the things.")],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Decide about the things of a session, as its quality assurance; the command that does it is told.

    For example:

    - `traceability monitoring decide 019ca877-0c1b-7000-8000-000000000001 quarantine --reason 'warm for two hours'`
    """
    body = body_of(DispositionIn, disposition=disposition, reason=reason)
    with opened(ledger, as_) as engine:
        done = monitoring_writes.disposition(engine, engine.settings.organisation, session, body)
    _print_done(done, json=json)
    if done.follow_up is not None and not json:
        note(f"Nothing has happened to the things yet: traceability command {done.follow_up.command}")


@app.command("list")
def list_sessions(
    *,
    device: Annotated[str | None, typer.Option(metavar="ID", help="Of this device.")] = None,
    thing: Annotated[str | None, typer.Option(metavar="ID", help="That watch this thing.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=monitoring.MOST_LISTED, help="At most so many.")] = 50,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List the sessions that you opened or decide about, the last opened first.

    For example:

    - `traceability monitoring list --thing '(01)09521234000013(21)1001'`
    """
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        lines, following = monitoring.list_sessions(engine, reader, device=device, thing=thing, limit=limit)
    if following is not None:
        note(f"There are more than {limit}.")
    if json:
        print_json([one.model_dump(mode="json") for one in lines])
    else:
        print_table(("session", "stage", "verdict", "decided", "device", "things"), map(_row, lines))


@app.command()
def show(
    session: Name,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show a session: its temperatures, what was found, and what was said; exits with 1 as `evaluate` does.

    For example:

    - `traceability monitoring show 019ca877-0c1b-7000-8000-000000000001 --json`
    """
    at = None if as_of is None else microseconds_of(as_of)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = monitoring.describe_session(engine, reader, session, as_of=at, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        note(f"{_words(found.stage)}: {found.found.value}, {found.readings} readings by {found.device}")
        for one in found.findings:
            note(f"{one.code.value}: {one.sentence} ({one.times})")
        print_table(
            ("position", "when", "by", "what", "claim"),
            ((one.position, one.said_at, one.said_by, one.type, one.claim or "") for one in found.said),
        )
    if found.found in _BAD:
        raise typer.Exit(EXIT_FALSE)


def _print_done(done: SessionDone, *, json: bool) -> None:
    if json:
        print_json(done.model_dump(mode="json"))
        return
    typer.echo(done.session)
    verdict = "" if done.verdict is None else f", {done.verdict.value}"
    note(f"{_words(done.stage)}{verdict}. Its receipt: traceability log prove {done.position}")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _row(line: SessionLine) -> tuple[str, ...]:
    verdict = "" if line.verdict is None else line.verdict.value
    decided = "" if line.disposition is None else line.disposition.value
    return line.session, line.stage.value, verdict, decided, line.device, ", ".join(line.things)
