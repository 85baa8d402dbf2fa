"""The register as HTTP, the command line and pages state and show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from pydantic import BaseModel, Field, ValidationError

from api.receipts import Proof, receipt_address
from api.validation import sentence
from api.wiring import Engine
from traceability.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.ledger.register.register import MEANINGS, ClaimReason, Licence, LicenceStatus, Refusal, Register
from traceability.ledger.register.stated import Stated
from traceability.ledger.register.statements import REGISTRAR, STATEMENTS, RegisterStatement, RoleGiven, RuleSet
from traceability.ledger.store import AppendConflictError

PATH: Final = "/register"
KINDS: Final = {name.split(".")[1]: kind for name, kind in STATEMENTS.items()}
"""The kinds of statements by the word that people use: `licence_granted`."""

_ATTEMPTS: Final = 3
_TIME: Final = "2026-03-01T08:15:00.000000Z"


class StatementOut(BaseModel):
    """What somebody said: an event of the ledger. Nothing rests on one that is a `claim`."""

    type: str = Field(examples=["licence_granted"])
    said: dict[str, Any] = Field(examples=[{"organisation": "importer.example", "kind": "import", "number": "GZ-7"}])
    stated_by: str = Field(examples=["office.example"])
    stated_at: str = Field(examples=[_TIME])
    recorded_at: str = Field(examples=[_TIME])
    hidden: bool = Field(description="Whether it is for those alone whom it is about.")
    claim: ClaimReason | None = Field(description="Why nothing rests on it; null for what counts.")
    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class LicenceOut(BaseModel):
    """A licence as of a time, and what makes it so."""

    kind: str = Field(examples=["import"])
    number: str
    issuer: str
    actions: list[str] = Field(description="What it allows; empty: all that licences of its kind are needed for.")
    status: LicenceStatus
    since: str
    until: str | None
    evidence: str | None = Field(description="The SHA-256 of the document.")
    rests_on: list[StatementOut]


class OrganisationOut(BaseModel):
    """What the register says of an organisation as of a time, and every statement about it that you may see."""

    organisation: str
    as_of: str = Field(examples=[_TIME])
    known_at: int
    registration: StatementOut | None
    struck_off: bool = Field(description="Whether it was registered and is not any more.")
    licences: list[LicenceOut]
    prefixes: list[StatementOut]
    partners: list[StatementOut]
    keys: list[StatementOut]
    roles: list[StatementOut]
    statements: list[StatementOut]


class RulesOut(BaseModel):
    """What concerns everybody as of a time."""

    as_of: str = Field(examples=[_TIME])
    known_at: int
    rules: list[StatementOut]
    registrars: list[StatementOut]
    prefixes: list[StatementOut]


class RefusalOut(BaseModel):
    """Why an organisation may not do something, and what would help."""

    code: Refusal
    sentence: str
    remedy: str


class VerdictOut(BaseModel):
    """Whether an organisation may do something at a time, and the statements that decide it."""

    organisation: str
    action: str
    at: str = Field(examples=[_TIME])
    known_at: int
    partner: str | None
    authorised: bool
    refusal: RefusalOut | None
    rests_on: list[StatementOut]


class SaidOut(BaseModel):
    """What became of a statement: the event that makes it, `recorded` now or said before."""

    recorded: bool
    claim: bool = Field(description="Whether nothing rests on it, because you are no registrar.")
    position: int
    event_id: UUID
    receipt: str
    proof: Proof = None


@dataclass(frozen=True, slots=True)
class Said:
    """A statement in the ledger, `new` or said before; whether it is a mere claim."""

    position: int
    event_id: UUID
    new: bool
    claim: bool


def read_statement(kind: str, members: dict[str, Any], now: int) -> RegisterStatement:
    """Make a statement of a kind (`KINDS`) from what a person or program gave; it holds from `now` on unless it says.

    Raises `InvalidInputError` (`register.malformed`), which names the member.
    """
    if kind not in KINDS:
        raise InvalidInputError(
            "There is no such kind of statement", code="register.malformed", hint=f"Choose from: {', '.join(KINDS)}."
        )
    try:
        return KINDS[kind].model_validate({"since": now, **members})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "The statement"
        raise InvalidInputError(f"{where}: {sentence(first)}", code="register.malformed") from error


def state(engine: Engine, speaker: str, said: RegisterStatement, *, hidden: bool = False) -> Said:
    """Record what an organisation says; what counts already adds nothing.

    The operator may say everything, a registrar all but rules and registrars, anybody else only what is about itself:
    that is a claim, but for whom it trades with. Raises `ForbiddenError` (`register.not_operator`,
    `register.not_registrar`), `NotFoundError` (`access.unknown_organisation`), `InvalidInputError` (`register.public`),
    and `ConflictError` (`register.conflict`) when others state the same again and again meanwhile.
    """
    now = engine.clock.now_us()
    _check_right(engine, speaker, said, now)
    for name in said.about:
        engine.organisations.get(name)
    ledger, reader = engine.ledger_of(speaker), engine.organisations.reader(speaker)
    query = DCBQuery(items=[DCBQueryItem(types=list(STATEMENTS), tags=[said.tags[-1]])])
    for _ in range(_ATTEMPTS):
        head = ledger.head()
        register = engine.register.about(said.about, reader, head) if said.about else engine.register.for_all(head)
        before = _said_before(register, speaker, said)
        if before is not None and (before.said, before.hidden) == (said, hidden):
            claim = any(one.stated is before for one in register.claims)
            return Said(before.position, before.event_id, new=False, claim=claim)
        # After what it replaces, whatever the clock of whoever stated that.
        stated_at = now if before is None else max(now, before.stated_at + 1)
        event = said.event(captured_by=speaker, stated_at=stated_at, hidden=hidden)
        try:
            position = ledger.append([event], DCBAppendCondition(query, after=head))
        except AppendConflictError:
            continue
        (record,) = ledger.records([position])
        assert record.event.event_id is not None
        register = engine.register.about(said.about, reader) if said.about else engine.register.for_all()
        claim = any(one.stated.position == position for one in register.claims)
        return Said(position, record.event.event_id, new=True, claim=claim)
    raise ConflictError("The same is being stated elsewhere", code="register.conflict")


def _check_right(engine: Engine, speaker: str, said: RegisterStatement, now: int) -> None:
    # Before anything is looked up: the answer must not tell which organisations there are.
    if speaker == engine.settings.operator:
        return
    if isinstance(said, RuleSet) or (isinstance(said, RoleGiven) and said.role == REGISTRAR):
        raise ForbiddenError("Only the operator's organisation may state this", code="register.not_operator")
    if said.about[0] != speaker and not engine.register.for_all().is_registrar(speaker, now):
        raise ForbiddenError(
            "Only a registrar says something of other organisations",
            code="register.not_registrar",
            hint="The operator makes one with: traceability register role ORGANISATION registrar",
        )


def _said_before(register: Register, speaker: str, said: RegisterStatement) -> Stated | None:
    """Return what counts now of a subject from the same beginning; of claims the last of the speaker's own."""
    counting = register.said(said.subject, said.since)
    own = [
        claim.stated
        for claim in register.claims
        if claim.stated.stated_by == speaker
        and (claim.stated.said.subject, claim.stated.said.since) == (said.subject, said.since)
    ]
    return counting if counting is not None or not own else own[-1]


