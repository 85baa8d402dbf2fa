"""The pages of partners: where events come from, how far each source was read, and what went wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import HTMLResponse, Response

from api.partners.reading import administered, partners_of
from api.partners.runner import wake_reader
from api.partners.told import StatusOut, status
from api.security import Caller, EngineDep, require
from api.web.rendering import render
from api.web.sign_in import PAGE_HEADERS, PARTNERS, VisitorDep, from_our_page, go_to
from api.web.words import Moment
from api.wiring import Engine
from traceability.ledger.event import microseconds
from traceability.ledger.organisations import Scope
from traceability.ledger.partners import Kind, Partner, Standing

router: Final = APIRouter(prefix=PARTNERS.path, include_in_schema=False, dependencies=[Depends(from_our_page)])

_KINDS: Final = {Kind.EPCIS: "repository", Kind.WEBHOOK: "webhook", Kind.FOLDER: "folder"}


@dataclass(frozen=True, slots=True)
class Line:
    """A partner and how it stands; `failures` in a row, 0: the last reading was well."""

    name: str
    href: str
    kind: str
    organisation: str
    address: str
    state: str
    failures: int
    received: int
    known: int
    cursor: Moment | None
    last: Moment | None
    next: Moment | None
    error: str | None
    error_at: Moment | None
    may_pull: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture of what a partner sent, as a row of a table."""

    created: Moment
    findings: str
    recorded: int
    duplicates: int
    wrong: int
    running: bool


def partners_page(engine: Engine, visitor: Caller) -> Response:
    """Answer an organisation's partners, to the operator every one, by name."""
    partners = partners_of(engine)
    whose = None if visitor.organisation == engine.settings.operator else visitor.organisation
    lines = [_line(partner, standing) for partner, standing in partners.all(whose)]
    findings = partners.open_findings() if lines else {}
    shown = render("partners.html", organisation=visitor.organisation, lines=lines, findings=findings)
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def partner_page(engine: Engine, name: str, visitor: Caller) -> Response:
    """Answer one partner with its newest captures."""
    partner, standing = administered(engine, visitor.organisation, name)
    found = status(engine, name)
    shown = render(
        "partner.html",
        organisation=visitor.organisation,
        line=_line(partner, standing),
        found=found,
        captures=_captures(found),
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


@router.post("/{name}")
def act(
    request: Request, engine: EngineDep, visitor: VisitorDep, name: Annotated[str, Path(max_length=63)]
) -> Response:
    """Have a partner read now."""
    if visitor is not None:
        require(visitor, Scope.ADMIN)
        partner, _ = administered(engine, visitor.organisation, name)
        partners_of(engine).hurry(partner.name)
        wake_reader(request.app.state)
    return go_to(f"{PARTNERS.path}/{name}")


def _line(partner: Partner, standing: Standing) -> Line:
    failure = standing.failure
    return Line(
        name=partner.name,
        href=f"{PARTNERS.path}/{partner.name}",
        kind=_KINDS[partner.kind],
        organisation=partner.organisation,
        address=partner.address or f"{PARTNERS.path}/{partner.name}/webhook",
        state="being read" if standing.working else "failing" if standing.failures else "working",
        failures=standing.failures,
        received=standing.received,
        known=standing.known,
        cursor=Moment.of_any(standing.progress.cursor),
        last=Moment.of_any(standing.succeeded_at),
        next=None if partner.kind is Kind.WEBHOOK else Moment.of(standing.next_at),
        error=None if failure is None else f"{failure.message} ({failure.code})",
        error_at=None if failure is None else Moment.of(failure.at),
        may_pull=partner.kind is not Kind.WEBHOOK,
    )


def _captures(found: StatusOut) -> list[Capture]:
    return [
        Capture(
            created=Moment.of(microseconds(capture.created_at)),
            findings=capture.findings,
            recorded=capture.recorded,
            duplicates=capture.duplicates,
            wrong=capture.conflicts + capture.malformed,
            running=capture.running,
        )
        for capture in found.captures
    ]
