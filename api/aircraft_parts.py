"""Aircraft parts as HTTP and the command line show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from api.aircraft_part_models import (
    CarriedOut,
    CertificateOut,
    CertifiedOut,
    CheckedOut,
    CheckOut,
    ComponentOut,
    ComponentsOut,
    InstallationOut,
    IrregularOut,
    LifeOut,
    LimitOut,
    PackOut,
    PartOut,
    ReleaseOut,
    StretchOut,
    TimesOut,
    UseOut,
)
from api.evaluations import CitedOut
from api.provenance import ask, hold_out, microseconds_of
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.identifiers import Identifier, Kind
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.aircraft_part.certificates import Certificate, Verdict, check
from traceability.supply_chain.aircraft_part.life import Life, Use
from traceability.supply_chain.aircraft_part.part import AircraftPart
from traceability.supply_chain.aircraft_part.reading import aircraft_part, components
from traceability.supply_chain.aircraft_part.terms import MEANINGS, Release, Stretch
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.seen import SeenEvent, thing_of


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


class _Read(NamedTuple):
    """A part as it was read, as of a time (µs UTC) and as known at a position."""

    part: AircraftPart
    cited: _Cited
    as_of: int | None
    known_at: int


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
    return _part_out(_read(engine, reader, identifier, as_of, known_at))


def describe_life(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> LifeOut:
    """Tell how much of its life a part has used; raises as `describe_part` does."""
    return _life_out(_read(engine, reader, identifier, as_of, known_at))


def describe_pack(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> PackOut:
    """Tell both; raises as `describe_part` does."""
    found = _read(engine, reader, identifier, as_of, known_at)
    return PackOut(**_part_out(found).model_dump(), life=_life_out(found))


def describe_certified(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> CertifiedOut:
    """Tell both, with all releases of the part; raises as `describe_part` does."""
    found = _read(engine, reader, identifier, as_of, known_at)
    recorded = found.part.certificates
    return CertifiedOut(
        **_part_out(found).model_dump(),
        life=_life_out(found),
        certificates=[
            CheckedOut(**_certificate(one, found.cited).model_dump(), verdict=check(recorded, one.said.document)[0])
            for one in recorded
        ],
    )


def describe_components(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: datetime | None = None,
    known_at: int | None = None,
) -> ComponentsOut:
    """Tell what is installed on an assembly or aircraft, directly or through others; raises as `describe_part` does."""
    at, assembly = None if as_of is None else microseconds_of(as_of), _serial(identifier)
    index = ask(engine, reader, known_at)
    found, events, complete = components(index, assembly, engine.parties(reader, index.known_at), at)
    cited = _Cited(events)
    return ComponentsOut(
        id=assembly,
        as_of=_time(at),
        known_at=index.known_at,
        complete=complete,
        components=[
            ComponentOut(
                id=one.part.part,
                on=one.on.parent,
                position=one.part.place,
                since=utc_text(one.on.opened_at),
                serviceable=not one.part.lacks,
                lacks=list(one.part.lacks),
                cycles=one.part.life.cycles,
                minutes=one.part.life.minutes,
                life_is_proven=one.part.life_is_proven,
                limits=_limits(one.part.life, cited),
                installed_by=cited.at(one.on.opened_by),
            )
            for one in found
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
        read = _read(engine, reader, identifier, None, known_at)
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
    found = read.part
    verdict, those = check(found.certificates, document, tracking_number)
    return CheckOut(
        id=found.part,
        known_at=read.known_at,
        document=document,
        verdict=verdict,
        holds=found.release is not None and found.release.said.document == document,
        certificates=[_certificate(one, read.cited) for one in those],
    )


def _read(
    engine: Engine, reader: Reader, identifier: Identifier, as_of: datetime | None, known_at: int | None
) -> _Read:
    at, part = None if as_of is None else microseconds_of(as_of), _serial(identifier)
    index = ask(engine, reader, known_at)
    found, events = aircraft_part(index, part, engine.parties(reader, index.known_at), at)
    return _Read(found, _Cited(events), at, index.known_at)


def _serial(identifier: Identifier) -> str:
    if identifier.kind in (Kind.LOT, Kind.CLASS):
        raise InvalidInputError(
            "An aircraft part is one thing", code="part.serial", hint="Name it with its serial number."
        )
    return thing_of(identifier.uri)


def _part_out(read: _Read) -> PartOut:
    found, cited = read.part, read.cited
    return PartOut(
        id=found.part,
        as_of=_time(read.as_of),
        known_at=read.known_at,
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


def _life_out(read: _Read) -> LifeOut:
    found, cited = read.part, read.cited
    own_cycles, own_minutes = found.life.on(None)
    return LifeOut(
        id=found.part,
        as_of=_time(read.as_of),
        known_at=read.known_at,
        cycles=found.life.cycles,
        minutes=found.life.minutes,
        proven=found.life_is_proven,
        limits=_limits(found.life, cited),
        installations=[_installation(found.life, one, cited) for one in found.installations],
        carried=[_carried(one, cited) for one in found.life.carried],
        own_cycles=own_cycles,
        own_minutes=own_minutes,
        uses=[_use(use, cited) for use in found.life.uses],
        unaccounted=[
            TimesOut(since=utc_text(one.first), until=utc_text(one.last + 1)) for one in found.life.unaccounted
        ],
    )


def _installation(life: Life, one: Interval, cited: _Cited) -> InstallationOut:
    cycles, minutes = life.on(one.opened_by)
    return InstallationOut(
        on=one.parent,
        since=utc_text(one.opened_at),
        until=_time(one.closed_at),
        cycles=cycles,
        minutes=minutes,
        installed_by=cited.at(one.opened_by),
        removed_by=cited.at(one.closed_by),
    )


def _carried(one: Interval, cited: _Cited) -> CarriedOut:
    return CarriedOut(
        thing=one.child,
        on=one.parent,
        since=utc_text(one.opened_at),
        until=_time(one.closed_at),
        installed_by=cited.at(one.opened_by),
        removed_by=cited.at(one.closed_by),
    )


def _use(use: Use, cited: _Cited) -> UseOut:
    return UseOut(
        thing=use.thing,
        since=utc_text(use.since),
        until=utc_text(use.until),
        cycles=use.cycles,
        minutes=use.minutes,
        straddles=use.straddles,
        event=cited.at(use.position),
    )


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


def _certificate(one: Certificate, cited: _Cited) -> CertificateOut:
    release = _release(Release(one.said, one.by, one.at, one.position), cited)
    return CertificateOut(**release.model_dump(), claim=one.claim)


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
