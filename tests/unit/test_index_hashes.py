"""The fast way to an event's index says what the slow one says, whatever the parts hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.postgres.index_check import ExpectedIndex, IndexExpectation
from tests.benchmarks.generate import HEAD, TAIL, feed
from tests.support.epcis_events import DAIRY, document, event
from tests.support.logs import pallet_parts
from tests.unit.test_epcis_properties import EVENTS
from traceability.gs1.epcis import hashed_rows, index_rows, read_document
from traceability.ledger.index import HashedIndexer
from traceability.ledger.parts import Parts
from traceability.notary.ports import StoredRow

EDITS = [b'"', b"\\", b"\n", b"\\u0041", b'","a":"', b"0", b"9", b"\xc3\xa4"]
"""What may be written into a part."""

PATHS = [
    "00/095212340000000013", "01/09521234000013", "01/09521234000013/10/A7", "01/09521234000013/21/1",
    "01/09521234000013/22/2A/21/1", "01/09521234000013/10/A7/21/1", "253/9521234000006A", "253/9521234000006",
    "255/9521234000006", "255/95212340000061", "401/9521234X", "402/95212340000000013", "8003/09521234000006",
    "8003/0952123400000612", "8004/9521234A1", "8006/095212340000130102", "8006/095212340000130102/21/7",
    "8010/9521234A", "8010/9521234A/8011/7", "8010/95212/8011/7", "8013/9521234GMR4LVF", "8017/952123400000000017",
    "8018/952123400000000017", "414/9521234000006", "417/9521234000006",
]  # fmt: skip
"""Things, lots and classes of every key."""

OTHERS = [
    b"", b"{", b"[]", b"{}", b"null", b"\xff", b'{"type":"epcis.object_event.v2"}', b'{"eventID":7}',
    b'{"eventID":null}', b'{"where":{}}', b'{"readPoint":{}}', b'{"readPoint":[]}',
    b'{"ilmd":{"urn:epcglobal:cbv:mda:lotNumber":"L1"}}', b'{"bizTransactionList":[{"bizTransaction":"urn:x:1"}]}',
    b'{"sensorElementList":[{"sensorReport":[{"deviceID":"urn:x:d"}]}]}',
    b'{"sourceList":[{"type":"owning_party","source":"https://id.gs1.org/417/9521234000006"}]}',
]  # fmt: skip
"""What a part may be that nobody wrote, or that is another part's."""


def stored(number: int, parts: Parts) -> StoredRow:
    event_id, (head, *others) = number.to_bytes(16, "big"), parts.flat()
    return (number, event_id, 1, "any", 7, b"", b"", b"", b"", head, b"\n".join(parts.what), *others)  # type: ignore[return-value]


def expected(rows: Sequence[StoredRow], hashed: HashedIndexer | None) -> ExpectedIndex:
    expectation = IndexExpectation(1, len(rows), index_rows, bytes(range(32)), hashed=hashed)
    expectation.add(rows)
    return expectation.given()


def agree(parts: Iterable[Parts]) -> None:
    rows = [stored(number, one) for number, one in enumerate(parts, 1)]
    assert expected(rows, hashed_rows) == expected(rows, None)


def fast(parts: Parts) -> bool:
    head, where, why, how, more, _, _ = parts.flat()
    return hashed_rows((head, b"\n".join(parts.what), where, why, how, more)) is not None


def test_they_agree_about_the_benchmarks_feed() -> None:
    read = read_document(HEAD + b",\n".join(feed(3_000)) + TAIL, captured_by=DAIRY)
    parts = [captured.event.parts for captured in read.events]
    agree(parts)
    assert sum(map(fast, parts)) > 0.98 * len(parts)
    assert len({json.loads(one.head)["type"] for one in parts if fast(one)}) == 4


def test_they_agree_about_every_kind_of_key() -> None:
    """What things of a class share is looked at once: no key may hold more than its class says."""
    links = [f"https://id.gs1.org/{path}" for path in PATHS]
    events = [event(epcList=[link]) for link in links]
    found = read_document(document(*events, event(epcList=links)), captured_by=DAIRY).events
    assert len(found) == len(links) + 1
    agree(captured.event.parts for captured in found)
    assert all(fast(captured.event.parts) for captured in found)


def test_they_agree_about_numbers_of_master_data_to_the_last_digit() -> None:
    numbers = ["0.10", "0.1000000000000000055511151231257827", "12345678901234567890123", "1E2", "-0", "100"]
    master_data = ",".join(f'"https://x.example/{i}":{number}' for i, number in enumerate(numbers))
    text = json.dumps(event(action="ADD", ilmd={"https://x.example/ilmd": None})).replace(
        '"https://x.example/ilmd": null', master_data
    )
    [captured] = read_document(document(text), captured_by=DAIRY).events
    assert fast(captured.event.parts)
    agree([captured.event.parts])


@settings(deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=4))
def test_they_agree_about_any_event(events: list[dict[str, object]]) -> None:
    agree(captured.event.parts for captured in read_document(document(*events), captured_by=DAIRY).events)


@settings(deadline=None, max_examples=300)
@given(st.data())
@example(None)
def test_they_agree_about_parts_that_were_changed(data: st.DataObject | None) -> None:
    """A changed byte, or another part in its place: both can read it or neither, and no other record suffers."""
    good = [pallet_parts(packs) for packs in (1, 2, 3)]
    agree(good)
    assert all(map(fast, good))
    if data is None:
        return
    parts = good[1]
    pieces = [parts.head, b"\n".join(parts.what), *parts.flat()[1:]]
    place = data.draw(st.integers(0, 5))
    if data.draw(st.booleans()):
        pieces[place] = data.draw(st.sampled_from([*OTHERS, *pieces]))
    else:
        piece = bytearray(pieces[place])
        at = data.draw(st.integers(0, len(piece)))
        piece[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2) | st.sampled_from(EDITS))
        pieces[place] = bytes(piece)
    head, what, *rest = pieces
    agree([good[0], Parts(head, tuple(what.split(b"\n")) if what else (), *rest), good[2]])
