"""Published events, recorded and asked for again: what is answered, read once more, is what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conformance.golden.epcis import CAPTURED_BY, EPCIS, documents
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.strict_json import dumps, loads
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.ledger.parts import Parts

FOREIGN = "it has the member _comment, which only a context elsewhere could explain"
TWICE = "it names one thing twice, as URN and as link, which the answer names once"
DEVIATIONS = {
    **{("amperia-staxwall-lifecycle.jsonld", index): FOREIGN for index in (2, 6, 7, 8)},
    ("carbon-footprint.jsonld", 0): FOREIGN,
    ("state-of-certified-energy.jsonld", 0): FOREIGN,
    ("harvesting.jsonld", 0): FOREIGN,
    ("epcisDocWithAllGS1Keys.json", 0): TWICE,
    ("epcisDocWithAllGS1Keys.jsonld", 0): TWICE,
}
needs_fixtures = pytest.mark.skipif(not EPCIS.is_dir(), reason="shared fixtures absent")


def accepted() -> Iterator[tuple[str, int, Parts]]:
    for path in documents():
        for captured in read_document(path.read_bytes(), captured_by=CAPTURED_BY).events:
            yield path.name, captured.index, captured.event.parts


def content(parts: Parts) -> Parts:
    """Return the parts without what an answer has anew: the bytes as received, and the recordTime."""
    more = loads(parts.more) if parts.more else {}
    more.pop("recordTime", None)
    return replace(parts, source=b"", more=dumps(more) if more else b"")


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "index", "parts"), [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in accepted()]
)
def test_what_is_answered_is_what_was_recorded(name: str, index: int, parts: Parts) -> None:
    again = read_document(write_query_document([write_event(parts, 0)], created_at=0), captured_by=CAPTURED_BY)
    same = [content(one.event.parts) for one in again.events] == [content(parts)]
    assert same is ((name, index) not in DEVIATIONS), again.problems
