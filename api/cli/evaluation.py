"""`traceability evaluation`."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, note, opened, print_json, print_table
from api.cli.item import KnownAt, named
from api.codes import read_code
from api.evaluations import EvaluationIn, describe_evaluation


def evaluation(
    identifiers: Annotated[
        list[str], typer.Argument(metavar="ID…", help="Digital Links, URNs, (01)… or bare numbers; at most 1,000.")
    ],
    *,
    known_at: KnownAt = None,
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
    """
    things = [read_code(identifier).uri for identifier in identifiers]
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_evaluation(engine, reader, EvaluationIn(things=things, known_at=known_at))
    if json:
        print_json(found.model_dump(mode="json"))
    elif found.irregularities:
        rows = (
            (one.severity, one.code, named(one.thing), str(one.event.position), one.told)
            for one in found.irregularities
        )
        print_table(("severity", "rule", "thing", "position", "what was recorded"), rows)
    else:
        note(f"Nothing is irregular, as known at position {found.known_at}.")
    if found.errors:
        raise typer.Exit(EXIT_FALSE)
