"""Monitoring sessions and calibrations as HTTP and the command line take and give them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.cold_chain import CitedReading, Code, CourseOut
from api.once import Recorded
from traceability.supply_chain.cold_chain import evaluating
from traceability.supply_chain.cold_chain.calibration import Status
from traceability.supply_chain.cold_chain.course import Verdict
from traceability.supply_chain.cold_chain.events import Disposition, Line, Name, Result, Sha256
from traceability.supply_chain.cold_chain.profile import Profile
from traceability.supply_chain.cold_chain.session import ClaimReason, Stage

SESSION = "019ca877-0c1b-7000-8000-000000000001"
DEVICE = "https://id.gs1.org/8004/9521234L1"
_PACK = "https://id.gs1.org/01/09521234000013/21/1001"
_TIME = "2026-03-01T08:15:00.000000Z"
_RECEIPT = "/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"


class CertifyIn(BaseModel):
    """What a certificate of calibration says of a device; give it again to correct it."""

    model_config = ConfigDict(extra="forbid")
    device: Code = Field(examples=[DEVICE])
    certificate: Line = Field(description="Its number.", examples=["D-K-15070-2026-0412"])
    issuer: Line = Field(description="The laboratory.", examples=["Lab of the Republic"])
    calibrated_at: AwareDatetime = Field(examples=["2026-01-10T09:00:00+01:00"])
    result: Result
    valid_until: AwareDatetime | None = Field(
        default=None, description="Of a device that passed.", examples=["2027-01-10T00:00:00+01:00"]
    )
    issued_at: AwareDatetime | None = Field(default=None, description="Now if left out.", examples=[None])
    accuracy_class: Line | None = Field(default=None, examples=["1"])
    interval_days: int | None = Field(default=None, ge=1, le=36_600, examples=[365])
    max_permissible_error: Decimal | None = Field(
        default=None, ge=0, le=1_000, decimal_places=6, description="In kelvin.", examples=["0.5"]
    )
    standards: list[Line] = Field(default=[], max_length=100, description="The references that were used.")
    evidence: Sha256 | None = Field(default=None, description="SHA-256 of the document.", examples=[None])
    shown_to: list[Name] = Field(default=[], max_length=20, description="Organisations that see it too.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.valid_until is not None) != (self.result is Result.PASSED):
            raise ValueError("give valid_until for a device that passed, and for no other")
        if self.valid_until is not None and self.valid_until <= self.calibrated_at:
            raise ValueError("a certificate is valid for some time after the calibration")
        return self


class OpenIn(BaseModel):
    """A device that is to watch things, by a known `profile` or `limits` of your own."""

    model_config = ConfigDict(extra="forbid")
    device: Code = Field(examples=[DEVICE])
    things: list[Code] = Field(min_length=1, max_length=1_000, examples=[[_PACK]])
    profile: str | None = Field(default=None, max_length=200, examples=["usp.controlled_cold"])
    limits: Profile | None = Field(default=None, examples=[None])
    gap_after_minutes: int = Field(
        default=30, ge=1, le=60 * 24 * 366, description="A reading stands for so long at most."
    )
    quality: Name | None = Field(
        default=None, description="Who decides in the end, by its permanent name; you if left out.", examples=[None]
    )
    told_by: list[Name] = Field(
        default=[], max_length=20, description="Who tells the device's readings beside you.", examples=[[]]
    )
    opened_at: AwareDatetime | None = Field(default=None, description="Now if left out.", examples=[None])
    note: Line | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.profile is None) == (self.limits is None):
            raise ValueError("give a profile, or limits of your own")
        return self


class SealIn(BaseModel):
    """Until when the things were watched."""

    model_config = ConfigDict(extra="forbid")
    until: AwareDatetime | None = Field(default=None, description="Now if left out.", examples=[None])


class EvaluateIn(BaseModel):
    """Nothing: what is judged, and by what, is fixed by then."""

    model_config = ConfigDict(extra="forbid")


class DispositionIn(BaseModel):
    """What is to become of the things, and why."""

    model_config = ConfigDict(extra="forbid")
    disposition: Disposition
    reason: Line


class FollowUpOut(BaseModel):
    """The command that does what was decided: nothing has happened to the things yet."""

    command: str = Field(examples=["place_hold"])
    body: dict[str, Any]


class SessionDone(Recorded):
    """What a request recorded in a session."""

    session: str = Field(examples=[SESSION])
    stage: Stage
    verdict: Verdict | None = None
    disposition: Disposition | None = None
    follow_up: FollowUpOut | None = None


class CalibrationDone(Recorded):
    """The certificate that was recorded, and what is known of the device now."""

    device: str = Field(examples=[DEVICE])
    certificate: str
    status: Status


class FindingOut(BaseModel):
    """Something found beside the verdict."""

    code: evaluating.Code
    sentence: str
    times: int
    since: str | None
    until: str | None
    events: list[CitedReading] = Field(description="The first hundred.")


class SealOut(BaseModel):
    """Which events the readings are."""

    until: str = Field(examples=[_TIME])
    positions: list[int]
    readings: int
    digest: str = Field(description="SHA-256 over the leaf hashes of these events, in the order of positions.")
    holds: bool | None = Field(description="Whether it is that of the events; null when you do not see all of them.")


class EvaluationOut(BaseModel):
    """A verdict that was recorded, and by what it was found."""

    verdict: Verdict
    profile: str
    profile_version: int
    model: str
    model_version: int
    findings: list[str]
    by: str
    at: str = Field(examples=[_TIME])


class SessionSaidOut(BaseModel):
    """Something said in a session: an event of the ledger with its receipt."""

    type: str = Field(examples=["sealed"])
    said: dict[str, Any]
    said_by: str = Field(examples=["dairy.example"])
    said_at: str = Field(examples=[_TIME])
    recorded_at: str = Field(examples=[_TIME])
    position: int
    event_id: UUID
    receipt: str = Field(examples=[_RECEIPT])
    claim: ClaimReason | None = Field(default=None, description="Why it counts for nothing; null for what counts.")


class SessionLine(BaseModel):
    """A session in a list."""

    session: str = Field(examples=[SESSION])
    stage: Stage
    verdict: Verdict | None = Field(description="As recorded last.")
    disposition: Disposition | None
    device: str
    things: list[str]
    profile: str
    opened_by: str
    quality: str
    opened_at: str = Field(examples=[_TIME])
    until: str | None = Field(description="Where it is sealed.")


class SessionList(BaseModel):
    """Sessions, the last opened first."""

    known_at: int
    sessions: list[SessionLine]


class SessionOut(SessionLine):
    """A session as of a time and as known at a position; `found` is what is known now, judged now."""

    as_of: str
    known_at: int
    limits: Profile
    gap_after_minutes: int
    told_by: list[str]
    certificate: str
    calibration: Status = Field(description="Of the device, when the session was opened, by what is known now.")
    readings: int
    repeated: int = Field(description="Readings that were told again.")
    found: Verdict
    findings: list[FindingOut]
    course: CourseOut | None
    seal: SealOut | None
    evaluation: EvaluationOut | None
    follow_up: FollowUpOut | None
    said: list[SessionSaidOut]


class CertificateOut(BaseModel):
    """A certificate of calibration."""

    certificate: str
    issuer: str
    result: Result
    calibrated_at: str = Field(examples=[_TIME])
    valid_until: str | None
    accuracy_class: str | None
    interval_days: int | None
    max_permissible_error: Decimal | None
    standards: list[str]
    evidence: str | None
    said_by: str
    counts: bool = Field(description="By the register's rule, or where there is none for whoever said it.")
    position: int
    event_id: UUID
    receipt: str = Field(examples=[_RECEIPT])


class DoubtOut(BaseModel):
    """Since a device passed last (null: ever) until it did not it may have been wrong; what it was used in then."""

    since: str | None
    until: str = Field(examples=[_TIME])
    certificate: str
    sessions: list[SessionLine]


class DeviceOut(BaseModel):
    """What is known of the calibration of a device."""

    device: str = Field(examples=[DEVICE])
    as_of: str
    known_at: int
    status: Status
    certificates: list[CertificateOut]
    doubts: list[DoubtOut]
