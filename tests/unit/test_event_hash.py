"""The CBV event hash by the rules: what it depends on, what it does not, and what has none."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.drawn_events import events
from tests.support.epcis_events import LOT, PACK, PALLET, PARTY, PLACE, document, event, parts, typed
from tests.support.xml_events import xml_document, xml_event
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.document_writer import DOCUMENT, Around, Format, write_document
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.hash import documents
from traceability.gs1.epcis.hash.documents import HashedEvent, HashMode, hashed_document, hashed_events
from traceability.gs1.epcis.hash.event_hash import prehash_of
from traceability.gs1.epcis.hash.keys import EventHashError, Keys
from traceability.gs1.epcis.hash.values import braced, number, scalar, text
from traceability.gs1.epcis.strict_json import JsonTextError, Number, loads, read_value, value_in
from traceability.gs1.epcis.writer import write_event
from traceability.gs1.identifiers import IdentifierError, parse_identifier

EXAMPLE = {"example": "https://ns.example.com/epcis/"}


def hashed(data: bytes, mode: HashMode = HashMode.SPEC) -> list[HashedEvent]:
    return list(hashed_events(open_envelope(BytesIO(data)), lambda b: data[b.offset : b.offset + b.size], mode))


def prehash(one: Any, mode: HashMode = HashMode.SPEC) -> str:
    (found,) = hashed(document(one, context=[*CONTEXTS, EXAMPLE]), mode)
    assert found.problem is None, found.problem
    return found.prehash


def problem(one: Any, mode: HashMode = HashMode.SPEC) -> tuple[str, str]:
    (found,) = hashed(document(one, context=[*CONTEXTS, EXAMPLE]), mode)
    assert found.hash is None
    assert found.problem is not None
    return found.problem.code, found.problem.path.removeprefix("$.epcisBody.eventList[0]")


CONTEXTS = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]


def shuffled(value: Any, chance: random.Random) -> Any:
    """Return a value with the members of all objects, and all lists, in another order."""
    if isinstance(value, dict):
        members = [(name, shuffled(inner, chance)) for name, inner in value.items()]
        chance.shuffle(members)
        return dict(members)
    if isinstance(value, list):
        items = [shuffled(item, chance) for item in value]
        chance.shuffle(items)
        return items
    return value


@given(events(), st.integers(0, 2**32))
def test_no_order_of_members_or_lists_matters(one: dict[str, Any], seed: int) -> None:
    assert prehash(shuffled(one, random.Random(seed))) == prehash(one)


@given(events())
def test_xml_has_the_hash_of_its_json_and_so_has_what_the_ledger_writes(one: dict[str, Any]) -> None:
    stored = loads(write_event(parts(one), None))
    sent = hashed(document(one))
    assert sent[0].hash is not None
    for form in Format:
        written = write_document(form, Around(DOCUMENT, "2026-03-01T10:00:00Z"), [stored])
        assert [found.prehash for found in hashed(written)] == [sent[0].prehash]


@given(st.lists(events(), min_size=2, max_size=3), st.sampled_from(HashMode))
def test_no_other_document_or_event_matters(several: list[dict[str, Any]], mode: HashMode) -> None:
    together = [one.hash for one in hashed(document(*several), mode)]
    if mode is HashMode.SPEC:  # the reference looks at all events of a document for words
        assert together == [one.hash for single in several for one in hashed(document(single), mode)]
    assert [one.hash for one in hashed(document(*several), mode)] == together


def test_the_string_has_every_field_in_the_order_of_the_standard() -> None:
    everything = typed(
        "TransactionEvent",
        ilmd={"example:b": "B", "example:a": {"example:d": 1.50, "example:c": ["y", "x"]}},
        sensorElementList=[
            {
                "sensorMetadata": {"deviceID": "urn:epc:id:giai:4000001.111", "time": "2026-03-01T08:00:00.0005Z"},
                "sensorReport": [
                    {"type": "gs1:Temperature", "uom": "CEL", "value": 26.0},
                    {"type": "Angle", "component": "cbv:Comp-x", "booleanValue": True, "example:more": "m"},
                ],
            }
        ],
        destinationList=[{"destination": PARTY, "type": "owning_party"}],
        sourceList=[{"type": "urn:epcglobal:cbv:sdt:location", "source": "urn:epc:id:sgln:9521234.00000.0"}],
        bizTransactionList=[{"bizTransaction": "urn:x:1"}, {"type": "po", "bizTransaction": "urn:x:2"}],
        bizLocation={"id": PLACE},
        readPoint={"example:z": "Z", "id": f"{PLACE}?x=1"},
        persistentDisposition={"unset": ["recalled"], "set": ["in_transit", "damaged"]},
        disposition="urn:epcglobal:cbv:disp:in_progress",
        bizStep="shipping",
        quantityList=[
            {"epcClass": "https://dairy.example/gtin/09521234000013/lot/A7", "quantity": 10.50, "uom": "KGM"}
        ],
        parentID=PALLET,
        epcList=["urn:epc:id:sgtin:9521234.000001.1001", f"{PACK}2"],
        certificationInfo="urn:x:certified",
        eventID="urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001",
        recordTime="2026-03-02T00:00:00Z",
        errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z"},
        **{"example:last": True, "rdfs:comment": "no"},
    )
    ns = "{https://ns.example.com/epcis/}"
    assert prehash(everything) == "".join([
        "eventType=TransactionEvent",
        "eventTime=2026-03-01T08:15:00.000Z",
        "eventTimeZoneOffset=+01:00",
        "certificationInfo=urn:x:certified",
        f"epcListepc={PACK}epc={PACK}2",
        f"parentID={PALLET}",
        f"quantityListquantityElementepcClass={LOT}quantity=10.5uom=KGM",
        "action=OBSERVE",
        "bizStep=https://ref.gs1.org/cbv/BizStep-shipping",
        "disposition=https://ref.gs1.org/cbv/Disp-in_progress",
        "persistentDispositionset=https://ref.gs1.org/cbv/Disp-damagedset=https://ref.gs1.org/cbv/Disp-in_transit",
        "unset=https://ref.gs1.org/cbv/Disp-recalled",
        f"readPointid={PLACE}{ns}z=Z",
        f"bizLocationid={PLACE}",
        "bizTransactionListbizTransaction=urn:x:1type=https://ref.gs1.org/cbv/BTT-pobizTransaction=urn:x:2",
        f"sourceListtype=https://ref.gs1.org/cbv/SDT-locationsource={PLACE}",
        f"destinationListtype=https://ref.gs1.org/cbv/SDT-owning_partydestination={PARTY}",
        "sensorElementListsensorElement",
        "sensorMetadatatime=2026-03-01T08:00:00.001ZdeviceID=https://id.gs1.org/8004/4000001111",
        f"sensorReporttype=https://gs1.org/voc/Anglecomponent=https://ref.gs1.org/cbv/Comp-xbooleanValue=true{ns}more=m",
        "sensorReporttype=https://gs1.org/voc/Temperaturevalue=26uom=CEL",
        f"ilmd{ns}a{ns}c=x{ns}c=y{ns}d=1.5{ns}b=B",
        f"{ns}last=true",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("member", "one", "other"),
    [
        ("example:a", "007", "7"),
        ("example:a", "1_000", "1000"),
        ("example:a", "12345678901234567890", "12345678901234567168"),
        ("example:a", "\u0663", "3"),
        ("example:a", "shipping", "https://ref.gs1.org/cbv/BizStep-shipping"),
        ("example:a", "inf", "Infinity"),
        ("epcList", [f"{PALLET[:-1]}", PACK], [PALLET, PACK]),
    ],
)
def test_what_the_reference_takes_for_the_same_is_not(member: str, one: Any, other: Any) -> None:
    assert prehash(event(bizStep="shipping", **{member: one})) != prehash(event(bizStep="shipping", **{member: other}))


@pytest.mark.parametrize(
    "data",
    [
        document(event()).replace(b'"epcisBody"', b'"epcisBody": {"eventList": [{}]}, "epcisBody"'),
        document(event()).replace(b'"eventList"', b'"eventList": [{}], "eventList"'),
        document(event(), context=[7]),
        document(event(), schemaVersion="1.2"),
        document(event(), type="EPCISQueryDocument"),
        document(),
        document(event()) + b"x",
        b"\xef\xbb\xbf" + document(event()),
        document(event(), '{"type": "ObjectEvent", "type": ""}', b'{"type":"\xff"}', event()),
        document(event(**{"https://x.example/a": "[" * 70}), "[" * 70 + "]" * 70),
        document(event(), more=[event()]),
    ],
)
@pytest.mark.parametrize("whole", [0, 4096])
def test_a_short_document_is_read_as_strictly_as_a_long_one(
    data: bytes, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    monkeypatch.setattr(documents, "_WHOLE_BYTES", whole)
    for written in (data, squeezed(data)):
        problems, found = hashed_document(written)
        envelope = open_envelope(BytesIO(written))
        assert list(found) == hashed(written)
        assert problems == ([] if envelope.blocks else envelope.problems)


def squeezed(data: bytes) -> bytes:
    """Return a document without the spaces between its members."""
    return data.replace(b'": ', b'":').replace(b', "', b',"').replace(b", {", b",{").replace(b", [", b",[")


def told(data: bytes) -> tuple[list[Any], list[HashedEvent]]:
    problems, found = hashed_document(data)
    return problems, list(found)


EX = b'"https://x.example/a":'
EDITS = [
    b'"', b"\\", b"\\u0041", b" ", b"\n", b"0", b"-0", b"1e400", b"null", b"[]", b"{}", b",", b":", b"]", b"}",
    b"\xff", b"\x00", b"9" * 70, b'"type":"ObjectEvent",', b'"eventID":{"a":1,"a":2},', b'"@context":{},',
    EX + b'["",[1]],', EX + b"[" * 63 + b"]" * 63 + b",", EX + b'{"b":' + b"[" * 61 + b"]" * 61 + b"},",
    b'"epcisBody":{"eventList":[]},', b'"eventList":[{}],', b'"epcList":["a",1,"b"],',
    b'"readPoint":{"id":"a","id":"b"},', b"]}}", b']},"epcisBody":{"eventList":[',
    b'"x":{"epcisBody":{"eventList":[]}},',
]  # fmt: skip
"""What may be written into a document."""


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(events(), min_size=1, max_size=3), st.data())
def test_an_event_has_the_same_hash_however_its_document_is_read(
    monkeypatch: pytest.MonkeyPatch, several: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Once and again, plainly written or not, sound or not."""
    given = squeezed(document(*several, context=[*CONTEXTS, EXAMPLE]))
    if data.draw(st.booleans()):
        places = [at for at in range(len(given)) if given[at : at + 1] in (b"{", b'"', b",", b":", b"[")]
        at = data.draw(st.sampled_from(places)) + data.draw(st.integers(0, 1))
        given = given[:at] + data.draw(st.sampled_from(EDITS)) + given[at + data.draw(st.integers(0, 1)) :]
    whole = told(given)
    with monkeypatch.context() as patch:
        patch.setattr(documents, "_WHOLE_BYTES", 0)
        assert told(given) == whole
        patch.setattr(documents, "_plain_document", lambda _data: None)
        patch.setattr(Keys, "remember", lambda _self, _source, _piece: None)
        assert told(given) == whole


