"""Packages of medicines as HTTP and the command line show and verify them."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.codes import read_code
from api.provenance import ask, microseconds_of
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.identifiers import Identifier, Kind
from traceability.gs1.links import link_of
from traceability.gs1.reading import read_value
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.days import read_day
from traceability.supply_chain.drug_package.events import Inactive
from traceability.supply_chain.drug_package.package import MEANINGS, Alert, Became, DrugPackage, Stop
from traceability.supply_chain.drug_package.reading import drug_package
from traceability.supply_chain.seen import SeenEvent, thing_of

PATH: Final = "/drug-packages"
_TIME: Final = "2026-03-01T08:15:00.000000Z"
_LOT_AI, _EXPIRY_AI = "10", "17"
_Code = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class Finding(StrEnum):
    """What verification finds, in the order in which it is looked for."""

    PACK_NOT_FOUND = "pack_not_found"
    BATCH_NOT_FOUND = "batch_not_found"
    BATCH_MISMATCH = "batch_mismatch"
    EXPIRY_MISMATCH = "expiry_mismatch"
    INACTIVE = "inactive"
    RECALLED = "recalled"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class VerifyIn(BaseModel):
    """What stands on a pack: its whole `code` as scanned, or `gtin` and `serial`, with `lot` and `expiry` if told."""

    model_config = ConfigDict(extra="forbid")

    code: _Code | None = Field(default=None, examples=["(01)09521201003016(21)AB7K0003(10)VX4417(17)270300"])
    gtin: str | None = Field(default=None, pattern="^[0-9]{8,14}$", examples=[None])
    serial: str | None = Field(default=None, min_length=1, max_length=20, examples=[None])
    lot: str | None = Field(default=None, min_length=1, max_length=20, examples=[None])
    expiry: str | None = Field(
        default=None, pattern="^([0-9]{6}|[0-9]{4}-[0-9]{2}-[0-9]{2})$", description="YYMMDD.", examples=[None]
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.code is None) == (self.gtin is None) or (self.gtin is None) != (self.serial is None):
            raise ValueError("give the code, or gtin and serial")
        return self


class CitedOut(BaseModel):
    """An event, and where its receipt is."""

    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class InactiveOut(BaseModel):
    """Why a pack is not to be dispensed."""

    status: Inactive
    since: str = Field(examples=[_TIME])
    by: str = Field(examples=["pharmacy.example"])
    event: CitedOut


class StopOut(BaseModel):
    """What stops a batch or product."""

    since: str = Field(examples=[_TIME])
    by: str
    reason: str
    event: CitedOut


class AlarmOut(BaseModel):
    """Something that was said of a pack and is wrong; it changed nothing."""

    alert: Alert
    rule: str
    event: CitedOut
    against: CitedOut | None


class ChangeOut(BaseModel):
    """What a pack became, and by whom; `status` tells how it is inactive, or was until then."""

    became: Became
    status: Inactive | None
    at: str = Field(examples=[_TIME])
    by: str = Field(examples=["pharmacy.example"])
    event: CitedOut


class PackOut(BaseModel):
    """A pack as of a time and as known at a position, by the events that you may see."""

    id: str = Field(examples=["https://id.gs1.org/01/09521201003016/21/AB7K0003"])
    as_of: str = Field(examples=[_TIME])
    known_at: int
    may_be_dispensed: bool
    made: bool = Field(description="Whether it is seen to have been made.")
    lot: str | None
    expiry: date | None
    expired: bool
    inactive: InactiveOut | None
    recalled: StopOut | None
    withdrawn: StopOut | None
    changes: list[ChangeOut] = Field(description="How its status changed, in the order of time.")
    alerts: list[AlarmOut]


class VerifiedOut(BaseModel):
    """Whether a pack with this on it may be dispensed, and what speaks against it."""

    verified: bool
    findings: list[Finding]
    pack: PackOut | None


def describe_pack(
    engine: Engine,
    reader: Reader,
    identifier: Identifier,
    *,
    as_of: AwareDatetime | None = None,
    known_at: int | None = None,
) -> PackOut:
    """Tell all about a pack; raises `NotFoundError` when the reader may see nothing of it.

    Raises `InvalidInputError` (`drug.serial`) for what is no single pack.
    """
    _check_serial(identifier)
    index = ask(engine, reader, known_at)
    at = None if as_of is None else microseconds_of(as_of)
    found, events = drug_package(index, thing_of(identifier.uri), engine.parties(reader, index.known_at), at)
    return _pack_out(found, events, engine.clock.now_us() if at is None else at, index.known_at)


def verify(engine: Engine, reader: Reader, asked: VerifyIn) -> VerifiedOut:
    """Verify what stands on a pack; raises `IdentifierError`, and `InvalidInputError` as `describe_pack` does."""
    identifier, lot, expiry = _read(asked)
    thing = thing_of(identifier.uri)
    lot_uri = None if lot is None or identifier.gtin is None else _link(identifier.gtin, _LOT_AI, lot)
    try:
        pack = describe_pack(engine, reader, identifier)
    except NotFoundError:
        index = ask(engine, reader)
        known = lot_uri is None or bool(index.known([thing_of(lot_uri)]))
        findings = [Finding.PACK_NOT_FOUND, *([] if known else [Finding.BATCH_NOT_FOUND])]
        return VerifiedOut(verified=False, findings=findings, pack=None)
    assert pack.id == thing
    lot_differs = lot_uri is not None and pack.lot is not None and thing_of(lot_uri) != pack.lot
    expiry_differs = expiry is not None and pack.expiry is not None and read_day(expiry) != pack.expiry
    findings = findings_of(pack, lot_differs=lot_differs, expiry_differs=expiry_differs)
    return VerifiedOut(verified=not findings, findings=findings, pack=pack)


def findings_of(pack: PackOut, *, lot_differs: bool = False, expiry_differs: bool = False) -> list[Finding]:
    """Tell what verification answers of a pack that was found."""
    told = {
        Finding.PACK_NOT_FOUND: not pack.made,
        Finding.BATCH_MISMATCH: lot_differs,
        Finding.EXPIRY_MISMATCH: expiry_differs,
        Finding.INACTIVE: pack.inactive is not None,
        Finding.RECALLED: pack.recalled is not None,
        Finding.WITHDRAWN: pack.withdrawn is not None,
        Finding.EXPIRED: pack.expired,
    }
    return [finding for finding, holds in told.items() if holds]


def _check_serial(identifier: Identifier) -> None:
    if identifier.kind is not Kind.ITEM:
        raise InvalidInputError(
            "This is no single pack", code="drug.serial", hint="Give the GTIN and the serial of the pack."
        )


def _read(asked: VerifyIn) -> tuple[Identifier, str | None, str | None]:
    if asked.code is None:
        assert asked.gtin is not None
        assert asked.serial is not None
        return read_code(_link(asked.gtin.zfill(14), "21", asked.serial)), asked.lot, asked.expiry
    ais = dict(read_value(asked.code).ais)
    return read_code(asked.code), asked.lot or ais.get(_LOT_AI), asked.expiry or ais.get(_EXPIRY_AI)


def _link(gtin: str, qualifier: str, value: str) -> str:
    return link_of({"01": gtin, qualifier: value})


def _pack_out(found: DrugPackage, events: dict[int, SeenEvent], at: int, known_at: int) -> PackOut:
    def cited(position: int) -> CitedOut:
        event_id = events[position].event_id
        return CitedOut(position=position, event_id=event_id, receipt=receipt_address(event_id))

    def stop(one: Stop | None) -> StopOut | None:
        return one and StopOut(since=utc_text(one.since), by=one.by, reason=one.reason, event=cited(one.position))

    inactive = found.inactive
    return PackOut(
        id=found.pack,
        as_of=utc_text(at),
        known_at=known_at,
        may_be_dispensed=found.may_be_dispensed(at),
        made=found.made,
        lot=found.lot,
        expiry=found.expiry,
        expired=found.expired(at),
        inactive=None
        if inactive is None
        else InactiveOut(
            status=inactive.status, since=utc_text(inactive.since), by=inactive.by, event=cited(inactive.position)
        ),
        recalled=stop(found.recalled),
        withdrawn=stop(found.withdrawn),
        changes=[
            ChangeOut(became=one.became, status=one.status, at=utc_text(one.at), by=one.by, event=cited(one.position))
            for one in found.changes
        ],
        alerts=[
            AlarmOut(
                alert=one.alert,
                rule=MEANINGS[one.alert],
                event=cited(one.position),
                against=None if one.against is None else cited(one.against),
            )
            for one in found.alarms
        ],
    )
