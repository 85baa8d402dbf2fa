"""The page's modules against Python's verifier: the same verdict on every bundle and mutant of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.browser.verifiers import Agree
from tests.conformance.test_bundles import BUNDLE, INDICES, LOG, changed, changed_json, files_of, zipped
from tests.conformance.test_receipts import (
    ALL,
    VKEY,
)
from tests.support.bundles import bundle_of
from tests.support.logs import ORIGIN
from traceability.ledger.access import SHAREABLE_PARTS
from traceability.notary.note import SigningKey


def test_bundles(agree: Agree) -> None:
    whole = bundle_of(LOG, range(300), extent=ALL)
    empty = bundle_of(LOG, [0], extent=frozenset())
    assert agree(BUNDLE, whole, empty, zipped({**files_of(BUNDLE), "1.tsr": b"x"})) == [None] * 4
    assert agree(zipped(files_of(BUNDLE), 0), trusted=VKEY) == [None]
    assert agree(BUNDLE, trusted=SigningKey(ORIGIN, bytes(32)).verifier.text) == ["log.untrusted_key"]


@given(st.data())
@settings(max_examples=25)
def test_altered_bundles(agree: Agree, data: st.DataObject) -> None:
    mutants = []
    for _ in range(12):
        other = bytearray(BUNDLE)
        ends = st.integers(len(other) - 700, len(other) - 1)  # where the headers are
        at = data.draw(st.one_of(st.integers(0, len(other) - 1), ends))
        match data.draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip":
                other[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del other[at : at + data.draw(st.integers(1, 40))]
            case _:
                other[at:at] = data.draw(st.binary(min_size=1, max_size=30))
        mutants.append(bytes(other))
    agree(*mutants)


@given(st.data())
@settings(max_examples=25)
def test_bundles_with_an_altered_file(agree: Agree, data: st.DataObject) -> None:
    mutants = []
    for _ in range(8):
        name = data.draw(st.sampled_from(sorted(files_of(BUNDLE))))
        content = bytearray(files_of(BUNDLE)[name])
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.sampled_from([content[at] ^ 1, *b'{}[]",:019 \n']))
        mutants.append(changed(name, lambda _, content=content: bytes(content)))  # type: ignore[misc]
    agree(*mutants)


FIRST = 11
ANSWERS: list[Callable[[Any], object]] = [
    lambda a: a["events"].append({"position": FIRST + 1}),
    lambda a: a["edges"][0]["positions"].append(FIRST + 1),
    lambda a: a.update(history=[{"x": {"opened_by": FIRST + 2}}]),
    lambda a: a.update(history=[{"closed_by": FIRST + 2}]),
    lambda a: a.update(history=[{"retracted_by": "019ca877-0c1b-7000-8000-000000000001"}]),
    lambda a: a["events"][0].update(event_id=a["events"][1]["event_id"]),
    lambda a: a["events"][0].update(event_id=None),
    lambda a: a["events"][0].update(leaf_index=5),
    lambda a: a["events"][0].update(leaf_index=False),
    lambda a: a["events"][0].update(position=str(FIRST)),
    lambda a: a["events"][1].update(position=True),
    lambda a: a["events"][1].update(position=-1),
    lambda a: a["events"][1].update(position=1.0),
    lambda a: a["edges"][0].update(positions=FIRST),
    lambda a: a["edges"][0].update(positions=None),
    lambda a: a.update(known_at=a["known_at"] - 1),
    lambda a: a.pop("known_at"),
]
FINE: list[Callable[[Any], object]] = [
    lambda a: a.update(note="nobody signs this"),
    lambda a: a["events"].pop(),
    lambda a: a["events"][0].update(leaf_index=None),
    lambda a: a.update(history=[{"opened_by": FIRST, "closed_by": None, "retracted_by": None}]),
    lambda a: a.update(retracted_by=a["events"][0]["event_id"]),
]
MANIFESTS: list[Callable[[Any], object]] = [
    lambda m: m.update(v="trace-bundle/2"),
    lambda m: m.update(kind="events"),
    lambda m: m.update(more=1),
    lambda m: m.pop("reader"),
    lambda m: m.update(logs=[]),
    lambda m: m["logs"].append(m["logs"][0]),
    lambda m: m["logs"][0].update(first_position=FIRST + 1),
    lambda m: m["logs"][0].update(first_position=-1),
    lambda m: m["logs"][0].update(vkey=SigningKey("x.example", bytes(32)).verifier.text),
    lambda m: m.update(known_at=True),
    lambda m: m.update(known_at=FIRST + INDICES[-1] - 1),
    lambda m: m.update(question=[]),
]


def test_answers_and_manifests_that_were_changed(agree: Agree) -> None:
    assert None not in agree(*[changed_json("answer.json", change) for change in ANSWERS])
    assert set(agree(*[changed_json("answer.json", change) for change in FINE])) == {None}
    assert None not in agree(*[changed_json("bundle.json", change) for change in MANIFESTS])
    twice = files_of(BUNDLE)["answer.json"].replace(b'{"known_at":', b'{"known_at":1,"known_at":')
    assert agree(changed("answer.json", lambda _: twice)) == ["log.repeated_member"]


def test_files_that_are_missing_and_a_zip_that_unpacks_to_too_much(agree: Agree) -> None:
    for name in files_of(BUNDLE):
        files = files_of(BUNDLE)
        del files[name]
        assert agree(zipped(files)) == ["bundle.incomplete"]
    assert agree(zipped({**files_of(BUNDLE), "zeros": bytes(50_000_000)})) == ["bundle.too_large"]
    assert agree(zipped({**files_of(BUNDLE), **{f"f{i}": b"" for i in range(60)}})) == ["bundle.too_large"]
    assert agree(zipped({**files_of(BUNDLE), "a/b": b""})) == ["bundle.zip"]


def test_the_erased_parts_of_a_bundle_are_withheld(agree: Agree) -> None:
    assert agree(bundle_of(LOG, INDICES, extent=SHAREABLE_PARTS)) == [None]
