"""Whether a certificate that somebody shows is the one that was recorded for a part.

What is compared is the SHA-256 of the document, so nobody has to be trusted with it. A release that somebody recorded
who may not speak of the part, or has not what the register asks for, is a claim: ask the organisation on the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from traceability.supply_chain.aircraft_part.events import PartReleased
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.entry import ClaimReason, HistoryEntry


class Verdict(StrEnum):
    """What is to be thought of a document."""

    RECORDED = "recorded"
    """By somebody who may release the part."""
    CLAIMED = "claimed"
    """Only by somebody who may not."""
    ANOTHER_DOCUMENT = "another_document"
    """A certificate of this number was recorded, and it is not this document."""
    NO_RECORD = "no_record"


class Certificate(NamedTuple):
    """A release as it was recorded; `claim` is why it counts for nothing, None for what counts. `at` is in µs UTC."""

    said: PartReleased
    by: str
    at: int
    position: int
    claim: ClaimReason | None


def certificates_in(entries: Iterable[HistoryEntry]) -> Iterator[Certificate]:
    """Yield the releases in a judged history, in its order, claims too."""
    for entry in entries:
        event = entry.event
        if isinstance(event, SeenDecision) and isinstance(event.payload, PartReleased) and entry.via is None:
            yield Certificate(event.payload, event.captured_by, event.occurred_at, event.position, entry.reason)


def check(
    recorded: Sequence[Certificate], document: str, tracking_number: str | None = None
) -> tuple[Verdict, tuple[Certificate, ...]]:
    """Judge a document by its SHA-256, and give the releases that say so; the number on it tells what was altered."""
    same = tuple(one for one in recorded if one.said.document == document)
    counts = tuple(one for one in same if one.claim is None)
    if same:
        return (Verdict.RECORDED, counts) if counts else (Verdict.CLAIMED, same)
    others = tuple(one for one in recorded if one.claim is None and one.said.tracking_number == tracking_number)
    return (Verdict.ANOTHER_DOCUMENT, others) if others else (Verdict.NO_RECORD, ())
