"""Whether a device can be believed: its certificates of calibration, folded.

What a calibration finds is true of the time before it too: a device that is found out of tolerance may have been so
ever since it last passed. Nothing here depends on the order of arrival, and nothing raises.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.supply_chain.cold_chain.events import CalibrationCertified, Result, Said
from traceability.supply_chain.parties import Parties

_ACTION: Final = "calibration_certified"


class Status(StrEnum):
    """What is known of a device at an instant."""

    VALID = "valid"
    MISSING = "missing"
    """It was never calibrated until then."""
    EXPIRED = "expired"
    OUT_OF_TOLERANCE = "out_of_tolerance"
    """It did not pass, and has not since."""
    IN_DOUBT = "in_doubt"
    """It passed, and was found out of tolerance the next time."""


class Doubt(NamedTuple):
    """From the last calibration that it passed (None: ever) to the one that it did not, a device may have been wrong.

    Times are in µs UTC.
    """

    since: int | None
    until: int
    found_by: Said


class Certificate(NamedTuple):
    """A certificate that counts."""

    said: Said
    terms: CalibrationCertified

    @property
    def has_passed(self) -> bool:
        """Tell whether the device passed."""
        return self.terms.result is Result.PASSED


class Calibration:
    """The certificates of one device that count, by the time of the calibration."""

    def __init__(self, said: Iterable[Said]) -> None:
        last: dict[tuple[str, str], Certificate] = {}
        for one in sorted(said, key=lambda one: one.turn):
            if isinstance(one.payload, CalibrationCertified):
                last[one.said_by, one.payload.certificate] = Certificate(one, one.payload)
        # Of two calibrations at one instant the worse counts.
        turns = sorted(last.values(), key=lambda one: (one.terms.calibrated_at, not one.has_passed, one.said.turn))
        self.certificates: Final = tuple(turns)
        self._times = [one.terms.calibrated_at for one in turns]

    def at(self, instant: int) -> Status:
        """Return what is known of the device at an instant (µs UTC)."""
        following = bisect_right(self._times, instant)
        if not following:
            return Status.MISSING
        last = self.certificates[following - 1].terms
        if last.valid_until is None:
            return Status.OUT_OF_TOLERANCE
        if instant >= last.valid_until:
            return Status.EXPIRED
        found_wrong = following < len(self.certificates) and not self.certificates[following].has_passed
        return Status.IN_DOUBT if found_wrong else Status.VALID

    def covering(self, instant: int) -> Certificate | None:
        """Return the certificate of the last calibration up to an instant."""
        following = bisect_right(self._times, instant)
        return self.certificates[following - 1] if following else None

    def doubts(self) -> tuple[Doubt, ...]:
        """Return the stretches in which the device may have been wrong, the first first."""
        found, passed = [], None
        for one in self.certificates:
            if one.has_passed:
                passed = one.terms.calibrated_at
            else:
                found.append(Doubt(passed, one.terms.calibrated_at, one.said))
        return tuple(found)


def certificates_that_count(said: Iterable[Said], organisations: Collection[str], parties: Parties) -> list[Said]:
    """Return the certificates that are said by whoever may: whom the register authorises, where it has a rule.

    Where it has none, these organisations take them in.
    """
    return [one for one in said if isinstance(one.payload, CalibrationCertified) and _may(one, organisations, parties)]


def _may(one: Said, organisations: Collection[str], parties: Parties) -> bool:
    if parties.is_ruled(_ACTION, one.occurred_at):
        return parties.authorised(one.said_by, _ACTION, one.occurred_at, None)
    return one.said_by in organisations
