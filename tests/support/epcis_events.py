"""Small EPCIS documents for tests, as text, so that spelling and order are the test's own."""

import json
from typing import Any

from traceability.gs1.epcis import Document, Problem, read_document
from traceability.ledger.parts import Parts

CONTEXT = "https://ref.gs1.org/standards/epcis/epcis-context.jsonld"
PACK = "https://id.gs1.org/01/09521234000013/21/1001"
OTHER_PACK = "https://id.gs1.org/01/09521234000013/21/1002"
LOT = "https://id.gs1.org/01/09521234000013/10/A7"
PALLET = "https://id.gs1.org/00/095212340000000013"
PLACE = "https://id.gs1.org/414/9521234000006"
PARTY = "https://id.gs1.org/417/9521234000006"
DAIRY = "dairy.example"


def event(**members: Any) -> dict[str, Any]:
    """Return an ObjectEvent with `members` put in, or left out where they are None."""
    base = {
        "type": "ObjectEvent",
        "eventTime": "2026-03-01T09:15:00+01:00",
        "eventTimeZoneOffset": "+01:00",
        "action": "OBSERVE",
        "epcList": [PACK],
    }
    return {name: value for name, value in {**base, **members}.items() if value is not None}


def typed(event_type: str, **members: Any) -> dict[str, Any]:
    """Return an event without identifiers of any type."""
    return event(**{"type": event_type, "epcList": None, **members})


def document(*events: Any, context: Any = CONTEXT, **members: Any) -> bytes:
    """Return an EPCISDocument; an event given as text or bytes goes in as it is."""
    envelope = {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T10:00:00Z",
        **members,
    }
    around = json.dumps({name: value for name, value in envelope.items() if value is not None})
    return around[:-1].encode() + b', "epcisBody": {"eventList": [' + b", ".join(map(_text, events)) + b"]}}"


def _text(one: Any) -> bytes:
    if isinstance(one, bytes):
        return one
    return (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)).encode()


def read(*events: Any, context: Any = CONTEXT, personal: tuple[str, ...] = ()) -> Document:
    return read_document(document(*events, context=context), captured_by=DAIRY, personal=personal)


def parts(one: Any, *, context: Any = CONTEXT, personal: tuple[str, ...] = ()) -> Parts:
    """Return the parts of an event that must be accepted."""
    found = read(one, context=context, personal=personal)
    assert found.valid, found.problems
    return found.events[0].event.parts


def errors(found: Document) -> list[tuple[str, str]]:
    """Return path and code of what keeps events out."""
    return [(problem.path, problem.code) for problem in found.problems if problem.severity == "error"]


def warnings(found: Document) -> list[Problem]:
    return [problem for problem in found.problems if problem.severity == "warning"]