@pytest.mark.parametrize(
    "member",
    [
        b'"epcList":["a",1,"b"]', b'"epcList":["a","b"]', b'"epcList":["a","b" ]', b'"epcList":[["a","b"]]',
        b'"readPoint":{"id":"a","id":"b"}', b'"readPoint":{"id":"a"}', b'"readPoint":{"x":{"a":1,"a":2}}',
        b'"eventID":{"a":1,"a":2}', b'"eventID":"\xff"', b'"eventID":["a"]', b'"recordTime":null',
        b'"https://x/a":"\\u0041"', b'"https://x/a":"\\ud800"', b'"https://x/a":"\xff"', b'"https://x/a":{"a":"\xff"}',
        b'"https://x/a":-0', b'"https://x/a":1e400', b'"https://x/a":[1,1.0]', b'"https://x/a":null', b'"comment":7',
        b'"https://x/a":' + b"9" * 30, b'"https://x/a":' + b"9" * 70, b'"https://x/a":[" x "]', b'"https://x/a":" x "',
        b'"https://x/a":' + b"[" * 63 + b"]" * 63, b'"https://x/a":' + b"[" * 64 + b"]" * 64,
        b'"https://x/a":{"b":' + b"[" * 62 + b"]" * 62 + b"}", b'"https://x/a":{"b":' + b"[" * 63 + b"]" * 63 + b"}",
        b'"eventTimeZoneOffset":"+01:00"', b'"bizStep":"shipping"', b'"action":7', b'"parentID":["a"]',
        b'"https://x/a":{"@context":{"q":"https://q/"},"q:a":1}', b'"@context":{"q":"https://q/"},"q:a":1',
        b'"bizStep":"\xff"', b'"ilmd":{"https://x/a":[1,{"https://x/b":2}]}', b'"bizTransactionList":[{"type":"po"}]',
    ],
)  # fmt: skip
def test_the_quick_way_is_as_strict_and_says_the_same(member: bytes) -> None:
    keys = Keys(standard_names())
    source = b'{"type":"ObjectEvent","eventTime":"2026-03-01T09:15:00.000Z",' + member + b"}"
    outcomes = [_outcome(lambda: prehash_of(value_in(source), keys)) for _ in range(2)]
    assert outcomes == [_outcome(lambda: prehash_of(read_value(source), Keys(standard_names())))] * 2


