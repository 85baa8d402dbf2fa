"""`traceability log monitor`: watch any C2SP log, ours or foreign."""

from __future__ import annotations

import time
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from adapters.monitor import SEEN, SHOWN, MonitorFolder
from adapters.system import SystemClock
from adapters.tiles.http import HttpLog
from api.cli.context import EXIT_FALSE, JSON, note, progress_bar, settings_for
from api.cli.failures import report
from api.monitor import Look, Watch
from traceability.errors import InvalidInputError, TraceabilityError, UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.monitor import InconsistentLogError, News
from traceability.notary.note import VerifierKey

_LONGEST_PAUSE = 3600.0


def monitor(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the log is: the address above `checkpoint`.")],
    *,
    key: Annotated[str, typer.Option("--key", metavar="VKEY", help="The log's public key.")],
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="FOLDER", help="Remember here.", show_default="in TRACEABILITY_DATA, one for each key"
        ),
    ] = None,
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.01, help="Look so often.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once and say what was found.")] = False,
    entries: Annotated[bool, typer.Option("--entries", help="Read every entry, too.")] = False,
    fresh: Annotated[
        int | None,
        typer.Option("--fresh", metavar="SECONDS", min=1, help="Nothing new or newly cosigned for so long is wrong."),
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", metavar="VKEY", help="A witness whose cosignatures count as fresh.")
    ] = None,
    witness_url: Annotated[
        list[str] | None,
        typer.Option("--witness-url", metavar="URL", help="Compare with what this witness has cosigned."),
    ] = None,
    json: JSON = False,
) -> None:
    """Watch a C2SP log: its signature, and that what it shows now extends all that it has shown before.

    When it does not, both checkpoints are kept as they came, printed, and the exit is 1: this time and every time
    after, whatever the log shows then. With `--json` each look is one line.

    For example:

    - `traceability log monitor https://dairy.example/logs/main --key "$(cat log.vkey)" --once`
    - `traceability log monitor https://log.example --key log.example+… --every 300 --entries --state watched`
    """
    try:
        verifier, witness_keys = VerifierKey.parse(key), [VerifierKey.parse(text) for text in witness or ()]
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="--key or --witness") from error
    name = sha256(verifier.text.encode()).hexdigest()[:16]
    folder = MonitorFolder(state or settings_for().data / "monitor" / name)
    with ExitStack() as stack:
        log, *witnesses = [stack.enter_context(_reader(address)) for address in (url, *(witness_url or ()))]
        stack.enter_context(folder.held())
        watch = Watch(log, verifier, folder, SystemClock(), witness_keys, witnesses, entries, fresh)
        try:
            _show_evidence(folder, json=json)
            if once:
                _print(_look(watch), json=json, always=True)
            else:
                _keep_looking(watch, every, json=json)
        except InconsistentLogError as error:
            report(error, json=False)
            _show_evidence(folder, json=json)


def _reader(address: str) -> HttpLog:
    try:
        return HttpLog(address)
    except InvalidInputError as error:
        raise typer.BadParameter(error.message, param_hint="URL or --witness-url") from error


def _look(watch: Watch) -> Look:
    with progress_bar("Reading entries") as progress:
        return watch.look(progress)


def _keep_looking(watch: Watch, every: float, *, json: bool) -> None:
    pause = every
    while True:
        try:
            _print(_look(watch), json=json, always=False)
            pause = every
        except InconsistentLogError:
            raise
        except TraceabilityError as error:
            # All of these may pass: a restart, a cache, a copy that is under way. What does not pass is told again.
            if json:
                _line({"problem": {"code": error.code, "message": error.message}})
            else:
                report(error, json=False)
            away = isinstance(error, UnavailableError)
            pause = max(every, min(2 * pause, _LONGEST_PAUSE)) if away else every
        time.sleep(pause)


def _print(look: Look, *, json: bool, always: bool) -> None:
    checkpoint = look.checkpoint
    if json:
        members = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        entries = {} if look.entries is None else {"entries": look.entries}
        _line({**members, "news": look.news, "age_seconds": look.age, **entries})
    elif always or look.news is not News.SAME:
        followed = "" if look.entries is None else f", {look.entries} entries read"
        typer.echo(f"{look.news}\t{checkpoint.origin}\t{checkpoint.size}\t{checkpoint.root.hex()}{followed}")


def _show_evidence(folder: MonitorFolder, *, json: bool) -> None:
    """Print everything that was ever kept against the log, and leave with 1 if there is something."""
    kept = folder.evidence()
    for pair in kept:
        seen, shown = ((pair / name).read_text(encoding="utf-8") for name in (SEEN, SHOWN))
        if json:
            _line({"inconsistent": {"seen": seen, "shown": shown, "folder": str(pair)}})
        else:
            typer.echo(f"{seen}\n{shown}")
            note(f"The log has signed both of these, and they are two histories. Kept in {pair}")
    if kept:
        raise typer.Exit(EXIT_FALSE)


def _line(members: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(members))
