"""The clocks that laws set going, as data: each rule with its source, and a version that is recorded with every clock.

A changed rule gets the next version. Clocks that run keep the due time that they began with.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from traceability.supply_chain.clocks.term import Term, Unit


class Rule(NamedTuple):
    """How long a law gives for an answer, or with `retention` for how long something has to be kept.

    `calendar` is a country (ISO 3166-1) whose working days count, `zone` the time zone (IANA) that is taken where none
    is given: None for hours, which are the same everywhere.
    """

    version: int
    title: str
    source: str
    term: Term
    calendar: str | None = None
    zone: str | None = None
    retention: bool = False


def _hours(amount: int) -> Term:
    return Term(amount=amount, unit=Unit.HOURS)


RULES: Final[dict[str, Rule]] = {
    "us.fsma204.records": Rule(
        1, "Traceability records for the FDA, on request", "21 CFR 1.1455(c)(3)(ii)", _hours(24)
    ),
    "us.fsma204.retention": Rule(
        1,
        "Keep traceability records",
        "21 CFR 1 subpart S",
        Term(amount=2, unit=Unit.YEARS),
        zone="America/New_York",
        retention=True,
    ),
    "us.dscsa.verification": Rule(1, "Answer a request to verify a product identifier", "FD&C Act 582", _hours(24)),
    "us.dscsa.illegitimate_product": Rule(
        1, "Tell the FDA and trading partners of an illegitimate product (form 3911)", "FD&C Act 582", _hours(24)
    ),
    "us.dscsa.tracing": Rule(
        1,
        "Answer a request for transaction information",
        "FD&C Act 582",
        Term(amount=1, unit=Unit.BUSINESS_DAYS, within_hours=48),
        "US",
        "America/New_York",
    ),
    "us.dscsa.tracing.dispenser": Rule(
        1,
        "Answer a request for transaction information, as a dispenser",
        "FD&C Act 582",
        Term(amount=2, unit=Unit.BUSINESS_DAYS),
        "US",
        "America/New_York",
    ),
    "us.dscsa.retention": Rule(
        1,
        "Keep transaction information",
        "FD&C Act 582",
        Term(amount=6, unit=Unit.YEARS),
        zone="America/New_York",
        retention=True,
    ),
    "eu.fmd.reactivation": Rule(
        1,
        "Reverse the decommissioning of a pack",
        "Regulation (EU) 2016/161, Art. 13",
        Term(amount=10, unit=Unit.CALENDAR_DAYS),
        zone="Europe/Brussels",
    ),
}
"""By id. What they mean in a case, and whether one applies, is for its user to decide."""
