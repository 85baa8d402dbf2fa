"""Bundles of pages of EPCIS events and of evidence: what the answer says is what is shown, by both verifiers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.bundle_verifier import verify_bundle as independent
from tests.conformance.test_bundles import TRUST, VKEY, both_accept, files_of, zipped
from tests.support.bundles import evidence_of, opening_of, page_of, share_of
from tests.support.epcis_events import LOT, OTHER_PACK, PACK, event, parts, typed
from tests.support.logs import FIRST_POSITION, MadeUpLog, pallet_parts, stored_event
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.ledger.access import SHAREABLE_PARTS
from traceability.ledger.commitment import commit, entry_of, leaf_hash
from traceability.ledger.event import opaque_data
from traceability.ledger.evidence import EvidenceRegistered
from traceability.ledger.parts import Parts
from traceability.notary.bundle import Kind, Manifest, write_bundle
from traceability.notary.policy import Policy
from traceability.notary.verify import verify

ROOT = Path(__file__).parents[2]
FIXTURES = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve()
FAR = (1 << 63) - 1
OWN = "https://dairy.example/ns#"


def own_events() -> list[Parts]:
    declaration = {"declarationTime": "2026-03-02T00:00:00Z", "reason": "incorrect_data", f"{OWN}by": "quality"}
    quantities = [{"epcClass": LOT, "quantity": 60.5, "uom": "KGM"}, {"epcClass": LOT}]
    return [
        pallet_parts(3),
        parts(event(epcList=[PACK, OTHER_PACK], bizStep="shipping", disposition="in_transit")),
        parts(event(epcList=[PACK], eventID="urn:uuid:a", errorDeclaration=declaration)),
        parts(
            event(
                quantityList=quantities,
                action="ADD",
                ilmd={f"{OWN}vintage": [1, 1.0, True, None]},
                **{f"{OWN}position": "x"},
            )
        ),
        parts(
            typed(
                "TransformationEvent",
                action=None,
                transformationID="urn:uuid:b",
                inputEPCList=[PACK],
                outputQuantityList=quantities,
            )
        ),
        parts(
            typed(
                "TransactionEvent",
                action="ADD",
                epcList=[PACK],
                bizTransactionList=[{"type": "po", "bizTransaction": "urn:x:1"}],
            )
        ),
    ]


def shared_events() -> Iterator[Parts]:
    for path in sorted((FIXTURES / "epcis").rglob("*.json*")):
        if path.is_file():
            for captured in read_document(path.read_bytes(), captured_by="dairy.example").events:
                yield captured.event.parts


def log_of(events: list[Parts]) -> MadeUpLog:
    log = MadeUpLog([stored_event(i, one) for i, one in enumerate(events)])
    log.integrate()
    return log


def evidence_parts(**members: Any) -> Parts:
    registered = EvidenceRegistered(sha256="ab" * 32, **members).to_event(
        captured_by="dairy.example", occurred_at=0, tags=[]
    )
    assert opaque_data(registered.parts) == registered.data
    return registered.parts


EVENTS = own_events()
LOG = log_of([*EVENTS, evidence_parts(size=7, statement="Contract"), evidence_parts(stored=True, file_key="k")])
INDICES = list(range(len(EVENTS)))
WHOLE = page_of(LOG, INDICES, extents=[SHAREABLE_PARTS] * len(EVENTS))
# Of numbers that Python writes as it reads them, so that an answer can be changed and written again.
PLAIN = page_of(LOG, INDICES[1:], extents=[SHAREABLE_PARTS] * len(INDICES[1:]))
EVIDENCE = evidence_of(LOG, len(EVENTS))


def with_answer(data: bytes, change: Callable[[Any], object]) -> bytes:
    answer = json.loads(files_of(data)["answer.json"])
    change(answer)
    return zipped({**files_of(data), "answer.json": json.dumps(answer).encode()})


def with_manifest(data: bytes, change: Callable[[Any], object]) -> bytes:
    manifest = json.loads(files_of(data)["bundle.json"])
    change(manifest)
    return zipped({**files_of(data), "bundle.json": json.dumps(manifest).encode()})


def event_list(answer: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = answer["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return events


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a JSON value with each of its keys."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def test_both_verifiers_hold_a_page_against_its_events() -> None:
    verified, theirs = verify(WHOLE, TRUST), independent(WHOLE, [VKEY])
    assert verified.events == len(EVENTS)  # type: ignore[union-attr]
    assert theirs["kind"] == "events"
    lines = verified.lines()
    assert "proven: what answer.json says of these events is what is shown of them" in lines
    assert "not proven: that no other event about the same things was left out" in lines
    assert not any("follows from these events" in line for line in lines)


def test_every_event_of_the_shared_documents_is_written_as_both_verifiers_read_it() -> None:
    if not FIXTURES.is_dir():
        pytest.skip("shared fixtures absent")
    events = list(shared_events())
    assert len(events) > 100
    log = log_of(events)
    extent = SHAREABLE_PARTS
    assert both_accept(page_of(log, range(len(events)), extents=[extent] * len(events)))


@given(st.data())
def test_a_page_of_any_extents_holds(data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.sampled_from(INDICES), min_size=1, unique=True).map(sorted))
    extents = [data.draw(st.frozensets(st.sampled_from(sorted(SHAREABLE_PARTS)))) for _ in indices]
    assert both_accept(page_of(LOG, indices, extents=extents))


def test_a_member_of_an_event_that_is_changed_missing_or_too_many_is_found() -> None:
    files = files_of(PLAIN)
    answer = json.loads(files["answer.json"])

    def holds() -> bool:
        return both_accept(zipped({**files, "answer.json": json.dumps(answer).encode()}))

    for where, key in list(places(event_list(answer))):
        kept = where[key]
        for other in ("changed", None, 17):
            where[key] = other
            assert holds() is (kept == other)
        if isinstance(where, dict):
            del where[key]
            assert not holds()
            where[f"{key}2"] = kept
            assert not holds()
            del where[f"{key}2"]
        where[key] = kept
        assert holds()


def test_a_number_is_told_as_it_was_written() -> None:
    answer = files_of(WHOLE)["answer.json"]
    assert b"4.10" in answer
    for other in (b"4.1", b"41.0e-1", b'"4.10"'):
        assert not both_accept(zipped({**files_of(WHOLE), "answer.json": answer.replace(b"4.10", other)}))


OTHER_MANIFESTS: list[Callable[[Any], object]] = [
    lambda m: m["positions"].reverse(),
    lambda m: m["positions"].pop(),
    lambda m: m["positions"].append(m["positions"][0]),
    lambda m: m.update(positions=[m["positions"][0]] * len(INDICES)),
    lambda m: m["positions"].append(FIRST_POSITION + len(INDICES)),
    lambda m: m["positions"].append(-1),
    lambda m: m["positions"].append(True),
    lambda m: m.update(positions=None),
    lambda m: m.update(positions={}),
    lambda m: m.pop("positions"),
    lambda m: m.update(kind="trace"),
    lambda m: m.update(kind="evidence"),
    lambda m: m.update(kind=["events"]),
    lambda m: m.update(known_at=FIRST_POSITION),
]


@pytest.mark.parametrize("change", OTHER_MANIFESTS)
def test_a_manifest_of_a_page_that_cannot_be_is_refused(change: Callable[[Any], object]) -> None:
    assert not both_accept(with_manifest(WHOLE, change))


OTHER_PAGES: list[Callable[[Any], object]] = [
    lambda a: event_list(a).reverse(),
    lambda a: event_list(a).pop(),
    lambda a: event_list(a).append(event_list(a)[0]),
    lambda a: a.update(epcisBody=[]),
    lambda a: a["epcisBody"]["queryResults"]["resultsBody"].update(eventList={}),
    lambda a: a.pop("epcisBody"),
]


@pytest.mark.parametrize("change", OTHER_PAGES)
def test_an_answer_of_other_events_is_refused(change: Callable[[Any], object]) -> None:
    assert not both_accept(with_answer(PLAIN, change))


def test_what_stands_around_the_events_is_nobodys_word() -> None:
    assert both_accept(
        with_answer(PLAIN, lambda a: a.update(creationDate="2026-01-01T00:00:00Z", position=1, known_at=2))
    )


def test_an_event_that_is_none_of_epcis_is_no_page() -> None:
    page = files_of(page_of(LOG, [0], extents=[SHAREABLE_PARTS]))
    other = files_of(evidence_of(LOG, len(EVENTS)))
    mixed = {**other, "answer.json": page["answer.json"]}
    manifest = json.loads(page["bundle.json"])
    mixed["bundle.json"] = json.dumps({**manifest, "positions": [FIRST_POSITION + len(EVENTS)]}).encode()
    assert not both_accept(zipped(mixed))


def test_both_verifiers_hold_evidence_against_its_event() -> None:
    lines = verify(EVIDENCE, TRUST).lines()
    assert independent(EVIDENCE, [VKEY])["kind"] == "evidence"
    assert "proven: what answer.json says of these events is what is shown of them" in lines
    assert not any("left out" in line for line in lines)
    assert both_accept(evidence_of(LOG, len(EVENTS) + 1))
    assert both_accept(
        with_answer(EVIDENCE, lambda a: a.update(registered_by_name="Somebody", page="https://x.example"))
    )


OTHER_EVIDENCE: list[Callable[[Any], object]] = [
    lambda a: a.update(sha256="cd" * 32),
    lambda a: a.update(size=8),
    lambda a: a.update(size="7"),
    lambda a: a.update(size=7.0),
    lambda a: a.update(size=None),
    lambda a: a.update(statement=None),
    lambda a: a.update(stored=True),
    lambda a: a.update(stored=0),
    lambda a: a.update(registered_by="store.example"),
    lambda a: a.update(recorded_at="2026-03-02T00:00:00.000000Z"),
    lambda a: a.update(position=a["position"] - 1),
    lambda a: a.update(event_id="019ca877-0c1b-7000-8000-000000000001"),
    lambda a: a.update(known_at=a["position"]),
    lambda a: a.pop("sha256"),
    lambda a: a.pop("size"),
    lambda a: a.pop("position"),
    lambda a: a.pop("event_id"),
    lambda a: a.pop("registered_by"),
]


@pytest.mark.parametrize("change", OTHER_EVIDENCE)
def test_evidence_that_says_something_else_is_refused(change: Callable[[Any], object]) -> None:
    assert not both_accept(with_answer(EVIDENCE, change))


def test_evidence_that_does_not_show_its_digest_is_refused() -> None:
    assert not both_accept(with_manifest(EVIDENCE, lambda m: m.update(kind="item")))
    page = files_of(page_of(LOG, [0], extents=[frozenset()]))
    manifest = {**json.loads(page["bundle.json"]), "kind": "evidence"}
    del manifest["positions"]
    position = FIRST_POSITION
    answer = {**json.loads(files_of(EVIDENCE)["answer.json"]), "position": position}
    answer["event_id"] = str(LOG.records[0].event_id)
    mixed = {"bundle.json": json.dumps(manifest).encode(), "answer.json": json.dumps(answer).encode()}
    assert not both_accept(zipped({**page, **mixed}))


def test_a_time_beyond_the_calendar_is_refused() -> None:
    near = stored_event(0, EVENTS[1])
    leaf = leaf_hash(entry_of(near.event_id, FAR, commit(near.parts, near.salt, near.personal_salt)))
    log = MadeUpLog([replace(near, recorded_at=FAR, leaf_hash=leaf)])
    log.integrate()
    share = share_of(log, [0])
    manifest = Manifest(Kind.EVENTS, "dairy.example", {}, FIRST_POSITION, (share.log,), (FIRST_POSITION,))
    document = write_query_document([write_event(near.parts, near.recorded_at)], created_at=0)
    openings, out = [opening_of(log.records[0], SHAREABLE_PARTS)], BytesIO()
    write_bundle(out, manifest, document, policy=Policy(), shares=[share], openings=openings)
    assert not both_accept(out.getvalue())
