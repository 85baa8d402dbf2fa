"""What is stated of packages of medicines and no EPCIS event says, in the words of the EU's verification system.

That a pack is made, shipped, dispensed or destroyed is said by EPCIS events too.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from traceability.supply_chain.about_things import Stated

Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Inactive(StrEnum):
    """Why a pack is not to be dispensed (Delegated Regulation (EU) 2016/161, Art. 16 to 41)."""

    SUPPLIED = "supplied"
    EXPORTED = "exported"
    SAMPLE = "sample"
    """Taken by an authority."""
    FREE_SAMPLE = "free_sample"
    CHECKED_OUT = "checked_out"
    """To be repacked: its identifier is used up."""
    LOCKED = "locked"
    DESTROYED = "destroyed"
    STOLEN = "stolen"
    DECOMMISSIONED = "decommissioned"
    """It is not said why."""


class PackDeactivated(Stated):
    """These packs are decommissioned in the sense of the law: their identifiers no longer stand for a pack on sale."""

    type_name = "supply_chain.pack_deactivated.v1"
    status: Inactive
    note: Line | None = None


class PackReactivated(Stated):
    """A deactivation with this status is undone, by who stated it."""

    type_name = "supply_chain.pack_reactivated.v1"
    status: Inactive
    note: Line | None = None


class BatchRecalled(Stated):
    """All packs of these lots are recalled; that is never undone."""

    type_name = "supply_chain.batch_recalled.v1"
    reason: Line


class ProductWithdrawn(Stated):
    """All packs of these products (GTINs) are withdrawn; that is never undone."""

    type_name = "supply_chain.product_withdrawn.v1"
    reason: Line
