"""What the golden files hold of EPCIS events.

`epcis_fixtures.json` has, for each event that is accepted of the shared fixtures, the SHA-256 of each part that is
not empty and of its items joined by newlines, with their number: the fixtures themselves are not ours to copy.
`events/*.parts` has in full what is made of the documents of our own beside them.
"""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from traceability.gs1.epcis import read_document
from traceability.ledger.parts import PART_NAMES, Parts

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FIXTURES = HERE / "epcis_fixtures.json"
EVENTS = HERE / "events"
EPCIS = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / "epcis"
CAPTURED_BY = "golden.example"
SETS = (
    "cbv-event-hash/examples/*.jsonld",
    "event-profiles/examples/epcis-events/*.json",
    "event-profiles/test-data/events/*.json",
    "event-profiles/test-data/schema/FSMA-204/*Valid*.json",
    "fastnt-requests/v2_0/**/*.json",
    "openepcis-dpp-events/**/*.jsonld",
    "openepcis-test-resources/2.0/EPCIS/JSON/Capture/**/*.json",
    "openepcis-test-resources/2.0/EPCIS/JSON/Query/*.json",
    "openepcis-test-resources/2.0/EPCIS/JSON/Query/Invalid/*.json",
)
XML_SETS = ("cbv-event-hash", "fastnt-requests", "openepcis-test-resources")
# Queries, and answers that something went wrong.
WITHOUT_EVENTS = ("SimpleEventQuery", "GetSubscriptionIDs", "ImplementationException", "QueryTooLarge")


def documents() -> list[Path]:
    """Return every EPCIS document in JSON of the fixtures, good and bad."""
    return sorted({path for pattern in SETS for path in EPCIS.glob(pattern) if path.is_file()})


def xml_documents() -> list[Path]:
    """Return every XML document of the fixtures that holds events, good and bad."""
    found = {path for folder in XML_SETS for path in (EPCIS / folder).rglob("*.xml")}
    return sorted(path for path in found if not path.name.startswith(WITHOUT_EVENTS))


def hand_made() -> list[Path]:
    return sorted([*EVENTS.glob("*.json"), *EVENTS.glob("*.xml")])


def digests(parts: Parts) -> dict[str, Any]:
    """Return the SHA-256 of each part of an event that is there."""
    content = dict(zip((name for name in PART_NAMES if name != "what"), parts.flat(), strict=True))
    content["what"] = b"\n".join(parts.what)
    return {"items": len(parts.what)} | {
        name: sha256(content[name]).hexdigest() for name in PART_NAMES if content[name]
    }


def stored_parts() -> dict[str, list[dict[str, Any]]]:
    return {
        str(path.relative_to(EPCIS)): [
            digests(captured.event.parts)
            for captured in read_document(path.read_bytes(), captured_by=CAPTURED_BY).events
        ]
        for path in [*documents(), *xml_documents()]
    }


def rendered(stored: dict[str, list[dict[str, Any]]]) -> str:
    """Return the golden file: compact, one document a line, so that a difference can be read."""
    lines = (f"{json.dumps(name)}:{json.dumps(events, separators=(',', ':'))}" for name, events in stored.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def hand_made_text(path: Path) -> str:
    """Return each part of each event in full, one a line, and the problems."""
    personal = path.with_suffix(".personal")
    found = read_document(
        path.read_bytes(),
        captured_by=CAPTURED_BY,
        personal=personal.read_text().split() if personal.exists() else (),
    )
    lines = []
    for captured in found.events:
        parts = captured.event.parts
        lines.append(f"event {captured.path}")
        lines.append(f"head {parts.head.decode()}")
        lines += [f"item {item.decode()}" for item in parts.what]
        named = zip(PART_NAMES[2:-1], parts.flat()[1:-1], strict=True)
        lines += [f"{name} {part.decode()}" for name, part in named if part]
    lines += [f"{problem.severity} {problem.path} {problem.code}" for problem in found.problems]
    return "\n".join(lines) + "\n"
