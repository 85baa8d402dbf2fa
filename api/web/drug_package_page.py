"""The page of a package of a medicine: whether it may be dispensed and why not, and how its status came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from api.drug_packages import PATH, AlarmOut, ChangeOut, CitedOut, Finding, PackOut, StopOut, describe_pack, findings_of
from api.provenance import published_trees
from api.security import Caller
from api.web import words
from api.web.names import Names, path_of, short_number
from api.web.page import Detail
from api.web.rendering import render
from api.web.said import ProofLine, SaidLine, proof_line
from api.web.sign_in import DRUG_PACKAGES, PAGE_HEADERS, page_for, reader_of_page
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.gs1.identifiers import Identifier
from traceability.ledger.event import microseconds
from traceability.supply_chain.drug_package.events import Inactive
from traceability.supply_chain.drug_package.package import Became

_SHOWN: Final = 200
"""Alerts that the page shows, the latest; the JSON has all."""
_STATUSES: Final[Mapping[Inactive, str]] = {
    Inactive.SUPPLIED: "supplied to the public",
    Inactive.EXPORTED: "exported",
    Inactive.SAMPLE: "taken as a sample by an authority",
    Inactive.FREE_SAMPLE: "given away as a free sample",
    Inactive.CHECKED_OUT: "checked out to be repacked",
    Inactive.LOCKED: "locked",
    Inactive.DESTROYED: "destroyed",
    Inactive.STOLEN: "stolen or lost",
    Inactive.DECOMMISSIONED: "decommissioned, it is not said why",
}
_FINDINGS: Final[Mapping[Finding, str]] = {
    Finding.PACK_NOT_FOUND: "nobody is seen to have made it",
    Finding.RECALLED: "its batch is recalled",
    Finding.WITHDRAWN: "the product is withdrawn",
    Finding.EXPIRED: "it has expired",
}


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert: the rule, what it stands against in a sentence, if that is told, and its event."""

    rule: str
    against: str
    proof: ProofLine


def drug_package_page(
    engine: Engine,
    request: Request,
    visitor: Caller | None,
    identifier: Identifier,
    *,
    as_of: datetime | None,
    known_at: int | None,
) -> Response:
    """Answer one pack, or ask a stranger who sees nothing of it for a key."""
    reader = reader_of_page(engine, visitor)
    try:
        found = describe_pack(engine, reader, identifier, as_of=as_of, known_at=known_at)
    except NotFoundError:
        if visitor is not None:
            raise
        return page_for(request, None, DRUG_PACKAGES, lambda _: Response())
    names, published = Names(engine.organisations.all()), published_trees(engine).published
    findings, number = findings_of(found), short_number(found.id)
    shown = render(
        "drug_package.html",
        organisation=None if visitor is None else visitor.organisation,
        found=found,
        title=f"{number[:1].upper()}{number[1:]}",
        sentence="May be dispensed" if found.may_be_dispensed else "Must not be dispensed",
        because=_because(found, findings),
        known=f"on {_moment(found.as_of)}, as known at position {found.known_at} of the ledger",
        facts=list(_facts(found)),
        findings=[finding.value for finding in findings],
        alerts=[_alert(one, found, names, published) for one in found.alerts[-_SHOWN:]],
        more=max(0, len(found.alerts) - _SHOWN),
        lines=list(_history(found, names, published)),
        item=path_of(found.id),
        address=f"{PATH}{path_of(found.id)}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def _because(found: PackOut, findings: list[Finding]) -> str:
    if not findings:
        return "Active: it was made, nothing took it off sale, and its last day is not over."
    reasons = [_FINDINGS[finding] for finding in findings if finding in _FINDINGS]
    if found.inactive is not None:
        reasons.insert(0, f"it is inactive, {_STATUSES[found.inactive.status]}")
    listed = "; ".join(reasons)
    return f"{listed[:1].upper()}{listed[1:]}."


def _facts(found: PackOut) -> Iterator[Detail]:
    if found.lot is not None:
        yield Detail("Batch", short_number(found.lot).removeprefix("lot "), path_of(found.lot))
    yield Detail("Last day", "not told" if found.expiry is None else found.expiry.isoformat())
    active = "active" if found.made else "not known"
    yield Detail("Status", active if found.inactive is None else _STATUSES[found.inactive.status])


def _alert(one: AlarmOut, found: PackOut, names: Names, published: int) -> AlertLine:
    against = next((each for each in found.changes if each.event == one.against), None)
    told = "" if against is None else f"It goes against: {_change(against)}, by {names.organisation(against.by)}."
    return AlertLine(one.rule, told, proof_line(one.event, published))


def _history(found: PackOut, names: Names, published: int) -> Iterator[SaidLine]:
    told = [(one.at, _change(one), one.by, one.event) for one in found.changes]
    told += [_stop(one, "Batch recalled") for one in [found.recalled] if one is not None]
    told += [_stop(one, "Product withdrawn") for one in [found.withdrawn] if one is not None]
    for at, sentence, by, event in sorted(told, key=lambda line: line[0]):
        yield SaidLine(
            anchor=f"p{event.position}",
            sentence=sentence,
            iso=at,
            moment=_moment(at),
            by=names.organisation(by),
            claim=None,
            proof=proof_line(event, published),
        )


def _change(one: ChangeOut) -> str:
    if one.became is Became.MADE:
        return "Made"
    assert one.status is not None
    status = _STATUSES[one.status]
    return f"Inactive: {status}" if one.became is Became.INACTIVE else f"Active again: no longer {status}"


def _stop(one: StopOut, what: str) -> tuple[str, str, str, CitedOut]:
    return one.since, f"{what}: {one.reason}", one.by, one.event


def _moment(text: str) -> str:
    return f"{words.moment(microseconds(text))} UTC"