def _outcome(read: Callable[[], str]) -> str:
    try:
        return read()
    except (JsonTextError, EventHashError) as error:
        return f"{error.code} {error.message}"


def test_what_is_remembered_is_bounded() -> None:
    keys = Keys(standard_names())
    for i in range(3_000):
        one = event(**{f"https://x.example/{i % 7}": {"a": f"{i:0400}"}, "https://x.example/b": {"a": "b" * i}})
        assert prehash_of(one, keys) == prehash_of(one, Keys(standard_names()))
        assert sum(len(source) + len(piece) for source, piece in keys.pieces.items()) <= 1024 * 1024
    assert keys.pieces


@pytest.mark.parametrize("whole", [0, 1024 * 1024])
def test_an_event_that_is_nested_without_end_says_so(monkeypatch: pytest.MonkeyPatch, whole: int) -> None:
    monkeypatch.setattr(documents, "_WHOLE_BYTES", whole)
    deep = b"[" * 100_000 + b"]" * 100_000
    found = told(squeezed(document(event(**{"https://x.example/a": 0}))).replace(b'"https://x.example/a":0', EX + deep))
    assert [one.problem.code for one in found[1] if one.problem] == ["json.depth"]


@given(
    st.sampled_from(
        [
            "https://id.gs1.org/01/09521234000013/21/", "https://id.gs1.org/01/09521234000013/10/", "urn:x:",
            "https://dairy.example/gtin/09521234000013/10/A/21/", "https://dairy.example/01/", "https://x.example/a/",
            "urn:epc:id:sgtin:9521234.000001.", "urn:epc:class:lgtin:9521234.000001.", "urn:epc:id:sscc:9521234.",
            "https://id.gs1.org/00/", "https://id.gs1.org/414/", "urn:epc:id:sgln:9521234.00000.", "https://x/?a/",
            "https://id.gs1.org/8006/095212340000130102/21/", "https://id.gs1.org/8004/", "http:", "tag:x.",
            "https://id.gs1.org/414/9521234000006/254/", "https://dairy.example/414/9521234000006/254/",
            "https://dairy.example/254/", "https://id.gs1.org/414/9521234000007/254/",
            "urn:epc:id:grai:9521234.00001.", "urn:epc:id:gdti:9521234.00001.", "urn:epc:id:giai:952123412345.",
        ]
    ),
    st.text("0123456789AZaz-%.?#/", max_size=22) | st.sampled_from(["09521234000013", "095212340000000013", "0"]),
)  # fmt: skip
@example("urn:epc:id:grai:9521234.00001.", "1" * 16)
@example("urn:epc:id:grai:9521234.00001.", "1" * 17)
@example("urn:epc:id:gdti:9521234.00001.", "1" * 18)
@example("urn:epc:id:giai:952123412345.", "1" * 19)
def test_an_identifier_is_its_subject_whatever_is_remembered(stem: str, tail: str) -> None:
    value = stem + tail
    try:
        subject = parse_identifier(value).subject
    except IdentifierError:
        subject = value
    assert text(value) == subject


