"""Which events move custody or end things, and so matter to who has a thing; most only observe."""

from __future__ import annotations

from typing import Final

from traceability.supply_chain.item import ENDS_BY_DISPOSITION, ENDS_BY_STEP, ending
from traceability.supply_chain.seen import Role, SeenEvent
from traceability.supply_chain.transfers import RECEIVING, SHIPPING, VOID_SHIPPING, movement

STEPS: Final = frozenset({*SHIPPING, *RECEIVING, VOID_SHIPPING, *ENDS_BY_STEP})
"""Business steps by which an event may be a deed, beside those at the ends of private URIs (`SENDING_BACK`)."""
DISPOSITIONS: Final = frozenset(ENDS_BY_DISPOSITION)
"""Dispositions by which an event may be a deed, beside `IN_TRANSIT` of what is sent to somebody."""
_THING: Final = frozenset({Role.OBJECT})


def is_deed(event: SeenEvent) -> bool:
    """Tell whether an event may move custody or end what it names, whatever else it does."""
    return movement(event) is not None or ending(event, _THING) is not None
