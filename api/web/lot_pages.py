"""The page of a lot: its stage, how much of it is where, and what is wrong with what was said of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from api.lot_models import KeyDataOut, LotAmountOut, LotEventOut, LotFindingOut, LotOut, LotSumOut
from api.lots import PATH, describe_lot
from api.security import Caller
from api.web import words
from api.web.history_section import amount
from api.web.names import Names, path_of, short_number
from api.web.page import Detail, Named
from api.web.rendering import render
from api.web.sign_in import LOTS, PAGE_HEADERS, page_for, reader_of_page
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.gs1.identifiers import Identifier
from traceability.ledger.event import microseconds

_SHOWN: Final = 200
"""Rows of a table that the page shows; the JSON has all."""
_TOTALS: Final = (
    "made", "brought_in", "received", "shipped", "used", "sold", "destroyed", "lost", "decommissioned", "short"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AmountLine:
    """A row of what is where."""

    amount: str
    holder: str
    place: Named | None
    container: Named | None
    under_way: str


@dataclass(frozen=True, slots=True)
class StageLine:
    """An event that brought the lot to a stage."""

    anchor: str
    stage: str
    moment: str
    by: str
    documents: tuple[str, ...]
    receipt: str


@dataclass(frozen=True, slots=True)
class FindingLine:
    """What is wrong, in a sentence."""

    sentence: str
    severity: str
    event: str
    receipt: str | None


def lot_page(
    engine: Engine,
    request: Request,
    visitor: Caller | None,
    identifier: Identifier,
    *,
    as_of: datetime | None,
    known_at: int | None,
    required: Sequence[str],
) -> Response:
    """Answer one lot, or ask a stranger who sees nothing of it for a key."""
    reader = reader_of_page(engine, visitor)
    try:
        found = describe_lot(engine, reader, identifier, as_of=as_of, known_at=known_at, required=required)
    except NotFoundError:
        if visitor is not None:
            raise
        return page_for(request, None, LOTS, lambda _: Response())
    names, number = Names(engine.organisations.all()), short_number(found.id)
    shown = render(
        "lot.html",
        organisation=None if visitor is None else visitor.organisation,
        found=found,
        title=f"{found.description}, {number}" if found.description else number[:1].upper() + number[1:],
        warns=bool(found.holds or found.recalled or found.recalls or found.expired or found.findings),
        state=words.opened(found.stage.value),
        facts=list(_facts(found, names)),
        warnings=list(_warnings(found)),
        amounts=[_amount(row, names) for row in found.amounts[:_SHOWN]],
        more=max(0, len(found.amounts) - _SHOWN),
        sums=[list(_sum(one)) for one in found.sums],
        members=[
            Detail("Nowhere told" if one.place is None else names.place(one.place).value, str(one.items))
            for one in (found.members and found.members.places) or ()
        ],
        findings=[_finding(one) for one in found.findings],
        missing=[_missing(one) for one in found.key_data if one.missing],
        tracked=len(found.key_data),
        stages=[_stage(one.stage.value, one.documents, one.event, names) for one in found.passed[-_SHOWN:]],
        item=path_of(found.id),
        address=f"{PATH}{path_of(found.id)}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def _facts(found: LotOut, names: Names) -> Iterator[Detail]:
    if found.assigned is not None:
        event = found.assigned.event
        yield Detail("Lot code assigned", f"{_moment(event.at)} by {names.organisation(event.by)}")
        if found.assigned.source is not None:
            yield Detail("Lot code source", names.place(found.assigned.source).value)
    dates = found.dates
    for label, day in (
        ("Harvested", dates.harvested),
        ("Produced", dates.produced),
        ("Best before", dates.best_before),
        ("Expires", dates.expiry),
    ):
        if day is not None:
            yield Detail(label, day.isoformat())
    if found.members is not None:
        ended = "" if found.members.ended is None else f", of which {sum(found.members.ended.values())} ended"
        yield Detail("With serials", f"{found.members.items}{ended}")
    yield Detail("May be released", "yes" if found.release.may_be_released else "no")


def _warnings(found: LotOut) -> Iterator[str]:
    for one in found.release.obstacles:
        kind = "" if one.kind is None else f": {one.kind}"
        yield f"{words.opened(one.lack.value)}{kind}"
    if not found.quantities_complete:
        yield "Some of it was moved without saying how much"


def _amount(row: LotAmountOut, names: Names) -> AmountLine:
    to = "" if not row.under_way else "to whoever receives it" if row.to is None else f"to {names.holder(row.to)}"
    return AmountLine(
        amount(row.quantity, row.uom),
        names.holder(row.holder),
        None if row.place is None else names.place(row.place),
        None if row.container is None else names.thing(row.container),
        to,
    )


def _sum(one: LotSumOut) -> Iterator[Detail]:
    for total in _TOTALS:
        quantity: Decimal = getattr(one, total)
        if quantity:
            yield Detail(words.opened(total), amount(quantity, one.uom))
    yield Detail("Left", amount(one.left, one.uom))


def _finding(one: LotFindingOut) -> FindingLine:
    event = "" if one.event is None else f"position {one.event.position}, {_moment(one.event.at)}"
    sentence = f"{one.rule} Here: {one.note}." if one.note else one.rule
    return FindingLine(sentence, one.severity, event, None if one.event is None else one.event.receipt)


def _missing(one: KeyDataOut) -> str:
    when = "" if one.event is None else f" of {_moment(one.event.at)}"
    lacks = ", ".join(words.opened(element.value).lower() for element in one.missing)
    return f"{words.opened(one.tracked.value)}{when}: {lacks}"


def _stage(stage: str, documents: Sequence[str], event: LotEventOut, names: Names) -> StageLine:
    return StageLine(
        f"event-{event.position}",
        words.opened(stage),
        _moment(event.at),
        names.organisation(event.by),
        tuple(documents),
        event.receipt,
    )


def _moment(text: str) -> str:
    return f"{words.moment(microseconds(text))} UTC"
