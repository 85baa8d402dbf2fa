"""Receipts in answers: where one is, and the one that a write is answered with."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

Proof = Annotated[
    str | None,
    Field(description="With `wait=published` the receipt (C2SP tlog-proof); else, and when it took too long, null."),
]


def receipt_address(event_id: UUID) -> str:
    """Return where the receipt of an event is."""
    return f"/provenance/events/{event_id}/receipt"