def describe_organisation(
    engine: Engine, reader: Reader, organisation: str, *, as_of: int | None = None, known_at: int | None = None
) -> OrganisationOut:
    """Tell what the register says of an organisation at a time (µs UTC), now where None.

    Raises `NotFoundError` (`register.unknown`) when the reader may see nothing.
    """
    at, known_at = _times(engine, as_of, known_at)
    register = engine.register.about([organisation], reader, known_at)
    told: list[tuple[Stated, ClaimReason | None]] = [(one, None) for one in register.statements]
    told += [(claim.stated, claim.reason) for claim in register.claims]
    own = sorted((one for one in told if organisation in one[0].said.about), key=lambda one: one[0].position)
    if not own:
        raise NotFoundError(
            "The register says nothing of this organisation", code="register.unknown", hint="Or nothing for you."
        )
    registration = register.registration(organisation, at)

    def of_kind(kind: str) -> list[StatementOut]:
        return [statement_out(one) for one in register.of_kind(kind, at) if organisation in one.said.about]

    return OrganisationOut(
        organisation=organisation,
        as_of=utc_text(at),
        known_at=known_at,
        registration=None if registration is None else statement_out(registration),
        struck_off=registration is None and register.was_registered(organisation, at),
        licences=[_licence(one) for one in register.licences(organisation, at)],
        prefixes=of_kind("prefix"),
        partners=of_kind("partner"),
        keys=of_kind("key"),
        roles=of_kind("role"),
        statements=[statement_out(*one) for one in own],
    )


