"""The page of an aircraft part: whether it is serviceable and why not, what life is left, its life back to birth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from api.aircraft_part_models import CarriedOut, CertifiedOut, CheckedOut, IrregularOut, LimitOut, StretchOut
from api.aircraft_parts import describe_certified
from api.evaluations import CitedOut
from api.provenance import published_trees
from api.security import Caller
from api.web import words
from api.web.names import Names, path_of, short_number
from api.web.page import Detail, Named
from api.web.rendering import render
from api.web.said import ProofLine, proof_line
from api.web.sign_in import AIRCRAFT_PARTS, PAGE_HEADERS, page_for, reader_of_page
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.gs1.identifiers import Identifier
from traceability.ledger.event import microseconds
from traceability.supply_chain.aircraft_part.certificates import Verdict
from traceability.supply_chain.aircraft_part.terms import Gap, Lack

_LACKS: Final[Mapping[Lack, str]] = {
    Lack.NOT_RELEASED: "No release holds: it was not released since it was made, removed or worked on",
    Lack.GAP: "Part of its life is not documented",
    Lack.SUSPECTED: "It is suspected to be unapproved",
    Lack.HELD: "It is on hold",
    Lack.LIFE_EXPIRED: "A life limit is reached",
    Lack.OVER: "Its life is over",
}
_GAPS: Final[Mapping[Gap, str]] = {
    Gap.NO_BIRTH: "it is not seen who made it, and when",
    Gap.NO_RELEASE: "installed without a release",
    Gap.NO_INSTALLATION: "removed from where nobody is seen to have installed it",
    Gap.NO_UTILISATION: "nobody tells how much it flew in all of this time",
}
_VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.RECORDED: "recorded by who may release the part",
    Verdict.CLAIMED: "a claim: ask the organisation on the paper",
    Verdict.ANOTHER_DOCUMENT: "another document has this number",
    Verdict.NO_RECORD: "no record",
}
_MOST_CARRIED: Final = 20
"""Assemblies in a chain; one that is installed in itself ends there."""


@dataclass(frozen=True, slots=True)
class LimitLine:
    """A row of the life limits."""

    name: str
    limit: str
    left: str
    source: str
    reached: bool


@dataclass(frozen=True, slots=True)
class StretchLine:
    """A row of the life back to birth."""

    since: str
    until: str
    where: str
    on: Named | None
    position: str
    proofs: tuple[ProofLine, ...]
    gap: str | None


@dataclass(frozen=True, slots=True)
class CertificateLine:
    """A row of the releases."""

    at: str
    form: str
    status: str
    approval: str
    by: str
    verdict: str
    claim: bool
    holds: bool
    proof: ProofLine | None


@dataclass(frozen=True, slots=True)
class IrregularLine:
    """What recorded events break, in a sentence."""

    severity: str
    rule: str
    proofs: tuple[ProofLine, ...]


def aircraft_part_page(
    engine: Engine,
    request: Request,
    visitor: Caller | None,
    identifier: Identifier,
    *,
    as_of: datetime | None,
    known_at: int | None,
) -> Response:
    """Answer one part, or ask a stranger who sees nothing of it for a key."""
    reader = reader_of_page(engine, visitor)
    try:
        found = describe_certified(engine, reader, identifier, as_of=as_of, known_at=known_at)
    except NotFoundError:
        if visitor is not None:
            raise
        return page_for(request, None, AIRCRAFT_PARTS, lambda _: Response())
    names, published = Names(engine.organisations.all()), published_trees(engine).published
    number = short_number(found.id)
    shown = render(
        "aircraft_part.html",
        organisation=None if visitor is None else visitor.organisation,
        found=found,
        title=f"{number[:1].upper()}{number[1:]}",
        lacks=[_LACKS[lack] for lack in found.lacks],
        known=_known(found),
        holds=[f"On hold, {one.kind}: {one.reason} (by {names.organisation(one.placed_by)})" for one in found.holds],
        facts=list(_facts(found)),
        chain=[names.thing(uri) for uri in _chain(found)],
        limits=[_limit(one) for one in found.limits],
        stretches=[_stretch(one, names, published) for one in found.back_to_birth],
        gaps=sum(one.gap is not None for one in found.back_to_birth),
        certificates=[_certificate(one, found, names, published) for one in found.certificates],
        irregularities=[_irregular(one, published) for one in found.irregularities],
        item=path_of(found.id),
        address=f"{AIRCRAFT_PARTS.path}{path_of(found.id)}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def _known(found: CertifiedOut) -> str:
    at = "" if found.as_of is None else f"on {_moment(found.as_of)}, "
    return f"{at}as known at position {found.known_at} of the ledger"


def _facts(found: CertifiedOut) -> Iterator[Detail]:
    yield Detail("Stage", words.opened(found.stage.value))
    if found.position is not None:
        yield Detail("Position", found.position)
    if found.removed_because is not None:
        yield Detail("Removed because", words.opened(found.removed_because))
    proven = "" if found.life_is_proven else ", at least: not all of its life is known"
    yield Detail("Life used", f"{found.cycles} cycles, {_flown(found.minutes)}{proven}")


def _chain(found: CertifiedOut) -> list[str]:
    """Return what it is installed on, and that on, up to the airframe."""
    chain = list(found.installed_on[:1])
    while chain and len(chain) < _MOST_CARRIED:
        following = _carrier(found.life.carried, chain[-1])
        if following is None or following in chain:
            break
        chain.append(following)
    return chain


def _carrier(carried: Iterable[CarriedOut], thing: str) -> str | None:
    return next((one.on for one in carried if one.thing == thing and one.until is None), None)


def _limit(one: LimitOut) -> LimitLine:
    lefts = (one.cycles_left, one.minutes_left)
    return LimitLine(
        name=one.limit,
        limit=_counts(one.cycles, one.minutes),
        left=_counts(*lefts),
        source=one.source,
        reached=any(left is not None and left <= 0 for left in lefts),
    )


def _counts(cycles: int | None, minutes: int | None) -> str:
    told = [*([] if cycles is None else [f"{cycles} cycles"]), *([] if minutes is None else [_flown(minutes)])]
    return ", ".join(told)


def _flown(minutes: int) -> str:
    sign, whole = "-" if minutes < 0 else "", abs(minutes)
    return f"{sign}{whole // 60}:{whole % 60:02} flight hours"


def _stretch(one: StretchOut, names: Names, published: int) -> StretchLine:
    return StretchLine(
        since="not known" if one.since is None else _moment(one.since),
        until="present" if one.until is None else _moment(one.until),
        where=words.opened(one.where.value),
        on=None if one.on is None else names.thing(one.on),
        position=one.position or "",
        proofs=_proofs(one.documents, published),
        gap=None if one.gap is None else _GAPS[one.gap],
    )


def _certificate(one: CheckedOut, found: CertifiedOut, names: Names, published: int) -> CertificateLine:
    proofs = _proofs([one.event] if one.event else [], published)
    return CertificateLine(
        at=_moment(one.at),
        form=f"{one.form} {one.tracking_number}",
        status=words.opened(one.status.value),
        approval=one.approval,
        by=names.organisation(one.recorded_by),
        verdict=_VERDICTS[one.verdict],
        claim=one.claim is not None,
        holds=found.release is not None and found.release.event == one.event,
        proof=next(iter(proofs), None),
    )


def _irregular(one: IrregularOut, published: int) -> IrregularLine:
    return IrregularLine(one.severity, one.rule, _proofs([e for e in (one.event, one.against) if e], published))


def _proofs(events: Iterable[CitedOut], published: int) -> tuple[ProofLine, ...]:
    return tuple(proof_line(event, published) for event in events)


def _moment(text: str) -> str:
    return f"{words.moment(microseconds(text))} UTC"
