"""`traceability evaluation …`: what was recorded judged, of things or of all that an organisation recorded."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError

from api.cli.context import (
    EXIT_FALSE,
    JSON,
    As,
    LedgerName,
    OrThings,
    group,
    note,
    print_json,
    print_table,
    progress_bar,
)
from api.cli.item import KnownAt, named
from api.cli.opening import opened, operated
from api.codes import read_code
from api.evaluations import AcknowledgeIn, EvaluationIn, IrregularityOut, describe_evaluation
from api.evaluations import acknowledge as acknowledge_irregularity
from api.evaluator import judge
from api.irregularities import MOST_ON_A_PAGE, IrregularitiesQuestion, list_irregularities
from api.validation import sentence
from traceability.errors import NotFoundError


class _OrOf(OrThings):
    otherwise = "of"


app = group("evaluation", cls=_OrOf)


@app.command()
def of(
    identifiers: Annotated[
        list[str], typer.Argument(metavar="ID…", help="Digital Links, URNs, (01)… or bare numbers; at most 1,000.")
    ],
    *,
    known_at: KnownAt = None,
    acknowledge: Annotated[
        int | None, typer.Option("--acknowledge", metavar="POSITION", help="Say that what this event breaks is known.")
    ] = None,
    text: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="What came of looking into it.")] = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Judge what was recorded about things: what cannot be true, and what somebody had no right to say.

    Events of others are recorded whatever they say. This tells which of them break a rule, and against which event,
    as far as the organisation of `--as` may see. It exits with 1 when there is an error; a warning is what is common
    when something was not recorded.

    For example:

    - `traceability evaluation https://id.gs1.org/01/09521103001011/21/0003`
    - `traceability evaluation '(00)095211030000070017' --json`
    - `traceability evaluation '(00)095211030000070017' --acknowledge 131 --note 'asked the carrier'`
    """
    if text is not None and acknowledge is None:
        raise typer.BadParameter("a note is of what is acknowledged: give --acknowledge too")
    things = [read_code(identifier).uri for identifier in identifiers]
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_evaluation(engine, reader, EvaluationIn(things=things, known_at=known_at))
        if acknowledge is not None:
            known = [one for one in found.irregularities if one.event.position == acknowledge]
            if not known:
                raise NotFoundError("There is no such irregularity", code="evaluation.unknown")
            for one in known:
                asked = AcknowledgeIn(thing=one.thing, code=one.code, event_id=one.event.event_id, note=text)
                done = acknowledge_irregularity(engine, engine.settings.organisation, asked)
                note(f"{one.code} is known now. Its receipt: traceability log prove {done.position}")
            found = describe_evaluation(engine, reader, EvaluationIn(things=things))
    if json:
        print_json(found.model_dump(mode="json"))
    elif found.irregularities:
        columns = ("severity", "rule", "thing", "position", "what was recorded", "known to")
        print_table(columns, map(_row, found.irregularities))
    else:
        note(f"Nothing is irregular, as known at position {found.known_at}.")
    if found.errors:
        raise typer.Exit(EXIT_FALSE)


@app.command("list")
def list_(
    *,
    code: Annotated[str, typer.Option("--code", metavar="CODE", help="Of this rule.")] = "",
    severity: Annotated[str, typer.Option("--severity", metavar="WORD", help="error or warning.")] = "",
    thing: Annotated[str, typer.Option("--thing", metavar="ID", help="About this thing.")] = "",
    ended: Annotated[bool, typer.Option("--ended", help="Those that have ended.")] = False,
    known: Annotated[
        bool | None, typer.Option("--known/--not-known", help="Those that somebody said are known, or nobody did.")
    ] = None,
    after: Annotated[str, typer.Option("--after", metavar="PLACE", help="Go on from here.")] = "",
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List what was found irregular about all things of which your organisation recorded something.

    The server judges what is recorded, or `traceability evaluation run` does. What the newest events break comes first.

    For example:

    - `traceability evaluation list --as dairy.example`
    - `traceability evaluation list --code inside --not-known --json`
    """
    asked = {
        "code": code,
        "severity": severity,
        "thing": thing,
        "standing": "false" if ended else "true",
        "acknowledged": "" if known is None else str(known).lower(),
        "after": after,
        "perPage": MOST_ON_A_PAGE,
    }
    try:
        question = IrregularitiesQuestion.model_validate(asked)
    except ValidationError as error:
        raise typer.BadParameter(sentence(error.errors()[0])) from error
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        page = list_irregularities(engine, reader, question)
    answer, following = page.answer, None if page.following is None else page.following.text
    if json:
        print_json({**answer.model_dump(mode="json"), "after": following})
    else:
        columns = ("severity", "rule", "thing", "position", "what was recorded", "known to")
        print_table(columns, map(_row, answer.irregularities))
        if answer.judged_to < answer.head:
            note(f"Judged up to position {answer.judged_to} of {answer.head}.")
    if following is not None:
        note(f"There are more: --after {following}")


@app.command()
def run(
    *,
    once: Annotated[bool, typer.Option("--once", help="End when all that is recorded was judged.")] = False,
    again: Annotated[
        int | None, typer.Option("--from", min=0, metavar="POSITION", help="Judge what is behind it once more.")
    ] = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Judge what is recorded, for each organisation the things of which it recorded something, until Ctrl-C.

    A server does so in the background: this is for where it is told not to (`TRACEABILITY_EVALUATOR=false`). One
    process judges a ledger at a time.

    For example:

    - `traceability evaluation run`
    - `traceability evaluation run --once --from 0`
    """
    with operated(ledger) as engine, progress_bar("judged") as progress:
        judged = judge(engine, once=once, again=again, progress=progress)
    if json:
        print_json({"judged_to": judged})
    else:
        typer.echo(judged)


def _row(one: IrregularityOut) -> tuple[str, ...]:
    known = ", ".join(dict.fromkeys(each.by for each in one.acknowledged))
    return one.severity, one.code, named(one.thing), str(one.event.position), one.told, known