def describe_rules(engine: Engine, *, as_of: int | None = None, known_at: int | None = None) -> RulesOut:
    """Tell the rules, the registrars and the company prefixes at a time."""
    at, known_at = _times(engine, as_of, known_at)
    register = engine.register.for_all(known_at)
    rules, registrars, prefixes = (
        [statement_out(one) for one in register.of_kind(kind, at)] for kind in ("rule", "role", "prefix")
    )
    return RulesOut(as_of=utc_text(at), known_at=known_at, rules=rules, registrars=registrars, prefixes=prefixes)


def judge(
    engine: Engine,
    reader: Reader,
    organisation: str,
    action: str,
    *,
    at: int | None = None,
    partner: str | None = None,
    known_at: int | None = None,
) -> VerdictOut:
    """Tell whether an organisation may do something at a time (µs UTC), by what the reader may see."""
    at, known_at = _times(engine, at, known_at)
    verdict = engine.register.about([organisation], reader, known_at).authorised(organisation, action, at, partner)
    refusal = verdict.refusal
    return VerdictOut(
        organisation=organisation,
        action=action,
        at=utc_text(at),
        known_at=known_at,
        partner=partner,
        authorised=verdict.authorised,
        refusal=None if refusal is None else RefusalOut(code=refusal, **MEANINGS[refusal]._asdict()),
        rests_on=[statement_out(one) for one in verdict.rests_on],
    )


def statement_out(stated: Stated, claim: ClaimReason | None = None) -> StatementOut:
    """Return a statement as an answer has it."""
    return StatementOut(
        type=stated.said.type_name.split(".")[1],
        said=stated.said.model_dump(mode="json", exclude_none=True),
        stated_by=stated.stated_by,
        stated_at=utc_text(stated.stated_at),
        recorded_at=utc_text(stated.recorded_at),
        hidden=stated.hidden,
        claim=claim,
        position=stated.position,
        event_id=stated.event_id,
        receipt=receipt_address(stated.event_id),
    )


def _licence(licence: Licence) -> LicenceOut:
    granted = licence.granted
    return LicenceOut(
        kind=granted.kind,
        number=granted.number,
        issuer=granted.issuer,
        actions=list(granted.actions),
        status=licence.status,
        since=utc_text(granted.since),
        until=None if granted.until is None else utc_text(granted.until),
        evidence=granted.evidence,
        rests_on=[statement_out(one) for one in licence.rests_on],
    )


def _times(engine: Engine, as_of: int | None, known_at: int | None) -> tuple[int, int]:
    head = engine.ledger.head()
    at = engine.clock.now_us() if as_of is None else as_of
    return at, head if known_at is None else min(known_at, head)