def test_a_document_before_does_not_matter() -> None:
    """The reference keeps the prefixes of every document that it has read."""
    one = document(event(**{"other:a": "1"}))
    before = hashed(one), hashed(one, HashMode.REF_COMPAT)
    hashed(document(event(), context=[*CONTEXTS, {"other": "https://elsewhere.example/"}]), HashMode.REF_COMPAT)
    assert (hashed(one), hashed(one, HashMode.REF_COMPAT)) == before


def test_prefixes_do_not_matter() -> None:
    names = [
        ({"a": "https://ns.example.com/"}, "a:epcis/b"),
        (EXAMPLE, "example:b"),
        ({}, "https://ns.example.com/epcis/b"),
    ]
    found = {hashed(document(event(**{name: "1"}), context=[*CONTEXTS, terms]))[0].hash for terms, name in names}
    assert len(found) == 1
    assert None not in found


@pytest.mark.parametrize("time", ["2026-03-01T08:15:00", "2026-03-01T08:15:00.5"])
def test_a_time_without_an_offset_is_an_error(time: str) -> None:
    assert problem(event(eventTime=time)) == ("epcis.naive_time", ".eventTime")
    sensors = [{"sensorMetadata": {"time": time}, "sensorReport": []}]
    where = ".sensorElementList[0].sensorMetadata.time"
    assert problem(event(sensorElementList=sensors)) == ("epcis.naive_time", where)


