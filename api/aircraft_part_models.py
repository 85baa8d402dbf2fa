"""The JSON of `/aircraft-parts`, which is also what `--json` prints."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field

from api.evaluations import CitedOut
from api.provenance_models import HoldOut, Time
from traceability.ledger.findings import Severity
from traceability.supply_chain.aircraft_part.certificates import Verdict
from traceability.supply_chain.aircraft_part.events import ReleaseStatus
from traceability.supply_chain.aircraft_part.terms import Code, Gap, Lack, Stage, Where
from traceability.supply_chain.entry import ClaimReason

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


class CarriedOut(BaseModel):
    """What the part was on was itself installed `on` something meanwhile, and flew with it."""

    thing: str = Field(examples=[_ENGINE])
    on: str = Field(examples=["https://id.gs1.org/8004/9521302AC-117"])
    since: Time
    until: Time | None
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
    carried: list[CarriedOut]
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


class ComponentOut(BaseModel):
    """A part that is installed `on` what was asked for, or on another component of it."""

    id: str = Field(examples=[_PUMP])
    on: str = Field(examples=[_ENGINE])
    position: str | None = Field(examples=["left"])
    since: Time
    serviceable: bool
    lacks: list[Lack]
    cycles: int
    minutes: int
    life_is_proven: bool
    limits: list[LimitOut]
    installed_by: CitedOut | None


class ComponentsOut(BaseModel):
    """What is installed on an assembly or aircraft: what has the least life left under a limit first."""

    id: str = Field(examples=[_ENGINE])
    as_of: Time | None
    known_at: int
    complete: bool = Field(description="False when there are more than a thousand.")
    components: list[ComponentOut]


class PackOut(PartOut):
    """A part with its life, as a bundle has it: the answer of a trace back to birth."""

    life: LifeOut


class CheckedOut(CertificateOut):
    """A release, and what is to be thought of its document."""

    verdict: Verdict


class CertifiedOut(PackOut):
    """A part with its life and all its releases, claims too, the first first: what its page shows."""

    certificates: list[CheckedOut]
