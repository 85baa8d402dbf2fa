"""The writer: from canonical members to the bytes of the eight parts (commitment.md)."""

from __future__ import annotations

from traceability.gs1.epcis.event import Cut
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.strict_json import JSON, dumps
from traceability.ledger.parts import Parts


def write_parts(cut: Cut, source: bytes, personal: PersonalMembers) -> Parts:
    """Return the parts of an event; `source` is its own bytes as received."""
    taken = personal.take_from(cut) if personal else {}
    return Parts(
        head=dumps(cut.head),
        what=cut.what,
        where=_written(cut.where),
        why=_written(cut.why),
        how=_written(cut.how),
        more=_written(cut.more),
        personal=_written(taken),
        source=source,
    )


def _written(members: dict[str, JSON]) -> bytes:
    return dumps(members) if members else b""