@pytest.mark.parametrize(
    ("one", "code", "path"),
    [
        (event(eventTime="yesterday"), "epcis.time", ".eventTime"),
        (event(eventTime=5), "epcis.time", ".eventTime"),
        (event(eventTime=None), "epcis.missing_field", ""),
        (event(type=None), "epcis.missing_field", ""),
        (event(eventTime="9999-12-31T23:59:59.9996Z"), "epcis.time", ".eventTime"),
        ('{"type": "ObjectEvent", "type": "ObjectEvent"}', "json.repeated_member", ""),
        ("7", "epcis.type", ""),
        ('{"type": "ObjectEvent" "a": 1}', "json.syntax", ""),
    ],
)
def test_an_event_without_a_hash_says_why_and_where(one: Any, code: str, path: str) -> None:
    good = event()
    assert problem(one) == (code, path)
    data = document(good, one, good, context=CONTEXTS)
    assert list(hashed_document(data)[1]) == hashed(data)
    found = hashed(document(good, one, good))
    assert [bad.hash is None for bad in found] == [False, True, False]
    assert found[1].problem is not None
    assert found[1].problem.index == 1
    assert found[0].hash == found[2].hash


@pytest.mark.parametrize(
    "one",
    [
        event(eventTime="2026-03-01T08:15:59.9995Z"),
        event(**{"example:a": "1e400"}),
        event(**{"example:a": "inf"}),
        event(bizTransactionList=[{"bizTransaction": "urn:x:1"}]),
    ],
)
def test_where_the_reference_drops_an_event_it_is_told(one: Any) -> None:
    assert problem(one, HashMode.REF_COMPAT)[0] == "epcis.reference_fails"
    assert prehash(one)


def test_the_reference_is_followed_where_it_is_wrong() -> None:
    found = prehash(
        event(
            eventTime="2026-03-01T08:15:00.1425Z",
            bizStep="shipping",
            ilmd={"example:a": "shipping", "example:b": "007", "cbvmda:lotNumber": "1_000"},
            sourceList=[{"type": "owning_party", "source": PARTY}],
            destinationList=[{"destination": PARTY, "type": "owning_party"}],
        ),
        HashMode.REF_COMPAT,
    )
    assert "eventTime=2026-03-01T08:15:00.142Z" in found
    ns = "{https://ns.example.com/epcis/}"
    kind = "type=https://ref.gs1.org/cbv/SDT-owning_party"
    assert found.endswith(
        f"destinationListdestination={PARTY}{kind}ilmdcbvmda:lotNumber=1000{ns}a=https://ref.gs1.org/cbv/BizStep-shipping"
        f"{ns}b=7sourceList{kind}source={PARTY}"
    )


def test_an_event_in_xml_is_found_at_its_place() -> None:
    bad = xml_event().replace("2026-03-01T09:15:00+01:00", "yesterday")
    for mode in HashMode:
        found = hashed(xml_document(xml_event(), bad, xml_event()), mode)
        assert [one.path for one in found] == [f"$.epcisBody.eventList[{i}]" for i in range(3)]
        assert found[0].hash == found[2].hash != found[1].hash
        assert found[0].hash is not None


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12),
    st.integers(0, 5),
)
def test_a_number_is_its_value(value: Decimal, zeros: int) -> None:
    plain = format(value, "f") + "0" * zeros
    written = number(Number(plain))
    assert Decimal(written) == value
    assert written == number(Number(f"{value:E}")) == number(Number(written))
    assert "e" not in written.lower()
    assert not written.endswith(".")
    assert "." not in written or written[-1] != "0"


def test_values_and_names_are_written_in_one_way() -> None:
    assert [number(Number(text)) for text in ("-0.0", "1e3", "12.5e-3", "1E+2")] == ["0", "1000", "0.0125", "100"]
    assert [scalar(value) for value in (True, None, 7, " a ", "07.0")] == ["true", "", "7", "a", "07.0"]
    assert braced("urn:epcglobal:cbv:mda:lotNumber") == "{urn:epcglobal:cbv:mda}lotNumber"
    assert braced("https://x.example/ns#a") == "{https://x.example/ns#}a"
    assert braced("urn:x:y:a") == "{urn:x:y:}a"
    assert braced("a") == "a"


def test_the_first_wrong_field_of_the_document_is_told_whatever_the_order_of_the_standard() -> None:
    sensors = [{"sensorReport": [{"time": "then", "type": "Angle"}]}]
    one = {"sensorElementList": sensors, "type": "ObjectEvent", "eventTime": "yesterday"}
    assert problem(one) == ("epcis.time", ".sensorElementList[0].sensorReport[0].time")
