"""What is told of a lot: its stages, which step gives which, what is wrong with it, and why it is not released."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.ledger.findings import Severity

CODE_SOURCE: Final = "urn:traceability:lot#codeSource"
"""The extension of an event that names the place where the lot code was assigned (21 CFR 1.1310, lot code source)."""
CODE_SOURCE_REFERENCE: Final = "urn:traceability:lot#codeSourceReference"
"""The extension of an event that tells where to ask for that place."""


class Stage(StrEnum):
    """Where a lot is in its life: of food, and of goods that are imported and released."""

    UNKNOWN = "unknown"
    HARVESTED = "harvested"
    COOLED = "cooled"
    PACKED = "packed"
    SHIPPED = "shipped"
    RECEIVED = "received"
    CONSUMED = "consumed"
    SOLD = "sold"
    DECLARED = "declared"
    BOOKED = "booked"
    LEFT_PORT = "left_port"
    TESTED = "tested"
    DISINFECTED = "disinfected"
    HELD = "held"
    RELEASED = "released"
    DESTROYED = "destroyed"
    LOST = "lost"
    DECOMMISSIONED = "decommissioned"


STAGES: Final[Mapping[str, Stage]] = {
    "harvesting": Stage.HARVESTED,
    "cooling": Stage.COOLED,
    "shipping": Stage.SHIPPED,
    "departing": Stage.SHIPPED,
    "consigning": Stage.SHIPPED,
    "receiving": Stage.RECEIVED,
    "accepting": Stage.RECEIVED,
    "declaring": Stage.DECLARED,
    "booking": Stage.BOOKED,
    "leaving_port": Stage.LEFT_PORT,
    "sampling": Stage.TESTED,
    "testing": Stage.TESTED,
    "disinfecting": Stage.DISINFECTED,
    "holding": Stage.HELD,
    "releasing": Stage.RELEASED,
}
"""Steps by their CBV word, or by the last segment of a URI of one's own. What makes or ends a lot needs none."""

ASSIGNING: Final = frozenset(
    {"commissioning", "creating_class_instance", "packing", "repackaging", "assembling", "disassembling", "landing"}
)
"""Steps of initial packing, first land-based receiving and transformation, which assign lot codes (21 CFR 1.1320)."""
FIRST_RECEIVING: Final = "receiving"
"""It assigns one too, to what nobody gave one before."""
NOT_ASSIGNING: Final = frozenset(
    {
        "accepting", "arriving", "collecting", "consigning", "cooling", "cycle_counting", "departing", "destroying",
        "dispensing", "entering_exiting", "harvesting", "holding", "inspecting", "loading", "picking", "receiving",
        "removing", "reserving", "retail_selling", "sampling", "sensor_reporting", "shipping", "staging_outbound",
        "stock_taking", "stocking", "storing", "transporting", "unloading", "unpacking", "void_shipping",
    }
)  # fmt: skip
"""Steps that assign none; of a step of one's own that is not among them nothing is said."""


class Code(StrEnum):
    """A rule that recorded events break."""

    LOT_CODE_ASSIGNED_OUTSIDE = "lot_code_assigned_outside"
    CODE_SOURCE_DIFFERS = "code_source_differs"
    BELOW_ZERO = "below_zero"
    RECEIVED_NOT_SHIPPED = "received_not_shipped"
    UNITS_DIFFER = "units_differ"
    MIXED_EXPIRY = "mixed_expiry"
    RELEASED_WITHOUT_CERTIFICATE = "released_without_certificate"


MEANINGS: Final[Mapping[Code, tuple[str, Severity]]] = {
    Code.LOT_CODE_ASSIGNED_OUTSIDE: (
        "A lot code is assigned by initial packing, first land-based receiving or transformation.", "error"),
    Code.CODE_SOURCE_DIFFERS: ("A lot code has one source: the place where it was assigned.", "warning"),
    Code.BELOW_ZERO: ("No more of a lot goes than there was at any time, all in all and with who lets it go.", "error"),
    Code.RECEIVED_NOT_SHIPPED: ("What is received was under way.", "warning"),
    Code.UNITS_DIFFER: ("A lot is told in units of one kind, which add up.", "warning"),
    Code.MIXED_EXPIRY: ("All of a lot expires on one day, and is best before one day.", "error"),
    Code.RELEASED_WITHOUT_CERTIFICATE: (
        "A lot is released with every certificate that is required, valid then and not adverse.", "error"),
}  # fmt: skip
"""What each rule says, and how bad it is to break it."""


class Finding(NamedTuple):
    """The event at `position` breaks a rule, because of what the event at `against` says, where there is one.

    `note` tells the amounts or values.
    """

    code: Code
    position: int
    against: int | None
    note: str


class Lack(StrEnum):
    """Why a lot is not to be released."""

    NOT_MADE = "not_made"
    """Nobody is seen to have made it."""
    NOTHING_LEFT = "nothing_left"
    HELD = "held"
    RECALLED = "recalled"
    EXPIRED = "expired"
    CERTIFICATE_MISSING = "certificate_missing"
    CERTIFICATE_NOT_VALID = "certificate_not_valid"
    CERTIFICATE_ADVERSE = "certificate_adverse"


class Obstacle(NamedTuple):
    """What keeps a lot from being released: `kind` of certificate, `position` of the event that tells, if any."""

    lack: Lack
    kind: str | None = None
    position: int | None = None


def word_of(step: str | None) -> str:
    """Return a step as the table of stages has it: a CBV word, or the last segment of a URI."""
    return (step or "").replace(":", "/").replace("#", "/").rpartition("/")[2]
