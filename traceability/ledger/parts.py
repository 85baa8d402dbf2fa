"""The eight parts of an event, each the bytes that were written once (commitment.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PART_NAMES: Final = ("head", "what", "where", "why", "how", "more", "personal", "source")
HEAD, WHAT, WHERE, WHY, HOW, MORE, PERSONAL, SOURCE = range(8)
ITEM_LIMIT: Final = 100_000
"""Items that one event may name."""

ITEM_LISTS: Final = (
    "parentID",
    "transformationID",
    "inputEPCList",
    "inputQuantityList",
    "outputEPCList",
    "outputQuantityList",
    "epcList",
    "childEPCs",
    "quantityList",
    "childQuantityList",
)
"""The lists whose members are the items of `what`, in the order of the commitment."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One event cut by EPCIS dimension.

    `head` and `where` … `personal` are each one JSON object without white space, or empty when absent; `what` holds
    one such object an item, in the order that the commitment fixes; `source` is opaque.
    """

    head: bytes
    what: tuple[bytes, ...] = ()
    where: bytes = b""
    why: bytes = b""
    how: bytes = b""
    more: bytes = b""
    personal: bytes = b""
    source: bytes = b""

    def flat(self) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]:
        """Return the seven parts that are hashed as they stand, in order; `what` is left out."""
        return self.head, self.where, self.why, self.how, self.more, self.personal, self.source
