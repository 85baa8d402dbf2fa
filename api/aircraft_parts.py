"""Aircraft parts as HTTP and the command line show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import BaseModel, Field

from api.evaluations import CitedOut
from api.provenance import ask, hold_out, microseconds_of
from api.provenance_models import HoldOut, Time
from api.published import receipt_address
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.identifiers import Identifier, Kind
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.ledger.findings import Severity
from traceability.supply_chain.aircraft_part.certificates import Verdict, check
from traceability.supply_chain.aircraft_part.events import ReleaseStatus
from traceability.supply_chain.aircraft_part.life import Life
from traceability.supply_chain.aircraft_part.part import AircraftPart
from traceability.supply_chain.aircraft_part.reading import aircraft_part
from traceability.supply_chain.aircraft_part.terms import (
    MEANINGS,
    Code,
    Gap,
    Lack,
    Release,
    Stage,
    Stretch,
    Where,
)
from traceability.supply_chain.entry import ClaimReason
from traceability.supply_chain.seen import SeenEvent, thing_of

_PUMP: Final = "https://id.gs1.org/01/09521301007013/21/KF-20417"
_ENGINE: Final = "https://id.gs1.org/8004/9521302ENG-61044"


class ReleaseOut(BaseModel):
    """The certificate under which the part may be installed, or was."""

    form: str = Field(examples=["EASA Form 1"])
    tracking_number: str
    status: ReleaseStatus
    approval: str
    document: str = Field(description="SHA-256 of the certificate.")
    recorded_by: str = Field(examples=["maker.example"])
    at: Time
    event: CitedOut | None


class StretchOut(BaseModel):
    """A part of the life, from `since` until before `until`: null where no beginning is known, or no end."""

    where: Where
    since: Time | None
    until: Time | None
    on: str | None = Field(examples=[_ENGINE])
    position: str | None = Field(description="Where on the assembly.", examples=["left"])
    documents: list[CitedOut] = Field(description="The events that account for it.")
    gap: Gap | None = Field(description="What it lacks; null for what is documented.")


class IrregularOut(BaseModel):
    """An event that breaks a rule, and what it goes against, where that is an event."""

    code: Code
    severity: Severity
    rule: str
    event: CitedOut | None
    against: CitedOut | None


class LimitOut(BaseModel):
    """A life limit, and what is left under it; below zero it was exceeded."""

    limit: str = Field(examples=["thrust 27k"])
    cycles: int | None
    minutes: int | None
    source: str
    cycles_left: int | None
    minutes_left: int | None
    event: CitedOut | None


class InstallationOut(BaseModel):
    """A time on an assembly, and what the part flew in it."""

    on: str = Field(examples=[_ENGINE])
    since: Time
    until: Time | None
    cycles: int
    minutes: int
    installed_by: CitedOut | None
    removed_by: CitedOut | None


class UseOut(BaseModel):
    """A statement of utilisation that counts for the part; `straddles` when it tells of more time than it was there."""

    thing: str = Field(examples=[_ENGINE])
    since: Time
    until: Time
    cycles: int
    minutes: int
    straddles: bool
    event: CitedOut | None


class TimesOut(BaseModel):
    """A time from `since` until before `until`."""

    since: Time
    until: Time


class LifeOut(BaseModel):
    """How much of its life a part has used: installation by installation, and statement by statement."""

    id: str = Field(examples=[_PUMP])
    as_of: Time | None
    known_at: int
    cycles: int
    minutes: int = Field(description="Minutes of flight.")
    proven: bool = Field(description="Whether all of it is known, from its birth on.")
    limits: list[LimitOut]
    installations: list[InstallationOut]
    own_cycles: int = Field(description="Of these cycles, those stated of the part itself.")
    own_minutes: int
    uses: list[UseOut]
    unaccounted: list[TimesOut] = Field(description="Installed time of which nobody tells how much was flown.")


class PartOut(BaseModel):
    """An aircraft part as you see it."""

    id: str = Field(examples=[_PUMP])
    as_of: Time | None
    known_at: int
    stage: Stage
    serviceable: bool
    lacks: list[Lack] = Field(description="Why it is not serviceable.")
    release: ReleaseOut | None
    installed_on: list[str] = Field(examples=[[_ENGINE]])
    position: str | None = Field(examples=["left"])
    removed_because: str | None = Field(examples=["fuel leak"])
    cycles: int
    minutes: int
    life_is_proven: bool
    limits: list[LimitOut]
    holds: list[HoldOut]
    back_to_birth: list[StretchOut] = Field(description="The whole life, without holes between its stretches.")
    irregularities: list[IrregularOut]


class CertificateOut(ReleaseOut):
    """A release of the part that was recorded; `claim` is why it counts for nothing, null for what counts."""

    claim: ClaimReason | None


class CheckOut(BaseModel):
    """What is to be thought of a certificate that somebody shows, and the releases that say so.

    `holds` tells whether it is the release under which the part may be installed, or is.
    """

    id: str = Field(examples=[_PUMP])
    known_at: int
    document: str
    verdict: Verdict
    holds: bool
    certificates: list[CertificateOut]


class _Cited(NamedTuple):
    """The events that an answer tells of."""

    events: Mapping[int, SeenEvent]

    def at(self, position: int | None) -> CitedOut | None:
        event = None if position is None else self.events.get(position)
        if event is None:
            return None
        return CitedOut(position=event.position, event_id=event.event_id, receipt=receipt_address(event.event_id))

    def all(self, positions: Iterable[int]) -> list[CitedOut]:
        return [cited for position in positions if (cited := self.at(position)) is not None]


def describe_part(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> PartOut:
    """Tell all about a part; raises `NotFoundError` when the reader may see nothing of it.

    Raises `InvalidInputError`: `part.serial` for what is not one thing, `provenance.as_of`, `provenance.known_at`.
    """
    found, cited, known = _read(engine, reader, identifier, as_of, known_at)
    return PartOut(
        id=found.part,
        as_of=_time(None if as_of is None else microseconds_of(as_of)),
        known_at=known,
        stage=found.stage,
        serviceable=not found.lacks,
        lacks=list(found.lacks),
        release=None if found.release is None else _release(found.release, cited),
        installed_on=[one.parent for one in found.installed_on],
        position=found.place,
        removed_because=found.removed_because,
        cycles=found.life.cycles,
        minutes=found.life.minutes,
        life_is_proven=found.life_is_proven,
        limits=_limits(found.life, cited),
        holds=[hold_out(hold) for hold in found.holds],
        back_to_birth=[_stretch(one, cited) for one in found.stretches],
        irregularities=[
            IrregularOut(
                code=one.code,
                severity=MEANINGS[one.code][1],
                rule=MEANINGS[one.code][0],
                event=cited.at(one.position),
                against=cited.at(one.against),
            )
            for one in found.irregularities
        ],
    )


def describe_life(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> LifeOut:
    """Tell how much of its life a part has used; raises as `describe_part` does."""
    found, cited, known = _read(engine, reader, identifier, as_of, known_at)
    own_cycles, own_minutes = found.life.on(None)
    installations = []
    for one in found.installations:
        cycles, minutes = found.life.on(one.opened_by)
        installations.append(
            InstallationOut(
                on=one.parent,
                since=utc_text(one.opened_at),
                until=_time(one.closed_at),
                cycles=cycles,
                minutes=minutes,
                installed_by=cited.at(one.opened_by),
                removed_by=cited.at(one.closed_by),
            )
        )
    return LifeOut(
        id=found.part,
        as_of=_time(None if as_of is None else microseconds_of(as_of)),
        known_at=known,
        cycles=found.life.cycles,
        minutes=found.life.minutes,
        proven=found.life_is_proven,
        limits=_limits(found.life, cited),
        installations=installations,
        own_cycles=own_cycles,
        own_minutes=own_minutes,
        uses=[
            UseOut(
                thing=use.thing,
                since=utc_text(use.since),
                until=utc_text(use.until),
                cycles=use.cycles,
                minutes=use.minutes,
                straddles=use.straddles,
                event=cited.at(use.position),
            )
            for use in found.life.uses
        ],
        unaccounted=[
            TimesOut(since=utc_text(one.first), until=utc_text(one.last + 1)) for one in found.life.unaccounted
        ],
    )


def check_certificate(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    document: str,
    *,
    tracking_number: str | None = None,
    known_at: int | None = None,
) -> CheckOut:
    """Tell whether a certificate with this SHA-256 is one that was recorded for a part; raises as `describe_part` does.

    Of a part that is not seen there is no record.
    """
    try:
        found, cited, known = _read(engine, reader, identifier, None, known_at)
    except NotFoundError:
        head = ask(engine, reader, known_at).known_at
        return CheckOut(
            id=thing_of(identifier.uri),
            known_at=head,
            document=document,
            verdict=Verdict.NO_RECORD,
            holds=False,
            certificates=[],
        )
    verdict, those = check(found.certificates, document, tracking_number)
    return CheckOut(
        id=found.part,
        known_at=known,
        document=document,
        verdict=verdict,
        holds=found.release is not None and found.release.said.document == document,
        certificates=[
            CertificateOut(
                **_release(Release(one.said, one.by, one.at, one.position), cited).model_dump(), claim=one.claim
            )
            for one in those
        ],
    )


def _read(
    engine: Engine, reader: Reader, identifier: Identifier, as_of: datetime | None, known_at: int | None
) -> tuple[AircraftPart, _Cited, int]:
    if identifier.kind in (Kind.LOT, Kind.CLASS):
        raise InvalidInputError(
            "An aircraft part is one thing", code="part.serial", hint="Name it with its serial number."
        )
    index = ask(engine, reader, known_at)
    at = None if as_of is None else microseconds_of(as_of)
    found, events = aircraft_part(index, thing_of(identifier.uri), engine.parties(reader, index.known_at), at)
    return found, _Cited(events), index.known_at


def _release(release: Release, cited: _Cited) -> ReleaseOut:
    said = release.said
    return ReleaseOut(
        form=said.form,
        tracking_number=said.tracking_number,
        status=said.status,
        approval=said.approval,
        document=said.document,
        recorded_by=release.by,
        at=utc_text(release.at),
        event=cited.at(release.position),
    )


def _limits(life: Life, cited: _Cited) -> list[LimitOut]:
    return [
        LimitOut(
            limit=one.limit,
            cycles=one.cycles,
            minutes=one.minutes,
            source=one.source,
            cycles_left=one.cycles_left,
            minutes_left=one.minutes_left,
            event=cited.at(one.position),
        )
        for one in life.limits
    ]


def _stretch(one: Stretch, cited: _Cited) -> StretchOut:
    return StretchOut(
        where=one.where,
        since=_time(one.since),
        until=_time(one.until),
        on=one.on,
        position=one.place,
        documents=cited.all(one.documents),
        gap=one.gap,
    )


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else utc_text(microseconds)
