"""The page's modules against Python's verifier: the same verdict on every bundle and mutant of one."""

from __future__ import annotations

import re
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
from tests.conformance.test_repeating_bundles import (
    EVIDENCE,
    OTHER_EVIDENCE,
    OTHER_MANIFESTS,
    OTHER_PAGES,
    PLAIN,
    WHOLE,
    event_list,
    log_of,
    places,
    shared_events,
    with_answer,
    with_manifest,
)
from tests.conformance.test_repeating_bundles import (
    INDICES as PAGE,
)
from tests.conformance.test_repeating_bundles import (
    LOG as EVENT_LOG,
)
from tests.support.bundles import bundle_of, page_of
from tests.support.logs import ORIGIN
from traceability.ledger.access import SHAREABLE_PARTS
from traceability.notary.multiproof import MultiProof
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


def test_a_changed_bit_in_every_byte_of_every_header(agree: Agree) -> None:
    directory = BUNDLE.index(b"PK\x01\x02")
    starts = [match.start() for match in re.finditer(rb"PK\x03\x04", BUNDLE)]
    places = [at for start in starts[:2] for at in range(start, start + 30)]
    places += range(directory, directory + 120)
    places += range(len(BUNDLE) - 22, len(BUNDLE))
    mutants = [BUNDLE[:at] + bytes((BUNDLE[at] ^ 1,)) + BUNDLE[at + 1 :] for at in places]
    codes = agree(*mutants)
    # Versions, times and attributes mean nothing; whatever else there is means something.
    assert 40 < codes.count(None) < 80


def test_proofs_with_a_hash_too_many_or_too_few_and_indices_out_of_order(agree: Agree) -> None:
    proof = MultiProof.parse(files_of(BUNDLE)["1.proof"])
    size, indices, hashes = proof.size, proof.indices, proof.hashes
    swapped = (indices[1], indices[0], *indices[2:])
    others = [
        MultiProof(size, indices, (*hashes, bytes(32))),
        MultiProof(size, indices, (bytes(32), *hashes)),
        MultiProof(size, indices, hashes[:-1]),
        MultiProof(size, indices, (hashes[1], hashes[0], *hashes[2:])),
        MultiProof(size, swapped, hashes),
        MultiProof(size, (indices[0], *indices), hashes),
        MultiProof(size, (indices[1], *indices[1:]), hashes),
        MultiProof(size, indices[:-1], hashes),
        MultiProof(size, (*indices[:-1], size), hashes),
        MultiProof(size + 1, indices, hashes),
        MultiProof(0, indices, hashes),
        MultiProof(size, (), hashes),
    ]
    encoded = [other.encode() for other in others]
    encoded += [proof.encode()[:-1], proof.encode() + b"x", proof.encode()[:30], b""]
    codes = agree(*[changed("1.proof", lambda _, other=other: other) for other in encoded])  # type: ignore[misc]
    assert None not in codes


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


def test_pages_of_events_and_evidence(agree: Agree) -> None:
    assert agree(WHOLE, PLAIN, EVIDENCE) == [None] * 3
    assert None not in agree(*[with_manifest(WHOLE, change) for change in OTHER_MANIFESTS])
    assert None not in agree(*[with_answer(PLAIN, change) for change in OTHER_PAGES])
    assert None not in agree(*[with_answer(EVIDENCE, change) for change in OTHER_EVIDENCE])
    shared = list(shared_events())
    if shared:
        assert agree(page_of(log_of(shared), range(len(shared)), extents=[SHAREABLE_PARTS] * len(shared))) == [None]


@given(st.data())
@settings(max_examples=15)
def test_pages_of_any_extents_and_changed_events(agree: Agree, data: st.DataObject) -> None:
    extents = [data.draw(st.frozensets(st.sampled_from(sorted(SHAREABLE_PARTS)))) for _ in PAGE]
    page = page_of(EVENT_LOG, PAGE, extents=extents)

    def change(answer: Any) -> None:
        where, key = data.draw(st.sampled_from(list(places(event_list(answer)))))
        match data.draw(st.sampled_from(["other", "none", "more"])):
            case "other":
                where[key] = data.draw(st.sampled_from([None, True, 1, 1.0, "x", [], {}]))
            case "none":
                del where[key]
            case _ if isinstance(where, dict):
                where[data.draw(st.sampled_from(["position", "x", "__proto__"]))] = where[key]
            case _:
                where.append(where[key])

    agree(page, *[with_answer(page, change) for _ in range(8)])
