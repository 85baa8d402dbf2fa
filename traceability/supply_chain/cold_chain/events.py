"""What is said of a monitoring session and of its device, each an event of the ledger.

The readings themselves are EPCIS events with sensor elements. These events say what no reading can: which device
watches which things under which limits, that it was calibrated, which events its readings are, how they were judged,
and what is to become of the things.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self, TypeAlias
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from traceability.ledger.event import PARTY_PREFIX, DecisionPayload, LedgerEvent
from traceability.ledger.parts import Parts
from traceability.supply_chain.cold_chain.course import Verdict
from traceability.supply_chain.cold_chain.profile import Profile
from traceability.supply_chain.said import SaidBy, read_said

SESSIONS: Final = "case:monitoring_session"
"""The tag of every opening of a session."""
INSTRUMENT: Final = "instrument:"
"""How the tag begins of what is said of a device beside its readings: certificates, and the sessions it is used in."""
MONITORED: Final = "monitored:"
"""How the tag begins by which the sessions of a thing are found without its history."""
MOST_EVENTS: Final = 10_000
"""Events of readings that one session has."""

_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999

Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=2_048, pattern=r"^\S+$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S+$")]
Instant = Annotated[int, Field(ge=_FIRST, le=_LAST)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Degrees = Annotated[Decimal, Field(max_digits=12, decimal_places=6, allow_inf_nan=False)]


class Result(StrEnum):
    """What a calibration found."""

    PASSED = "passed"
    OUT_OF_TOLERANCE = "out_of_tolerance"


class Disposition(StrEnum):
    """What quality assurance decides about the things of a session."""

    RELEASE = "release"
    QUARANTINE = "quarantine"
    DESTROY = "destroy"


class MonitoringPayload(DecisionPayload):
    """Something that is said of a session, or of a device."""

    def event(self, *, captured_by: str, occurred_at: int, to: Collection[str] = ()) -> LedgerEvent:
        """Return the event at an instant (µs UTC), seen by who makes it and by the organisations `to`."""
        tags = [*self.subjects(), *(f"{PARTY_PREFIX}{name}" for name in sorted(to))]
        return self.to_event(captured_by=captured_by, occurred_at=occurred_at, tags=tags)

    def subjects(self) -> list[str]:
        """Return the tags of what it is about."""
        raise NotImplementedError


class CalibrationCertified(MonitoringPayload):
    """A certificate says what the calibration of a device at `calibrated_at` (µs UTC) found (ISO/IEC 17025 §7.8.4).

    A device that passed is good until before `valid_until`. Class, interval and maximum permissible error (K) are those
    of the certificate: what they have to be is for its reader to say (EN 12830). `standards` are the references that
    were used, `evidence` is the SHA-256 of the document. Who states a certificate again corrects it.
    """

    type_name = "supply_chain.calibration_certified.v1"
    device: Uri
    certificate: Line
    issuer: Line
    calibrated_at: Instant
    result: Result
    valid_until: Instant | None = None
    accuracy_class: Line | None = None
    interval_days: int | None = Field(default=None, ge=1, le=36_600)
    max_permissible_error: Degrees | None = Field(default=None, ge=0)
    standards: tuple[Line, ...] = Field(default=(), max_length=100)
    evidence: Sha256 | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.valid_until is not None) != (self.result is Result.PASSED):
            raise ValueError("what passed is valid until some time, and nothing else is")
        if self.valid_until is not None and self.valid_until <= self.calibrated_at:
            raise ValueError("a certificate is valid for some time after the calibration")
        return self

    def subjects(self) -> list[str]:
        """Return the tags of the device."""
        return [f"device:{self.device}", f"{INSTRUMENT}{self.device}"]


class SessionPayload(MonitoringPayload):
    """Something that is said of the session of this name."""

    session: str

    def subjects(self) -> list[str]:
        """Return the tag of the session."""
        return [f"case:{self.session}"]


class SessionOpened(SessionPayload):
    """From the event's own time on a device watches things, under a profile of limits that is part of this event.

    A reading stands for `gap_after_minutes` at most. The device's readings are told by who opens the session and by the
    organisations `told_by`; `quality` decides about the things in the end. The device was in calibration by
    `certificate` until before `valid_until` (µs UTC).
    """

    type_name = "supply_chain.monitoring_session_opened.v1"
    device: Uri
    things: tuple[Uri, ...] = Field(min_length=1, max_length=1_000)
    profile: Profile
    gap_after_minutes: int = Field(ge=1, le=60 * 24 * 366)
    quality: Name
    told_by: tuple[Name, ...] = Field(default=(), max_length=20)
    certificate: Line
    valid_until: Instant
    note: Line | None = None

    def subjects(self) -> list[str]:
        """Return the tags of the session, the device and the things."""
        about = [f"device:{self.device}", f"{INSTRUMENT}{self.device}"]
        about += [f"{kind}{thing}" for thing in self.things for kind in ("item:", MONITORED)]
        return [*super().subjects(), SESSIONS, *about]


class SessionSealed(SessionPayload):
    """The session ended before `until` (µs UTC), and the events at these positions are its readings: so many.

    `digest` is SHA-256 over their leaf hashes, 32 bytes each, in the order of positions: who holds their receipts can
    tell that they are the same.
    """

    type_name = "supply_chain.monitoring_session_sealed.v1"
    until: Instant
    positions: tuple[Annotated[int, Field(ge=1)], ...] = Field(max_length=MOST_EVENTS)
    readings: int = Field(ge=0)
    digest: Sha256


class SessionEvaluated(SessionPayload):
    """The sealed readings were judged: by the profile of this name and version, and by a version of how it is done.

    Temperatures are in °C. `findings` are the codes of what was found beside the verdict.
    """

    type_name = "supply_chain.monitoring_session_evaluated.v1"
    verdict: Verdict
    profile: str
    profile_version: int
    model: Name
    model_version: int
    readings: int = Field(ge=0)
    lowest: Degrees | None = None
    highest: Degrees | None = None
    mean_kinetic_temperature: Degrees | None = None
    worst_window: Degrees | None = None
    findings: tuple[Name, ...] = ()


class SessionDispositioned(SessionPayload):
    """Quality assurance says what is to become of the things, and why. It does nothing to them by itself."""

    type_name = "supply_chain.monitoring_session_dispositioned.v1"
    disposition: Disposition
    reason: Line


Payload: TypeAlias = CalibrationCertified | SessionOpened | SessionSealed | SessionEvaluated | SessionDispositioned
PAYLOADS: Final[dict[str, type[Payload]]] = {
    payload.type_name: payload
    for payload in (CalibrationCertified, SessionOpened, SessionSealed, SessionEvaluated, SessionDispositioned)
}
"""Every kind by its type name, in the order in which they count where they have one time."""
_RANK: Final = {name: rank for rank, name in enumerate(PAYLOADS)}


class Said(SaidBy[Payload]):
    """What is said of a session or device, as it is recorded at a position."""

    __slots__ = ()

    @property
    def turn(self) -> tuple[int, int, bytes, int]:
        """Return what orders it among the rest: event time, kind, content; position separates what says the same."""
        return self.occurred_at, _RANK[self.payload.type_name], self.digest, self.position


def said_of(parts: Parts, position: int, event_id: UUID, recorded_at: int) -> Said | None:
    """Read what an event says; None for other types, and for what only others can have written and nobody can read."""
    return read_said(Said, PAYLOADS, parts, position=position, event_id=event_id, recorded_at=recorded_at)
