"""`traceability recall …`: what would have to come back, and the cases in which it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from api import recall_writes
from api.cli.context import JSON, As, LedgerName, OrThings, counted, group, note, print_json, print_table
from api.cli.item import AsOf, KnownAt, moment
from api.cli.opening import opened
from api.cli.output import STDOUT, OutputFile, writing
from api.provenance import microseconds_of
from api.recall_exports import TableFormat, table_of
from api.recall_models import (
    AcknowledgeIn,
    CancelIn,
    CloseIn,
    DoneOut,
    HolderOut,
    NotifyIn,
    OpenIn,
    ReconcileIn,
    ScopeIn,
)
from api.recalls import MOST_ON_A_PAGE, describe_affected, describe_recall, list_recalls, plan
from api.trace_models import MAX_NODES
from api.validation import sentence
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.supply_chain.recall.events import Outcome
from traceability.supply_chain.recall.reconciling import Fate


class _OrStart(OrThings):
    otherwise = "start"


app = group("recall", cls=_OrStart)

Roots = Annotated[list[str], typer.Argument(metavar="ID", help="Things and lots: Digital Links, URNs, (01)…")]
Case = Annotated[str, typer.Argument(metavar="CASE", help="The name of the case.")]
Name = Annotated[str, typer.Option("--name", metavar="TEXT", help="What the case is called.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT")]
Classification = Annotated[str, typer.Option("--class", metavar="WORD", help="I, II, III or a word of your own.")]
Depth = Annotated[int, typer.Option("--max-depth", min=0, max=MAX_NODES, help="Steps from thing to thing.")]
Nodes = Annotated[int, typer.Option("--max-nodes", min=1, max=MAX_NODES, help="Things and transformations.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT")]
_MOST_COLONS: Final = 2
_Write: TypeAlias = Callable[[Engine, str], DoneOut]
Body = TypeVar("Body", bound=BaseModel)


@app.command()
def start(
    identifiers: Roots,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is affected and who has it.")] = False,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What the case is called.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT")] = None,
    classification: Annotated[
        str | None, typer.Option("--class", metavar="WORD", help="I, II, III or a word of your own.")
    ] = None,
    max_depth: Depth = 100,
    max_nodes: Nodes = 10_000,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Open a case about things or lots and scope it; with `--dry-run` show what it would be about, and record nothing.

    For example:

    - `traceability recall '(01)09521234000013(10)A7' --dry-run`
    - `traceability recall '(01)09521234000013(10)A7' --name "Listeria in soft cheese" --reason "sample of 28 February"
      --class I`
    """
    if dry_run:
        with opened(ledger, as_) as engine:
            reader = engine.organisations.reader(engine.settings.organisation)
            found = plan(engine, reader, identifiers, max_depth=max_depth, max_nodes=max_nodes)
        if json:
            print_json(found.model_dump(mode="json"))
            return
        _print_holders(found.holders)
        note(
            f"{counted(found.items, 'item')} and {counted(found.lots, 'lot')} are affected; nobody is seen to have"
            f" {found.unheld}. Nothing was recorded."
        )
        if not found.complete:
            note("A limit cut the trace short: raise --max-nodes or --max-depth.")
        return
    said = {"name": name, "reason": reason, "classification": classification}
    if missing := [
        option for option, value in zip(("--name", "--reason", "--class"), said.values(), strict=True) if not value
    ]:
        raise typer.BadParameter(f"give {' and '.join(missing)}, or --dry-run")
    body = _body(OpenIn, roots=identifiers, **said)
    scope_body = _body(ScopeIn, max_depth=max_depth, max_nodes=max_nodes)
    with opened(ledger, as_) as engine:
        organisation = engine.settings.organisation
        case = recall_writes.open_recall(engine, organisation, body).case
        done = recall_writes.scope_recall(engine, organisation, case, scope_body)
    _print_done(done, json=json)


