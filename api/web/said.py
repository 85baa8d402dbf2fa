"""What is said in a case or of a clock, as its page shows it: each line an event with its proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from api.web.names import Names


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
    """What proves an event; `verify` needs a signed tree that holds it."""

    receipt: str
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


def proof_line(recorded: Recorded, published: int) -> ProofLine:
    """Return what proves an event; `published` is the last published position."""
    return ProofLine(
        receipt=recorded.receipt,
        verify=f"/verify?event={recorded.event_id}" if recorded.position <= published else None,
    )


def said_line(said: Said, sentence: str, *, claim: str | None, published: int, names: Names) -> SaidLine:
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
