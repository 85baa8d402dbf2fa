"""The page of an organisation in the register: who it is, what it may do, and the receipt of each statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import HTMLResponse

from api.provenance import published_trees
from api.register import PATH, LicenceOut, OrganisationOut, StatementOut
from api.web.page import Detail
from api.web.rendering import render
from api.web.said import ProofLine, proof_line
from api.wiring import Engine
from traceability.ledger.register.register import ClaimReason, LicenceStatus

_STATES: Final = {
    LicenceStatus.IN_FORCE: "in force",
    LicenceStatus.SUSPENDED: "suspended",
    LicenceStatus.EXPIRED: "expired",
    LicenceStatus.NOT_YET_VALID: "not yet valid",
    LicenceStatus.REVOKED: "revoked",
}
_SAID: Final = {
    "organisation_registered": "Registered as {legal_name}",
    "licence_granted": "Licence {kind} {number} granted by {issuer}",
    "licence_suspended": "Licence {kind} {number} suspended: {reason}",
    "licence_reinstated": "Licence {kind} {number} reinstated",
    "licence_revoked": "Licence {kind} {number} revoked: {reason}",
    "prefix_held": "GS1 company prefix {prefix} held by {organisation}",
    "partner_authorised": "{partner} is a trading partner of {organisation}",
    "key_bound": "Signs with the {algorithm} key {public_key}",
    "role_given": "Has the role {role}",
}
_CLAIMS: Final = {
    ClaimReason.NOT_OPERATOR: "Only the operator of the ledger says this.",
    ClaimReason.NOT_REGISTRAR: "Whoever said it is no registrar: nothing rests on it.",
}


@dataclass(frozen=True, slots=True)
class LicenceLine:
    """A licence in the table; `alarming` when it allows nothing that it might be taken to allow."""

    name: str
    issuer: str
    allows: str
    state: str
    alarming: bool
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A statement in the history; `verify` is None while no signed tree holds it."""

    anchor: str
    sentence: str
    holds: str
    iso: str
    stated: str
    by: str
    claim: str | None
    hidden: bool
    proof: ProofLine


def register_page(engine: Engine, shown: OrganisationOut) -> HTMLResponse:
    """Lay out what the register says of an organisation."""
    published = published_trees(engine).published
    said: dict[str, Any] = {} if shown.registration is None else shown.registration.said
    page = render(
        "register.html",
        organisation=shown.organisation,
        title=said.get("legal_name", shown.organisation),
        state=_state(shown),
        warn=shown.struck_off or (shown.registration is None),
        facts=list(_facts(shown, said)),
        licences=[_licence(one) for one in shown.licences],
        statements=[_line(one, published) for one in shown.statements],
        as_of=_moment(shown.as_of),
        known_at=shown.known_at,
        address=f"{PATH}/{shown.organisation}",
    )
    return HTMLResponse(page)


def _state(shown: OrganisationOut) -> str:
    if shown.struck_off:
        return "Struck off: its registration has ended."
    if shown.registration is None:
        return "Nobody who may has registered this organisation."
    return f"Registered, says {shown.registration.stated_by}."


def _facts(shown: OrganisationOut, said: dict[str, Any]) -> Iterable[Detail]:
    yield Detail("In this ledger", shown.organisation)
    for identifier in said.get("identifiers", ()):
        yield Detail(identifier["scheme"].upper(), identifier["value"])
    if "office" in said:
        yield Detail("Register office", said["office"])
    for label, statements, member in (
        ("GS1 company prefix", shown.prefixes, "prefix"),
        ("Role", shown.roles, "role"),
        ("Trading partner", shown.partners, "partner"),
        ("Signing key", shown.keys, "public_key"),
    ):
        for one in statements:
            value = one.said[member]
            # Of a partnership each side has its own page.
            yield Detail(label, one.said["organisation"] if value == shown.organisation else value)


def _licence(licence: LicenceOut) -> LicenceLine:
    return LicenceLine(
        name=f"{licence.kind} {licence.number}",
        issuer=licence.issuer,
        allows=", ".join(licence.actions) or "all that it is needed for",
        state=_STATES[licence.status],
        alarming=licence.status is not LicenceStatus.IN_FORCE,
        since=_moment(licence.since),
        until="" if licence.until is None else _moment(licence.until),
    )


def _line(stated: StatementOut, published: int) -> StatementLine:
    said = stated.said
    until = said.get("until")
    holds = f"from {_moment(said['since'])}" + ("" if until is None else f" until {_moment(until)}")
    return StatementLine(
        anchor=f"p{stated.position}",
        sentence=_SAID[stated.type].format_map(said),
        holds="withdrawn" if until == said["since"] else holds,
        iso=stated.stated_at,
        stated=_moment(stated.stated_at),
        by=stated.stated_by,
        claim=None if stated.claim is None else _CLAIMS[stated.claim],
        hidden=stated.hidden,
        proof=proof_line(stated, published),
    )


def _moment(utc: str) -> str:
    return f"{utc[:10]} {utc[11:16]} UTC"
