"""Evidence: who had which bytes at what time, for courts, without the bytes.

The event holds a digest; who registered it is its `captured_by`, and when is when it was recorded. A digest is not
shown to others: it is in `more`, which its maker alone sees, and the log's entry commits to it under a salt.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem
from pydantic import Field

from traceability.errors import InvalidInputError
from traceability.ledger.event import DecisionPayload

MAX_STATEMENT: Final = 500
_SHA256: Final = re.compile(r"(?:sha-?256:)?([0-9a-f]{64})", re.IGNORECASE).fullmatch


class EvidenceRegistered(DecisionPayload):
    """Whoever captured this says to have bytes with this SHA-256 (lower-case hex); `size` in bytes.

    `stored` tells that they were kept with it, encrypted; `file_key` opens them until the event is erased.
    """

    type_name: ClassVar[str] = "notary.evidence_registered.v1"
    personal_members: ClassVar[frozenset[str]] = frozenset({"file_key"})
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)] | None = None
    stored: bool | None = None
    file_key: str | None = None
    statement: Annotated[str, Field(min_length=1, max_length=MAX_STATEMENT)] | None = None

    def tags(self, organisation: str) -> list[str]:
        """Return the tags of the event: one organisation registers a digest once."""
        return [f"evidence:{self.sha256}", f"org:{organisation}"]

    def query(self, organisation: str) -> DCBQuery:
        """Return what finds an earlier registration of the digest by the same organisation."""
        return DCBQuery(items=[DCBQueryItem(types=[self.type_name], tags=self.tags(organisation))])


def read_sha256(text: str) -> str:
    """Return a SHA-256 as lower-case hex, from hex with or without `sha-256:` before it.

    Raises `InvalidInputError` (`evidence.digest`).
    """
    matched = _SHA256(text.strip())
    if matched is None:
        raise InvalidInputError(
            "This is not a SHA-256",
            code="evidence.digest",
            hint="Give 64 hexadecimal digits, as `sha256sum FILE` prints them, or send the file itself.",
        )
    return matched[1].lower()
