"""`traceability finding …`: what was wrong with events that were sent; correct one and replay it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, group, note, print_json, print_table
from api.cli.opening import opened
from api.findings import MalformedEventError, ask_findings, describe_finding, dismiss_finding, replay_finding
from api.findings_models import MOST_ON_A_PAGE, USUAL_PAGE, FindingDetail, FindingOut, ListQuestion, event_problems
from traceability.errors import InvalidInputError, NotFoundError

app = group("finding")

_STDIN = Path("-")
_LARGEST = 1 << 26  # bytes; an event is read whole

Id = Annotated[UUID, typer.Argument(metavar="FINDING", help="Its id, as `finding list` shows it.")]


@app.command("list")
def list_findings(
    *,
    state: Annotated[str, typer.Option(help="open, replayed or dismissed.")] = "",
    severity: Annotated[str, typer.Option(help="error or warning.")] = "",
    code: Annotated[str, typer.Option(help="A code, or the beginning of one and an asterisk.")] = "",
    document: Annotated[str, typer.Option(help="The name of a document.")] = "",
    job: Annotated[str, typer.Option(help="The id of a capture job.")] = "",
    position: Annotated[str, typer.Option(help="About this recorded event.")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="Found since a day, or a time with offset.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Found until a day, or before a time with offset.")] = "",
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="In the order of finding.")] = False,
    after: Annotated[UUID | None, typer.Option(metavar="FINDING", help="Go on after this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ON_A_PAGE, help="At most so many.")] = USUAL_PAGE,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List what was wrong, or worth knowing, about the events that an organisation sent, the newest first.

    For example:

    - `traceability finding list --state open`
    - `traceability finding list --code 'epcis.*' --document shipment.json --json`
    """
    direction: Literal["ASC", "DESC"] = "ASC" if oldest_first else "DESC"
    question = ListQuestion(
        state=state,
        severity=severity,
        code=code,
        document=document,
        job=job,
        position=position,
        since=since,
        until=until,
        after=after,
        perPage=limit,
        orderDirection=direction,
    )
    try:
        question.filter()
    except InvalidInputError as error:
        raise typer.BadParameter(error.message) from error
    with opened(ledger, as_) as engine:
        page = ask_findings(engine, engine.settings.organisation, question)
    found = [FindingOut.of(finding) for finding in page.findings]
    if json:
        print_json([one.model_dump(mode="json") for one in found])
    else:
        rows = ((one.id, one.state.value, one.severity, one.code, _where(one), one.message) for one in found)
        print_table(("finding", "state", "severity", "code", "event", "what"), rows)
    if page.following is not None:
        note(f"There are more: --after {found[-1].id}")


@app.command()
def show(
    finding: Id,
    *,
    event: Annotated[bool, typer.Option("--event", help="Print the event's own bytes and nothing else.")] = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show a finding with its event.

    For example:

    - `traceability finding show 019ca877-0c1b-7000-8000-000000000001`
    - `traceability finding show 019ca877-0c1b-7000-8000-000000000001 --event > event.json`
    """
    with opened(ledger, as_) as engine:
        found = describe_finding(engine, engine.settings.organisation, finding)
    if event:
        if found.event is None:
            raise NotFoundError("This finding has no event whose bytes are kept", code="finding.no_event")
        typer.echo(found.event, nl=False)
    elif json:
        print_json(found.model_dump(mode="json"))
    else:
        print_table(("", _where(found)), _facts(found))


@app.command()
def replay(
    finding: Id,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The corrected event; - is stdin; none: as received.")
    ] = None,
    *,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Record the event of a finding, as it was received or corrected. Exit 1 if it is bad still or in conflict.

    All findings about the event are settled. Doing so again records nothing twice.

    For example:

    - `traceability finding replay 019ca877-0c1b-7000-8000-000000000001 corrected.json`
    - `traceability finding replay 019ca877-0c1b-7000-8000-000000000001`
    """
    corrected = None if file is None else _bytes_of(file)
    with opened(ledger, as_) as engine:
        try:
            done = replay_finding(engine, engine.settings.organisation, finding, corrected)
        except MalformedEventError as error:
            problems = event_problems(error.problems)
            if json:
                told = {"code": error.code, "message": error.message, "hint": error.hint}
                print_json({"error": {**told, "problems": [problem.model_dump() for problem in problems]}})
            else:
                for problem in problems:
                    typer.echo(f"{problem.path}: {problem.severity} {problem.code}: {problem.message}")
                note(f"{error.message}. {error.hint}")
            raise typer.Exit(EXIT_FALSE) from None
    if json:
        print_json(done.model_dump(mode="json"))
    note(f"The event is {'recorded' if done.outcome == 'recorded' else 'there already'}, at position {done.position}.")


@app.command()
def dismiss(
    finding: Id,
    *,
    forget: Annotated[bool, typer.Option("--forget", help="Destroy the event's bytes; it cannot be undone.")] = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Close a finding, and the others about the same event, without recording the event.

    With `--forget` the bytes of the event are destroyed, and what the findings quote of them.

    Example: `traceability finding dismiss 019ca877-0c1b-7000-8000-000000000001 --forget`
    """
    with opened(ledger, as_) as engine:
        done = dismiss_finding(engine, engine.settings.organisation, finding, forget=forget)
    if json:
        print_json(done.model_dump(mode="json"))
    note(f"The finding is {done.state}.")
    if forget:
        note("Old versions of the rows stay in the data files until: traceability ledger purge")


def _bytes_of(file: Path) -> bytes:
    try:
        if file == _STDIN:
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise NotFoundError(
            f"Cannot read {file}: {error.strerror or error}", code="finding.file", hint="Give the path of a file, or -."
        ) from error
    if len(data) > _LARGEST:
        raise InvalidInputError(f"One event of more than {_LARGEST} bytes is not read", code="finding.too_long")
    return data


def _where(found: FindingOut) -> str:
    return found.document if found.event_index is None else f"{found.document}, event {found.event_index}"


def _facts(found: FindingDetail) -> Iterator[tuple[str, Any]]:
    yield "what", found.message
    yield "code", f"{found.code} ({found.severity})"
    yield "place", found.path
    yield "found", found.found_at
    yield "state", found.state.value if found.settled_at is None else f"{found.state.value}, {found.settled_at}"
    if found.position is not None:
        yield "recorded event", f"position {found.position}"
    if found.replayed_at is not None:
        yield "replayed as", f"position {found.replayed_at}"
    if found.job_id is not None:
        yield "job", found.job_id
    if found.context is not None:
        yield "context", found.context
    yield "event", "not kept" if found.event is None else found.event
