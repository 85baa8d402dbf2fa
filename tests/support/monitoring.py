"""What is said of a monitoring session and what its device tells, short to write: times are hours of one day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.support.happenings import MAKER, PALLET, Happening, hours, observe, pack, records
from traceability.ledger.access import ALL_PARTS
from traceability.ledger.event import LedgerEvent, utc_text
from traceability.ledger.register.register import Register
from traceability.supply_chain.cold_chain.calibration import Calibration, certificates_that_count
from traceability.supply_chain.cold_chain.course import Verdict
from traceability.supply_chain.cold_chain.evaluating import MODEL, MODEL_VERSION, Evaluation, evaluate
from traceability.supply_chain.cold_chain.events import (
    CalibrationCertified,
    Disposition,
    MonitoringPayload,
    Result,
    Said,
    SessionDispositioned,
    SessionEvaluated,
    SessionOpened,
    SessionPayload,
    SessionSealed,
    said_of,
)
from traceability.supply_chain.cold_chain.profile import Profile
from traceability.supply_chain.cold_chain.series import Series, series_of
from traceability.supply_chain.cold_chain.session import Session, session_of
from traceability.supply_chain.parties import ListedParties, Parties
from traceability.supply_chain.seen import SeenEvent, see

DEVICE = "https://id.gs1.org/8004/9521234L1"
QUALITY, CARRIER, STRANGER = "quality.example", "carrier.example", "stranger.example"
COLD = Profile(name="cold", low=Decimal(2), high=Decimal(8))
THING = pack("A")
NOBODY: Parties = ListedParties({}, Register((), ""))
SESSION = "S1"
OPENING = {"device": DEVICE, "things": [THING], "profile": "usp.controlled_cold"}
CALIBRATION = f"/cold-chain/calibrations?device={DEVICE}"
CERTIFICATE = {
    "device": DEVICE,
    "certificate": "C1",
    "issuer": "Lab",
    "calibrated_at": "2026-01-10T09:00:00Z",
    "result": "out_of_tolerance",
}
MONITORING_STEPS: dict[str, dict[str, Any]] = {
    "seal": {},
    "evaluation": {},
    "disposition": {"disposition": "release", "reason": "x"},
}
"""The bodies of what is said in a session, by the last word of the address."""


@dataclass(frozen=True)
class Spoken:
    """A decision event at an hour."""

    at: float
    payload: MonitoringPayload
    by: str = MAKER
    to: Collection[str] = ()

    def event(self) -> LedgerEvent:
        return self.payload.event(captured_by=self.by, occurred_at=hours(self.at), to=self.to)


Told = Spoken | Happening


def certified(
    at: float = -100, *, until: float | None = 1_000, number: str = "C1", by: str = MAKER, said_at: float | None = None
) -> Spoken:
    """Say that the device passed, or without `until` that it did not."""
    payload = CalibrationCertified(
        device=DEVICE,
        certificate=number,
        issuer="Lab",
        calibrated_at=hours(at),
        result=Result.OUT_OF_TOLERANCE if until is None else Result.PASSED,
        valid_until=None if until is None else hours(until),
    )
    return Spoken(at if said_at is None else said_at, payload, by)


def opened(at: float = 0, *, by: str = MAKER, profile: Profile = COLD, session: str = SESSION, gap: int = 90) -> Spoken:
    payload = SessionOpened(
        session=session,
        device=DEVICE,
        things=(THING,),
        profile=profile,
        gap_after_minutes=gap,
        quality=QUALITY,
        told_by=(CARRIER,),
        certificate="C1",
        valid_until=hours(1_000),
    )
    return Spoken(at, payload, by)


def sealed(at: float, *positions: int, until: float | None = None, by: str = MAKER, session: str = SESSION) -> Spoken:
    end = hours(at if until is None else until)
    payload = SessionSealed(session=session, until=end, positions=positions, readings=len(positions), digest="0" * 64)
    return Spoken(at, payload, by)


def evaluated(at: float, verdict: Verdict = Verdict.WITHIN, *, by: str = MAKER, session: str = SESSION) -> Spoken:
    payload = SessionEvaluated(
        session=session,
        verdict=verdict,
        profile=COLD.name,
        profile_version=1,
        model=MODEL,
        model_version=MODEL_VERSION,
        readings=1,
    )
    return Spoken(at, payload, by)


def decided(at: float, disposition: Disposition, *, by: str = QUALITY, session: str = SESSION) -> Spoken:
    return Spoken(at, SessionDispositioned(session=session, disposition=disposition, reason="so"), by)


def reading(
    at: float,
    celsius: float | str,
    *,
    told: float | None = None,
    by: str = MAKER,
    device: str = DEVICE,
    uom: str = "CEL",
) -> Happening:
    """Let a device tell a temperature of an hour, in an event of that or another hour."""
    report = {"type": "Temperature", "time": utc_text(hours(at)), "value": float(celsius), "uom": uom}
    element = {"sensorMetadata": {"deviceID": device}, "sensorReport": [report]}
    return observe(at if told is None else told, PALLET, by=by, how={"sensorElementList": [element]})


def named(happening: Happening, name: str) -> Happening:
    """Give an event an eventID, so that it can be taken back."""
    return replace(happening, event_id=f"urn:uuid:{name}")


@dataclass(frozen=True)
class World:
    """What is told, at these positions, folded as somebody sees it who sees everything."""

    session: Session
    series: Series
    calibration: Calibration

    def judged(self, at: float) -> Evaluation:
        return evaluate(self.session, self.series, self.calibration, hours(at))


def said_in(told: Iterable[tuple[int, Told]]) -> list[Said]:
    spoken = ((position, one.event()) for position, one in told if isinstance(one, Spoken))
    found = (said_of(event.parts, position, UUID(int=position), 0) for position, event in spoken)
    return [one for one in found if one is not None]


def seen_in(told: Iterable[tuple[int, Told]]) -> list[SeenEvent]:
    found = []
    for position, one in told:
        if isinstance(one, Happening):
            (record,) = records([one])
            event = see(replace(record, position=position), ALL_PARTS, ())
            assert event is not None
            found.append(event)
    return found


def world(*told: Told, positions: Sequence[int] | None = None, parties: Parties = NOBODY) -> World:
    """Fold what is told; it is at positions from 1 on unless others are given."""
    placed = list(zip(positions or range(1, len(told) + 1), told, strict=True))
    said = said_in(placed)
    session = session_of((one for one in said if isinstance(one.payload, SessionPayload)), parties)
    assert session is not None
    calibration = Calibration(certificates_that_count(said, session.sides, parties))
    return World(session, series_of(session, seen_in(placed)), calibration)


def ledger_events(told: Iterable[Told]) -> list[LedgerEvent]:
    """Return what is told as it is appended."""
    found = []
    for one in told:
        if isinstance(one, Spoken):
            found.append(one.event())
        else:
            (record,) = records([one])
            found.append(replace(record.event, event_id=None, recorded_at=None))
    return found
