"""What is said in a case or of a clock, as its page shows it: each line an event with its proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from api.provenance import published_trees
from api.web.names import Names
from api.wiring import Engine
from traceability.ledger.access import PUBLIC, Reader


class Recorded(Protocol):
    """An event as JSON shows it."""

    position: int
    event_id: UUID
    receipt: str


class Said(Recorded, Protocol):
    """An event that says something; its time is UTC."""

    said_by: str
    said_at: str


@dataclass(frozen=True, slots=True)
class ProofLine:
    """Where an event is, and what proves it: a page gets at receipts only for who needs no key.

    `verify` needs a signed tree that holds the event too.
    """

    position: int
    receipt: str | None
    verify: str | None


@dataclass(frozen=True, slots=True)
class SaidLine:
    """An event of the case; `claim` says why it counts for nothing."""

    anchor: str
    sentence: str
    iso: str
    moment: str
    by: str
    claim: str | None
    proof: ProofLine


def published_for(engine: Engine, reader: Reader) -> int | None:
    """Return the position behind the last signed tree; None for whoever needs a key to get at receipts."""
    if reader.organisation != PUBLIC:
        return None
    return max((tree.first_position + tree.size for tree in published_trees(engine).chain), default=0)


def proof_line(recorded: Recorded, published: int | None) -> ProofLine:
    """Return what proves an event."""
    return ProofLine(
        position=recorded.position,
        receipt=None if published is None else recorded.receipt,
        verify=f"/verify?event={recorded.event_id}" if recorded.position < (published or 0) else None,
    )


def said_line(said: Said, sentence: str, *, claim: str | None, published: int | None, names: Names) -> SaidLine:
    """Return the line of an event."""
    return SaidLine(
        anchor=f"p{said.position}",
        sentence=sentence,
        iso=said.said_at,
        moment=f"{said.said_at[:10]} {said.said_at[11:16]} UTC",
        by=names.organisation(said.said_by),
        claim=claim,
        proof=proof_line(said, published),
    )
