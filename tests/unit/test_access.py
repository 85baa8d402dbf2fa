from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.errors import InvalidInputError
from traceability.ledger.access import (
    ALL_PARTS,
    GRANTABLE_PARTS,
    MASTER_DATA,
    PUBLIC,
    SHAREABLE_PARTS,
    Grant,
    Reader,
    open_item_indices,
    organisation_name,
    redact,
)
from traceability.ledger.index import Visibility
from traceability.ledger.parts import Parts

LISTS = ("parentID", "transformationID", "inputEPCList", "outputEPCList", "epcList", "childEPCs", "quantityList")
NAMES = ("dairy.example", "carrier.example", "store.example")
STEPS = ("shipping", "receiving", None)
GLN = "9521234000006"

items = st.lists(st.tuples(st.sampled_from(LISTS), st.integers(0, 30)), max_size=30)
extents = st.frozensets(st.sampled_from(sorted(ALL_PARTS | {"item"})))
asked_ids = st.frozensets(st.integers(0, 30).map(lambda n: f"urn:x:{n:04}"))


def item(name: str, number: int) -> bytes:
    return orjson.dumps({"list": name, "id": f"urn:x:{number:04}"})


def parts_of(what: list[tuple[str, int]]) -> Parts:
    return Parts(
        head=b'{"head":1}',
        what=tuple(item(*one) for one in what),
        where=b'{"where":1}',
        why=b'{"why":1}',
        how=b'{"how":1}',
        more=b'{"more":1}',
        personal=b'{"personal":1}',
        source=b"source",
    )


@given(items, extents, asked_ids)
def test_a_view_holds_no_byte_outside_the_extent(
    what: list[tuple[str, int]], extent: frozenset[str], asked: frozenset[str]
) -> None:
    parts = parts_of(what)
    view = redact(parts, extent, asked)
    assert view.head == parts.head
    for name in ALL_PARTS - {"what"}:
        assert getattr(view, name) == (getattr(parts, name) if name in extent else b"")
    if "what" in extent:
        assert view.what == parts.what
        return
    if "item" not in extent:
        assert view.what == ()
        return
    shown = [orjson.loads(one) for one in view.what]
    named = [one for one in shown if one["id"] in asked]
    others = [one for one in shown if one["id"] not in asked]
    assert [item(*one) for one in what if f"urn:x:{one[1]:04}" in asked] == [orjson.dumps(one) for one in named]
    assert all(one["list"] == "parentID" for one in others)
    if others:
        assert any(one["list"] != "parentID" for one in named)


def test_one_pack_of_a_pallet_is_shown_with_its_pallet_and_without_its_siblings() -> None:
    what = [("parentID", 0), ("childEPCs", 1), ("childEPCs", 2), ("childEPCs", 3)]
    extent = frozenset({"item"})
    assert list(open_item_indices(parts_of(what).what, extent, {"urn:x:0002"})) == [0, 2]
    assert list(open_item_indices(parts_of(what).what, extent, {"urn:x:0000"})) == [0]
    assert list(open_item_indices(parts_of(what).what, extent, {"urn:x:0009"})) == []
    assert list(open_item_indices(parts_of(what).what, extent, ())) == []


def test_who_captured_an_event_sees_all_of_it() -> None:
    visibility = Visibility("dairy.example", (), "shipping")
    assert Reader("dairy.example").extent(visibility) == ALL_PARTS
    assert Reader("store.example").extent(visibility) is None


def test_nobody_is_the_public() -> None:
    assert Reader(PUBLIC).extent(Visibility(PUBLIC, (), None)) is None


@pytest.mark.parametrize(
    "party",
    [
        GLN,
        f"party:https://id.gs1.org/417/{GLN}",
        f"party:https://id.gs1.org/414/{GLN}",
        f"party:https://id.gs1.org/414/{GLN}/254/DOCK-4",
    ],
)
def test_a_named_party_sees_all_but_the_personal_and_the_source(party: str) -> None:
    names = frozenset({GLN, f"https://id.gs1.org/417/{GLN}", f"https://id.gs1.org/414/{GLN}"})
    visibility = Visibility("dairy.example", (party,), None)
    assert Reader("carrier.example", names).extent(visibility) == SHAREABLE_PARTS
    assert Reader("carrier.example", frozenset({"9521234000013"})).extent(visibility) is None


def test_a_private_address_with_the_same_ending_is_another_party() -> None:
    visibility = Visibility("dairy.example", ("party:https://x.example/254/1",), None)
    assert Reader("x.example", frozenset({"https://x.example"})).extent(visibility) is None


grants = st.builds(
    Grant,
    grantor=st.sampled_from(NAMES),
    grantee=st.sampled_from((*NAMES, PUBLIC)),
    steps=st.none() | st.frozensets(st.sampled_from(("shipping", "receiving"))),
    parts=st.frozensets(st.sampled_from(sorted(GRANTABLE_PARTS))),
)


@given(st.lists(grants, max_size=6), st.sampled_from(NAMES), st.sampled_from(STEPS))
def test_grants_add_up_to_what_each_opens_and_no_more(given_: list[Grant], captured_by: str, step: str | None) -> None:
    visibility = Visibility(captured_by, (), step)
    extent = Reader("auditor.example", grants=tuple(given_)).extent(visibility)
    of_events = [g for g in given_ if g.parts != {MASTER_DATA}]
    matching = [g for g in of_events if g.grantor == captured_by and (g.steps is None or step in g.steps)]
    if not matching:
        assert extent is None
    else:
        assert extent == frozenset(part for g in matching for part in g.parts) - {MASTER_DATA}
        assert "personal" not in extent
        assert "source" not in extent


@pytest.mark.parametrize("part", ["personal", "source", "head", "everything"])
def test_what_may_not_be_granted_is_refused(part: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Grant("dairy.example", PUBLIC, None, frozenset({"item", part}))
    assert caught.value.code == "access.parts"


@pytest.mark.parametrize("name", ["a", "dairy.example", "0-9", "a" * 63])
def test_names_of_organisations(name: str) -> None:
    assert organisation_name(name) == name


@pytest.mark.parametrize("name", ["", "public", "Dairy", "-a", "a-", ".a", "a b", "ä", "a\n", "a" * 64, "a/b"])
def test_texts_that_are_no_names_of_organisations(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        organisation_name(name)
    assert caught.value.code == "access.name"
