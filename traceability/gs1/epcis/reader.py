"""One event, from its own bytes to what a ledger records: checked, cut into parts, and indexed in the same pass."""

from __future__ import annotations

from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.event import cut_event
from traceability.gs1.epcis.index import rows_of
from traceability.gs1.epcis.parts import write_parts
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.problems import Findings, shown
from traceability.gs1.epcis.strict_json import JSON, START, JsonTextError, Place, plain_value, read_value
from traceability.ledger.event import LedgerEvent


def read_event(
    source: bytes,
    names: Names,
    captured_by: str,
    personal: PersonalMembers,
    findings: Findings,
    *,
    offset: int = 0,
    place: Place = START,
) -> LedgerEvent | None:
    """Read the event whose JSON is exactly `source`, UTF-8; None with an error in `findings` when it is malformed.

    `names` are those in force around it, `personal` is the ledger's list; `offset` and `place` are where it begins in
    its document. Nothing raises.
    """
    value = plain_value(source)
    if value is not None:
        noted = Findings(findings.index, findings.base)
        event = event_of(value, source, names, captured_by=captured_by, personal=personal, findings=noted)
        # What keeps an event out is said of the value as it was written, not of what the quick way made of it.
        if not noted.failed:
            findings.take(noted)
            return event
    try:
        value = read_value(source, offset, place)
    except JsonTextError as error:
        findings.error("", error.code, error.message)
        return None
    return event_of(value, source, names, captured_by=captured_by, personal=personal, findings=findings)


def event_of(
    value: JSON,
    source: bytes,
    names: Names,
    *,
    captured_by: str,
    personal: PersonalMembers,
    findings: Findings,
    distinct: bool = True,
) -> LedgerEvent | None:
    """Do the same with the value that `source` was found to hold; `distinct` as in `cut_event`."""
    if not isinstance(value, dict):
        findings.error("", "epcis.type", f"An event is an object, not {shown(value)}.")
        return None
    cut = cut_event(value, names, captured_by, findings, distinct=distinct)
    if cut is None or findings.failed:
        return None
    parts = write_parts(cut, source, personal)
    rows = rows_of(cut, parts)
    return LedgerEvent(
        type=cut.head["type"], data=b"", tags=list(rows.tags), captured_by=captured_by, parts=parts, index=rows
    )