@app.command("open")
def open_(
    identifiers: Roots,
    *,
    name: Name,
    reason: Reason,
    classification: Classification,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Open a case, as whoever may speak of the things, a registrar, or the operator; scope it next.

    Example: `traceability recall open '(01)09521234000013(10)A7' --name Listeria --reason "a sample" --class I`
    """
    body = _body(OpenIn, roots=identifiers, name=name, reason=reason, classification=classification)
    _run(partial(recall_writes.open_recall, body=body), as_=as_, ledger=ledger, json=json)


@app.command()
def scope(
    case: Case,
    *,
    as_of: AsOf = None,
    max_depth: Depth = 100,
    max_nodes: Nodes = 10_000,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Record what is affected now and who has it; again, to take in what was recorded since.

    Example: `traceability recall scope 019ca877-0c1b-7000-8000-000000000001`
    """
    body = _body(ScopeIn, as_of=as_of, max_depth=max_depth, max_nodes=max_nodes)
    _run(partial(recall_writes.scope_recall, case=case, body=body), as_=as_, ledger=ledger, json=json)


@app.command()
def notify(
    case: Case,
    organisations: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="ORGANISATION", help="Only this holder; repeatable.", show_default="all holders"),
    ] = None,
    *,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Tell the holders in the last scope of what they have and were not told of.

    Example: `traceability recall notify 019ca877-0c1b-7000-8000-000000000001 --to store.example`
    """
    body = _body(NotifyIn, organisations=organisations or None)
    _run(partial(recall_writes.notify_holders, case=case, body=body), as_=as_, ledger=ledger, json=json)


@app.command()
def acknowledge(
    case: Case,
    notice: Annotated[str, typer.Argument(metavar="NOTICE", help="The name of your notice.")],
    *,
    told: Annotated[
        list[str] | None,
        typer.Option(
            "--told", metavar="OUTCOME[:QUANTITY[:UNIT]]=ID", help=f"What you did: {', '.join(Outcome)}; repeatable."
        ),
    ] = None,
    text: Note = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Answer a notice, as the organisation that it is to; again, when there is more to tell.

    Example: `traceability recall acknowledge 019ca877-0c1b-7000-8000-000000000001
    019ca877-0c1b-7000-8000-000000000002 --told 'quarantined=(01)09521234000013(21)1001' --as store.example`
    """
    lines = [_line(one, "--told", "outcome") for one in told or ()]
    body = _body(AcknowledgeIn, notice=notice, told=lines, note=text)
    _run(partial(recall_writes.acknowledge, case=case, body=body), as_=as_, ledger=ledger, json=json)


