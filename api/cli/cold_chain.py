"""`traceability cold-chain`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, note, print_json, print_table
from api.cli.item import AsOf, KnownAt, moment
from api.cli.opening import opened
from api.cold_chain import CourseIn, CourseOut, describe_cold_chain
from traceability.supply_chain.cold_chain.course import Verdict


def cold_chain(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A Digital Link, URN, (01)… or the bare number.")],
    *,
    profile: Annotated[str, typer.Option(metavar="NAME", help="As usp.controlled_cold.")] = "usp.controlled_cold",
    since: Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="From here on.")] = None,
    until: Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="Up to here.")] = None,
    gap_after: Annotated[int | None, typer.Option(min=1, help="Minutes that a reading stands for at most.")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Judge the temperatures of a thing, and of what it was in, by a profile of limits.

    It exits with 1 when something was too much, or when of some of the time nothing is known.

    For example:

    - `traceability cold-chain https://id.gs1.org/01/09521103001011/21/0003 --gap-after 240`
    """
    asked = CourseIn(
        thing=identifier,
        profile=profile,
        since=since,
        until=until,
        gap_after_minutes=gap_after,
        as_of=as_of,
        known_at=known_at,
    )
    with opened(ledger, as_) as engine:
        found = describe_cold_chain(engine, engine.organisations.reader(engine.settings.organisation), asked)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        note(f"{found.profile.name}: {found.verdict.value}")
        print_table(
            (
                "device",
                "verdict",
                "readings",
                "lowest",
                "highest",
                "mean kinetic",
                "worst window",
                "seconds out",
                "excursions",
                "gaps",
            ),
            map(_row, found.courses),
        )
    if found.verdict in (Verdict.INCOMPLETE, Verdict.OUT):
        raise typer.Exit(EXIT_FALSE)


def _row(course: CourseOut) -> tuple[str, ...]:
    return (
        course.device or "",
        course.verdict.value,
        str(course.readings),
        f"{course.lowest:f}",
        f"{course.highest:f}",
        "" if course.mean_kinetic_temperature is None else f"{course.mean_kinetic_temperature:f}",
        "" if course.worst_window is None else f"{course.worst_window.mean_kinetic_temperature:f}",
        str(course.seconds_below + course.seconds_above),
        str(len(course.excursions)),
        str(len(course.gaps)),
    )
