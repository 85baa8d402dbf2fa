"""What is stated of aircraft parts and no EPCIS event says: releases, life limits, utilisation.

That a part is made, installed, removed, repaired or destroyed is said by EPCIS events. Times are in microseconds UTC.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from traceability.supply_chain.about_things import Stated

MOST: Final = 1_000_000_000
"""Cycles or minutes that one statement tells of: far more than any assembly ever flies."""
_YEAR_1, _YEAR_9999 = -62_135_596_800_000_000, 253_402_300_799_999_999

Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=MOST)]
Instant = Annotated[int, Field(ge=_YEAR_1, le=_YEAR_9999)]


class ReleaseStatus(StrEnum):
    """The one status term of an authorised release certificate (EASA Form 1 and FAA 8130-3, block 11)."""

    NEW = "new"
    PROTOTYPE = "prototype"
    """Made to data that nobody approved yet: released, but not to be installed for service."""
    OVERHAULED = "overhauled"
    REPAIRED = "repaired"
    INSPECTED_TESTED = "inspected_tested"
    MODIFIED = "modified"


class PartReleased(Stated):
    """An approved organisation released these parts; `document` is the SHA-256 of the certificate as it was issued."""

    type_name = "supply_chain.part_released.v1"
    form: Line
    tracking_number: Line
    status: ReleaseStatus
    approval: Line
    document: Sha256


class PartLimitSet(Stated):
    """These parts are to be replaced at so many cycles or minutes of flight; a later one of this name replaces it."""

    type_name = "supply_chain.part_limit_set.v1"
    limit: Line
    cycles: Count | None = None
    minutes: Count | None = None
    source: Line

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cycles is None and self.minutes is None:
            raise ValueError("a limit is of cycles, or of minutes, or of both")
        return self


class UtilisationStated(Stated):
    """These things flew so many cycles and minutes `since` until before `until`.

    A later one about the same time corrects it. It counts for all that was installed then.
    """

    type_name = "supply_chain.utilisation_stated.v1"
    since: Instant
    until: Instant
    cycles: Count
    minutes: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.since >= self.until:
            raise ValueError("the time of a utilisation ends after it begins")
        return self