@app.command()
def reconcile(
    case: Case,
    *,
    fate: Annotated[
        list[str] | None,
        typer.Option(
            "--thing", metavar="FATE[:QUANTITY[:UNIT]]=ID", help=f"What became of it: {', '.join(Fate)}; repeatable."
        ),
    ] = None,
    text: Note = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Add up what became of the things; what `--thing` does not say is as its holders acknowledged it.

    Example: `traceability recall reconcile 019ca877-0c1b-7000-8000-000000000001 --thing
    'recovered=(01)09521234000013(21)1001'`
    """
    lines = [_line(one, "--thing", "fate") for one in fate or ()]
    body = _body(ReconcileIn, things=lines, note=text)
    _run(partial(recall_writes.reconcile, case=case, body=body), as_=as_, ledger=ledger, json=json)


@app.command()
def close(
    case: Case,
    *,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why without a sum.")] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Close a case that was added up, or for a reason; whoever was notified is told.

    Example: `traceability recall close 019ca877-0c1b-7000-8000-000000000001`
    """
    _run(partial(recall_writes.close, case=case, body=_body(CloseIn, reason=reason)), as_=as_, ledger=ledger, json=json)


@app.command()
def cancel(case: Case, *, reason: Reason, as_: As = None, ledger: LedgerName = None, json: JSON = False) -> None:
    """Take back a case that should not have been opened; whoever was notified is told.

    Example: `traceability recall cancel 019ca877-0c1b-7000-8000-000000000001 --reason "the sample was mixed up"`
    """
    _run(
        partial(recall_writes.cancel, case=case, body=_body(CancelIn, reason=reason)), as_=as_, ledger=ledger, json=json
    )


@app.command()
def show(
    case: Case,
    *,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", parser=moment, metavar="TIME", help="As said up to then.")
    ] = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show a case as your organisation sees it: what was said, and what entered its scope since.

    Example: `traceability recall show 019ca877-0c1b-7000-8000-000000000001 --json`
    """
    at = None if as_of is None else microseconds_of(as_of)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_recall(engine, reader, case, as_of=at, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    rows: list[tuple[object, ...]] = [
        (one.position, one.said_at, one.said_by, one.type, "" if one.claim is None else f"claim: {one.claim}")
        for one in found.said
    ]
    print_table(("position", "at", "by", "what", ""), rows)
    note(f"{found.name} ({found.classification}): {found.stage}. {found.reason}")
    if (widened := found.widened) is not None and (widened.entered or widened.holders):
        note(
            f"Since it was scoped {counted(len(widened.entered), 'thing')} entered the scope, and"
            f" {counted(len(widened.holders), 'holder')}: traceability recall scope {case}"
        )


@app.command("list")
def list_(
    *,
    before: Annotated[int | None, typer.Option("--before", min=1, metavar="POSITION", help="Go on from here.")] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List your cases and those that you were notified in, the newest first.

    Example: `traceability recall list --as store.example`
    """
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        lines, following = list_recalls(engine, reader, before=before, limit=MOST_ON_A_PAGE)
    if json:
        print_json({"recalls": [one.model_dump(mode="json") for one in lines], "before": following})
    else:
        print_table(
            ("case", "stage", "class", "opened by", "name"),
            [(one.case, one.stage, one.classification, one.opened_by, one.name) for one in lines],
        )
    if following is not None:
        note(f"There are more: --before {following}")


@app.command()
def affected(
    case: Case,
    *,
    form: Annotated[
        TableFormat | None, typer.Option("--format", help="Write a file, in which every cell is text.")
    ] = None,
    output: OutputFile = STDOUT,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List the things in the last scope: who has them, whether they were notified, and the outcome.

    For example:

    - `traceability recall affected 019ca877-0c1b-7000-8000-000000000001`
    - `traceability recall affected 019ca877-0c1b-7000-8000-000000000001 --format xlsx --output affected.xlsx`
    """
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_affected(engine, reader, case)
    if form is not None:
        with writing(output, code="recall.output") as out:
            out.file.writelines(table_of(found, form))
        return
    if json:
        print_json(found.model_dump(mode="json"))
        return
    print_table(
        ("thing", "holder", "notified", "outcome"),
        [(one.thing, one.holder or "", "yes" if one.notified else "no", one.outcome or "") for one in found.affected],
    )


def _run(write: _Write, *, as_: str | None, ledger: str | None, json: bool) -> None:
    with opened(ledger, as_) as engine:
        done = write(engine, engine.settings.organisation)
    _print_done(done, json=json)


def _print_done(done: DoneOut, *, json: bool) -> None:
    if json:
        print_json(
            {
                "case": done.case,
                "stage": done.stage,
                "recorded": done.recorded,
                "position": done.position,
                "event_id": done.event_id,
            }
        )
        return
    typer.echo(done.case)
    note(f"Now {done.stage}. Its receipt: traceability log prove {done.position}")


def _print_holders(holders: list[HolderOut]) -> None:
    print_table(
        ("holder", "things", "reachable"),
        [(one.holder, one.things, "yes" if one.reachable else "no") for one in holders],
    )


def _line(text: str, option: str, word: str) -> dict[str, str]:
    """Read `WORD=ID`, or of so much of a lot `WORD:QUANTITY=ID` and `WORD:QUANTITY:UNIT=ID`."""
    how, equals, thing = text.partition("=")
    if not equals or how.count(":") > _MOST_COLONS:
        raise typer.BadParameter("write it like quarantined=(01)09521234000013(21)1001", param_hint=option)
    told = dict(zip((word, "quantity", "uom"), how.split(":"), strict=False))
    return {"thing": thing, **told}


def _body(kind: type[Body], **members: Any) -> Body:  # noqa: ANN401
    try:
        return kind.model_validate(members)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(map(str, first["loc"]))
        raise InvalidInputError(
            f"{place}: {sentence(first)}" if place else sentence(first), code="recall.malformed"
        ) from error
