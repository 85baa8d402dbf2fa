"""Master data: how elements are read, and what statements about them amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.master_data import (
    CITY,
    GLNS,
    HOLDER,
    MAKER,
    NAME,
    ORGANISATIONS,
    PLACES,
    RIVAL,
    elements,
    prefixes,
    said,
    statements,
)
from tests.support.register import OPERATOR, stated
from traceability.gs1.epcis import content_digest, index_rows
from traceability.gs1.epcis.master_data import (
    CBV_ATTRIBUTE,
    MAX_ELEMENT_BYTES,
    Statement,
    VocabularyElement,
    element_from,
    name_of,
    read_master_data,
    statement_of,
    vocabulary_type,
)
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.strict_json import read_value
from traceability.gs1.epcis.vocabularies import FAR, Holders, MasterData, eras
from traceability.gs1.identifiers import gln_of, parse_identifier
from traceability.ledger.access import MASTER_DATA, PUBLIC, Grant, Reader
from traceability.ledger.index import Visibility
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import PrefixHeld

PLACE = PLACES[0]
LOCATION = vocabulary_type("BusinessLocation")
AT = 25


NOTHING = Register((), OPERATOR)
registers = st.lists(prefixes, max_size=3).map(
    lambda held: Register([stated(one, position=n) for n, one in enumerate(held, 1)], OPERATOR)
)


def folded(found: Sequence[Statement], reader: str = PUBLIC, register: Register = NOTHING) -> MasterData:
    return MasterData(found, reader, Holders({one.element.subject for one in found}, GLNS, register))


def place(identifier: str = PLACE, name: str | None = None, **more: Any) -> VocabularyElement:
    return VocabularyElement(LOCATION, identifier, {} if name is None else {NAME: name}, **more)


def header(*elements: Any, kind: str = LOCATION) -> dict[str, Any]:
    return {"vocabularyList": [{"type": kind, "vocabularyElementList": list(elements)}]}


# Reading


def test_a_header_gives_canonical_identifiers_and_full_attribute_names() -> None:
    value = header(
        {
            "id": "urn:epc:id:sgln:9521234.00000.0",
            "attributes": [
                {"id": "cbvmda:name", "attribute": "Alpine Dairy"},
                {"id": "urn:epcglobal:cbv:mda#city", "attribute": "Chur"},
                {"id": "ex:gates", "attribute": {"ex:count": 4}},
            ],
            "children": ["urn:epc:id:sgln:9521234.00000.gate1"],
        },
        kind="urn:epcglobal:epcis:vtype:BizLocation",
    )
    read = read_master_data(value, {"ex": "https://dairy.example/ns#"})
    assert read.problems == []
    assert read.elements == [
        VocabularyElement(
            LOCATION,
            PLACE,
            {
                NAME: "Alpine Dairy",
                CITY: "Chur",
                "https://dairy.example/ns#gates": {"https://dairy.example/ns#count": 4},
            },
            (f"{PLACE}/254/gate1",),
        )
    ]


def test_a_second_attribute_of_one_name_is_a_second_value() -> None:
    attributes = [{"id": "cbvmda:name", "attribute": text} for text in ("Dairy", "Molkerei")]
    (element,) = read_master_data(header({"id": PLACE, "attributes": attributes})).elements
    assert element.attributes == {NAME: ["Dairy", "Molkerei"]}
    assert name_of(element.attributes) == "Dairy"


def test_an_element_that_breaks_a_rule_is_left_out_and_the_others_stay() -> None:
    bad: list[Any] = [
        {"id": "https://id.gs1.org/414/9521234000007"},
        {"id": PLACE, "attributes": [{"id": "cbvmda:name"}]},
        {"id": PLACE, "children": "all"},
        {"id": PLACE, "children": ["no identifier"]},
        {"id": PLACE, "attributes": [{"id": "cbvmda:name", "attribute": "x" * MAX_ELEMENT_BYTES}]},
    ]
    read = read_master_data(header(*bad, {"id": PLACE}), path="$.here")
    assert [element.id for element in read.elements] == [PLACE]
    assert read.malformed == len(bad)
    assert {problem.severity for problem in read.problems} == {"warning"}
    assert [problem.code for problem in read.problems] == [
        "gs1.check_digit", "epcis.master_data", "epcis.master_data", "gs1.not_a_uri", "epcis.master_data",
    ]  # fmt: skip
    assert read.problems[0].path == "$.here.vocabularyList[0].vocabularyElementList[0].id"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["id", PLACE, "cbvmda:name", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "vocabularyList",
                    "vocabularyElementList",
                    "type",
                    "id",
                    "attributes",
                    "attribute",
                    "children",
                    "@context",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json)
def test_no_header_raises(value: Any) -> None:
    read = read_master_data(value)
    read_master_data(header(value))
    assert read.malformed == 0 or read.problems


@given(elements, st.sampled_from(ORGANISATIONS), st.integers(0, 2**50))
def test_an_event_says_what_was_stated(element: VocabularyElement, organisation: str, time: int) -> None:
    event = element.event(organisation, time)
    read = statement_of(event.parts, 7, said(element).event_id, 9)
    assert read == Statement(element, organisation, time, 7, said(element).event_id, 9)
    rows = index_rows(event.parts)
    assert list(rows.tags) == event.tags == element.tags(organisation)
    assert rows.visibility == Visibility(organisation, (), MASTER_DATA)
    assert rows.sighting is None
    assert rows.identity == f"content:{organisation}\x00{content_digest(event.parts).hex()}"


def test_numbers_stay_as_they_were_written() -> None:
    value = read_value(b'{"id":"cbvmda:latitude","attribute":46.850}')
    (element,) = read_master_data(header({"id": PLACE, "attributes": [value]})).elements
    assert b":46.850}" in element.event(MAKER, 0).parts.more


def test_personal_attributes_are_apart_and_untagged() -> None:
    element = VocabularyElement(LOCATION, PLACE, {NAME: "Dairy", "https://dairy.example/ns#vet": "A. Muster"})
    event = element.event(MAKER, 0, ["https://dairy.example/ns#vet"])
    assert b"Muster" not in event.parts.more
    assert not any("vet" in tag for tag in event.tags)
    read = statement_of(event.parts, 1, said(element).event_id, 1)
    assert read is not None
    assert read.element == element


def test_what_a_person_gives_is_read_as_they_mean_it() -> None:
    findings = Findings(None, "")
    element = element_from(
        "BusinessLocation", "urn:epc:id:sgln:9521234.00000.0", {"name": "Dairy", "cbvmda:city": "Chur"},
        valid_from="2026-03-01", valid_until="2026-04-01T02:00:00+02:00", findings=findings,
    )  # fmt: skip
    assert element is not None
    assert findings.problems == []
    assert element.attributes == {NAME: "Dairy", CITY: "Chur"}
    assert element.valid_until is not None
    assert element.valid_from is not None
    assert element.valid_until - element.valid_from == 31 * 86_400_000_000
    assert element_from("ReadPoint", PLACE, {}, valid_from="20260301T102400Z", findings=findings) is not None
    for no_time in ("May", "2026-03-01T24:00:00Z", "20260301T240000Z", "2026-W09-7T24:00Z"):
        assert element_from("ReadPoint", PLACE, {}, valid_from=no_time, findings=findings) is None
    assert (
        element_from("ReadPoint", PLACE, {}, valid_from="2026-03-02", valid_until="2026-03-01", findings=findings)
        is None
    )


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a b", None),
        ("urn:x:a b", None),
        ("a{b}", None),
        ("", None),
        ("name", NAME),
        ("urn:epcglobal:cbv:mda#name", NAME),
        ("Größe", f"{CBV_ATTRIBUTE}Größe"),
        ("https://dairy.example/ns#vet", "https://dairy.example/ns#vet"),
    ],
)
def test_the_name_of_an_attribute_is_a_uri_or_may_stand_for_one(name: str, known: str | None) -> None:
    findings = Findings(None, "")
    element = element_from("Location", PLACE, {name: "x"}, findings=findings)
    assert (None if element is None else list(element.attributes)) == (None if known is None else [known])
    read = read_master_data(header({"id": PLACE, "attributes": [{"id": name, "attribute": "x"}]}))
    # In a document a bare word stays what it is: only a question may mean the word of the CBV.
    kept = known if known is None or ":" in name else name
    assert [list(one.attributes) for one in read.elements] == ([] if kept is None else [[kept]])
    assert read.malformed == (kept is None)


@pytest.mark.parametrize("kind", ["my places", "urn:x:my places", ""])
def test_the_type_of_a_vocabulary_is_a_uri(kind: str) -> None:
    assert element_from(kind, PLACE, {}, findings=Findings(None, "")) is None
    (problem,) = read_master_data({"vocabularyList": [{"type": kind, "vocabularyElementList": []}]}).problems
    assert (problem.path, problem.code) == ("$.vocabularyList[0]", "epcis.master_data")


# What statements amount to


@given(statements, st.randoms(), st.sampled_from([*ORGANISATIONS, PUBLIC]), st.integers(0, 40), registers)
def test_no_order_of_arrival_changes_names_or_what_is_below(
    found: list[Statement], random: Any, reader: str, at: int, register: Register
) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    one, other = folded(found, reader, register), folded(shuffled, reader, register)
    for subject in PLACES:
        assert one.elements(subject, at) == other.elements(subject, at)
        assert one.name(subject, at) == other.name(subject, at)
        assert one.below([subject], at) == other.below([subject], at)


def plainly(
    found: Sequence[Statement], reader: str, subject: str, kind: str, at: int, *, register: Register
) -> VocabularyElement | None:
    """Return what the guide says that counts, word by word."""
    gln = gln_of(subject) or ""
    holder = GLNS.get(gln) or register.prefix_holder(gln, at)
    order = [holder, reader] if holder else [reader, *sorted({one.stated_by for one in found} - {reader})]
    for organisation in order:
        own = [
            one
            for one in found
            if (one.stated_by, one.element.vocabulary, one.element.subject) == (organisation, kind, subject)
        ]
        counting = []
        for one in own:
            rivals = [other for other in own if other.element.valid_from == one.element.valid_from]
            if max(rivals, key=lambda other: (other.stated_at, other.element.digest())).element == one.element:
                counting.append(one.element)
        holding = [element for element in counting if element.holds_at(at)]
        if holding:
            last = max(holding, key=lambda element: -1 if element.valid_from is None else element.valid_from)
            if not last.withdrawn:
                return last
    return None


@given(statements, st.sampled_from([*ORGANISATIONS, PUBLIC]), st.sampled_from(PLACES), st.integers(0, 40), registers)
def test_the_element_at_a_time_is_the_one_that_the_rules_name(
    found: list[Statement], reader: str, subject: str, at: int, register: Register
) -> None:
    kinds = [LOCATION, vocabulary_type("ReadPoint")]
    told = (plainly(found, reader, subject, kind, at, register=register) for kind in kinds)
    assert folded(found, reader, register).elements(subject, at) == [element for element in told if element is not None]


@given(statements, st.sampled_from([*ORGANISATIONS, PUBLIC]), st.sampled_from(PLACES), st.integers(-5, 40), registers)
def test_each_era_has_what_holds_at_any_time_in_it(
    found: list[Statement], reader: str, root: str, at: int, register: Register
) -> None:
    data = folded(found, reader, register)
    spans = eras(data, lambda time: data.below([root], time))
    assert spans[0][0] == -FAR
    (subjects,) = [subjects for since, subjects in spans if since <= at][-1:]
    assert subjects == data.below([root], at)


def test_a_later_word_replaces_only_what_begins_when_it_does() -> None:
    always, from_ten = place(name="Old"), place(name="New", valid_from=10)
    told = [said(always), said(from_ten, stated_at=1), said(place(name="Older"), stated_at=2)]
    assert [folded(told).name(PLACE, at) for at in (5, 15)] == [None, None]  # it has a holder, who said nothing
    own = [Statement(one.element, HOLDER, one.stated_at, i, one.event_id, i) for i, one in enumerate(told, 1)]
    assert [folded(own).name(PLACE, at) for at in (5, 15)] == ["Older", "New"]


def test_a_product_is_what_the_holder_of_its_prefix_says_from_the_time_that_it_holds_it() -> None:
    product = "https://id.gs1.org/01/09521234000013"
    told = [said(place(product, "Cheese"), HOLDER), said(place(product, "Chalk"), RIVAL)]
    passed_on = [
        stated(PrefixHeld(organisation=RIVAL, prefix="9521", since=0)),
        stated(PrefixHeld(organisation=HOLDER, prefix="9521234", since=20), position=2),
    ]
    data = folded(told, PUBLIC, Register(passed_on, OPERATOR))
    # Where nobody holds it, the first by name is believed.
    assert [data.name(product, at) for at in (-1, 0, 20)] == ["Cheese", "Chalk", "Cheese"]
    assert data.changes == [0, 20]


def test_nobody_renames_the_place_of_another_but_for_itself() -> None:
    told = [said(place(name="Dairy"), HOLDER), said(place(name="Shed"), RIVAL)]
    assert [folded(told, reader).name(PLACE, AT) for reader in (PUBLIC, RIVAL, MAKER)] == ["Dairy", "Dairy", "Dairy"]
    assert [folded(told[1:], reader).name(PLACE, AT) for reader in (PUBLIC, RIVAL)] == [None, "Shed"]
    yard = PLACES[3]
    nobodys = [said(place(yard, "Yard"), MAKER), said(place(yard, "Court"), RIVAL)]
    assert [folded(nobodys, reader).name(yard, AT) for reader in (PUBLIC, RIVAL)] == ["Yard", "Court"]


def test_what_was_withdrawn_is_said_no_more() -> None:
    told = [said(place(name="Dairy"), HOLDER), said(place(withdrawn=True), HOLDER, 1)]
    assert folded(told).name(PLACE, AT) is None


def test_a_circle_of_children_ends() -> None:
    gate = PLACES[2]
    told = [said(place(children=(gate,)), HOLDER), said(place(gate, children=(PLACE,)), HOLDER)]
    assert folded(told).below([gate], AT) == {PLACE, gate}


# Who may see it


def test_master_data_is_opened_by_name_and_by_nothing_else() -> None:
    master, shipping = Visibility(MAKER, (), MASTER_DATA), Visibility(MAKER, (), "shipping")

    def extent(visibility: Visibility, parts: set[str], steps: set[str] | None = None) -> frozenset[str] | None:
        grant = Grant(MAKER, PUBLIC, None if steps is None else frozenset(steps), frozenset(parts))
        return Reader(PUBLIC, grants=(grant,)).extent(visibility)

    assert extent(master, {"what", "where", "more"}) is None
    assert extent(shipping, {MASTER_DATA}) is None
    opened = extent(master, {MASTER_DATA, "item"}, {"shipping"})
    assert opened is not None
    assert "more" in opened
    assert "personal" not in opened
    assert extent(shipping, {MASTER_DATA, "item"}, {"shipping"}) == frozenset({"item"})
    assert Reader(RIVAL).extent(master) is None


def test_the_subjects_of_children_are_compared() -> None:
    urn = parse_identifier("urn:epc:id:sgln:9521234.00000.gate1").uri
    assert folded([said(place(children=(urn,)), HOLDER)]).children(PLACE, AT) == {PLACES[2]}
