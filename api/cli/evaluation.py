"""`traceability evaluation`."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, note, opened, print_json, print_table
from api.cli.item import KnownAt, named
from api.codes import read_code
from api.evaluations import AcknowledgeIn, EvaluationIn, IrregularityOut, describe_evaluation
from api.evaluations import acknowledge as acknowledge_irregularity
from traceability.errors import NotFoundError


def evaluation(
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


def _row(one: IrregularityOut) -> tuple[str, ...]:
    known = ", ".join(dict.fromkeys(each.by for each in one.acknowledged))
    return one.severity, one.code, named(one.thing), str(one.event.position), one.told, known
