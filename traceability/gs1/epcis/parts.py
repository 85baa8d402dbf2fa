"""The writer: from canonical members to the bytes of the eight parts (commitment.md)."""

from __future__ import annotations

from traceability.gs1.epcis.event import Cut
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.parts import Parts


def write_parts(cut: Cut, source: bytes, personal: PersonalMembers) -> Parts:
    """Return the parts of an event; `source` is its own bytes as received."""
    taken = personal.take_from(cut) if personal else {}
    return Parts(
        head=dumps(cut.head),
        what=cut.what,
        where=dumps(cut.where) if cut.where else b"",
        why=dumps(cut.why) if cut.why else b"",
        how=dumps(cut.how) if cut.how else b"",
        more=dumps(cut.more) if cut.more else b"",
        personal=dumps(taken) if taken else b"",
        source=source,
    )
