"""The pages of shipments: the list, and one shipment with what was advised against what came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from api.provenance import published_trees
from api.security import Caller
from api.shipment_models import ExceptionOut, LegOut, ReportOut, RowOut, ShipmentOut, ShipmentSaidOut
from api.shipments import PATH, describe_shipment, list_shipments
from api.web import words
from api.web.names import Names
from api.web.page import Detail, Named
from api.web.rendering import render
from api.web.said import SaidLine, said_line
from api.web.sign_in import PAGE_HEADERS, SHIPMENTS, page_for, reader_of_page
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.event import microseconds
from traceability.supply_chain.shipment.events import Difference
from traceability.supply_chain.shipment.shipment import MEANINGS, Stage

_SHOWN: Final = 200
"""Rows that the page shows, those that differ first; the JSON has all."""
_WORDS: Final = {
    "shipment_advised": "Advised",
    "receipt_completed": "Receipt complete",
    "exception_opened": "Exception opened",
    "exception_closed": "Exception closed",
}
_DIFFERENCES: Final = {Difference.UNDERAGES: "short", Difference.OVERAGES: "over", Difference.DAMAGED: "damaged"}


@dataclass(frozen=True, slots=True)
class RowLine:
    """A row of the table; an empty text where it is not told."""

    thing: Named
    amounts: tuple[str, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class LegLine:
    """A leg in words."""

    title: str
    estimated: str
    actual: str


@dataclass(frozen=True, slots=True)
class CaseLine:
    """An exception case in words."""

    anchor: str
    state: str
    asked: str | None
    reports: list[str]


def shipments_page(engine: Engine, before: int | None, per_page: int, advice: str | None, visitor: Caller) -> Response:
    """Answer the list."""
    reader = reader_of_page(engine, visitor)
    lines, following = list_shipments(engine, reader, advice=advice, before=before, limit=per_page)
    names = Names(engine.organisations.all())
    asked: dict[str, object] = {"perPage": per_page} if advice is None else {"perPage": per_page, "advice": advice}
    shown = render(
        "shipments.html",
        organisation=visitor.organisation,
        lines=[
            (one, words.opened(one.stage.value), names.organisation(one.shipper), names.organisation(one.consignee))
            for one in lines
        ],
        following=None if following is None else f"{PATH}?{urlencode(asked | {'before': following})}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def shipment_page(
    engine: Engine,
    request: Request,
    visitor: Caller | None,
    shipment: str,
    *,
    as_of: int | None = None,
    known_at: int | None = None,
) -> Response:
    """Answer one shipment, or ask a stranger who sees nothing of it for a key."""
    reader = reader_of_page(engine, visitor)
    try:
        found = describe_shipment(engine, reader, shipment, as_of=as_of, known_at=known_at)
    except NotFoundError:
        if visitor is not None:
            raise
        return page_for(request, None, SHIPMENTS, lambda _: Response())
    names, published = Names(engine.organisations.all()), published_trees(engine).published
    rows = sorted((_row(row, names) for row in found.rows), key=lambda line: not line.differs)
    shown = render(
        "shipment.html",
        organisation=None if visitor is None else visitor.organisation,
        found=found,
        warns=found.stage is Stage.DISCREPANT or bool(found.unnamed),
        state=words.opened(found.stage.value),
        facts=list(_facts(found, names)),
        rows=rows[:_SHOWN],
        more=max(0, len(rows) - _SHOWN),
        unnamed=[_report(report, names) for report in found.unnamed],
        legs=[_leg(leg, names) for leg in found.legs],
        cases=[_case(case, names) for case in found.cases],
        lines=[_said(one, names, published) for one in found.said],
        address=f"{PATH}/{shipment}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def _facts(found: ShipmentOut, names: Names) -> Iterator[Detail]:
    yield Detail("From", names.organisation(found.shipper))
    yield Detail("To", names.organisation(found.consignee))
    yield Detail("Advised", _moment(found.advised_at))
    if found.completed_at is not None:
        yield Detail("Receipt complete", _moment(found.completed_at))


def _row(row: RowOut, names: Names) -> RowLine:
    outstanding = row.short if row.outstanding is None else row.outstanding
    amounts = (row.advised, row.shipped, row.received, row.damaged, row.over, outstanding)
    return RowLine(
        names.thing(row.thing),
        tuple("" if one is None else _amount(one, row.uom) for one in amounts),
        differs=bool(row.damaged or row.over or row.short),
    )


def _report(report: ReportOut, names: Names) -> str:
    amount = _amount(report.quantity, report.uom)
    return f"{names.thing(report.thing).value}: {amount} {_DIFFERENCES[report.difference]}"


def _leg(leg: LegOut, names: Names) -> LegLine:
    ends = f"{names.place(leg.from_place).value} to {names.place(leg.to_place).value}"
    by = "" if leg.carrier is None else f", by {names.organisation(leg.carrier)}"
    return LegLine(
        f"{words.opened(leg.mode.value)}: {ends}{by}",
        _times(leg.departure, leg.arrival),
        _times(leg.departed, leg.arrived),
    )


def _case(case: ExceptionOut, names: Names) -> CaseLine:
    answer = {None: "not answered", True: "accepted", False: "rejected"}[case.accepted]
    offered = "" if case.alternative is None else f", offered instead: {case.alternative.value}"
    state = "Open" if case.closed_at is None else "Closed"
    return CaseLine(
        anchor=f"case-{case.case}",
        state=f"{state}, {answer}{offered}",
        asked=None if case.resolution is None else case.resolution.value,
        reports=[_report(report, names) for report in case.reports],
    )


def _said(said: ShipmentSaidOut, names: Names, published: int) -> SaidLine:
    sentence, told = _WORDS.get(said.type), said.said.get("note")
    if sentence is None:
        sentence = "Exception accepted" if said.said.get("accepted") else "Exception rejected"
    claim = None if said.claim is None else MEANINGS[said.claim].sentence
    whole = sentence if told is None else f"{sentence}: {told}"
    return said_line(said, whole, claim=claim, published=published, names=names)


def _amount(amount: Decimal, uom: str | None) -> str:
    number = f"{amount:f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return number if uom is None else f"{number} {words.unit(uom)}"


def _times(departure: str | None, arrival: str | None) -> str:
    left = "" if departure is None else f"departure {_moment(departure)}"
    came = "" if arrival is None else f"arrival {_moment(arrival)}"
    return ", ".join(one for one in (left, came) if one) or "not told"


def _moment(text: str) -> str:
    return f"{words.moment(microseconds(text))} UTC"
