"""Bundles made up for tests, over logs made up for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from tests.support.logs import FIRST_POSITION, KEY, MadeUpLog
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.ledger.event import utc_text
from traceability.notary.bundle import BundledLog, Kind, LogShare, Manifest, write_bundle
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.log import tile_reader
from traceability.notary.policy import Policy, PolicyLog
from traceability.notary.ports import StoredEvent
from traceability.notary.receipt import Opening, open_event

POLICY = Policy(logs=(PolicyLog(KEY.verifier),))


def answer_over(events: Sequence[StoredEvent], known_at: int) -> dict[str, Any]:
    """Make the answer of a trace that rests on events, one edge each."""
    return {
        "known_at": known_at,
        "edges": [{"kind": "lot", "positions": [event.position]} for event in events],
        "events": [
            {
                "position": event.position,
                "event_id": str(event.event_id),
                "leaf_index": event.position - FIRST_POSITION,
            }
            for event in events
        ],
    }


def opening_of(event: StoredEvent, extent: frozenset[str], items: Sequence[int] = ()) -> Opening:
    """Open a stored event."""
    shown = items or (range(len(event.parts.what)) if "what" in extent else ())
    return open_event(
        event.event_id,
        event.recorded_at,
        event.parts,
        event.salt,
        event.personal_salt,
        extent=extent,
        items=shown,
    )


def share_of(log: MadeUpLog, indices: Sequence[int]) -> LogShare:
    """Return leaves of a made-up log as a bundle takes them."""
    note = log.tiles.checkpoint()
    assert note is not None
    checkpoint, _ = open_checkpoint(note, KEY.verifier)
    return LogShare(BundledLog(KEY.verifier, FIRST_POSITION), checkpoint, note, tile_reader(log.tiles), indices)


def bundle_of(
    log: MadeUpLog,
    indices: Sequence[int],
    *,
    extent: frozenset[str],
    answer: dict[str, Any] | None = None,
    items: Sequence[int] = (),
) -> bytes:
    """Make a bundle of leaves of a made-up log; of `what` it opens these items of each event that has any."""
    events = [log.records[index] for index in indices]
    share = share_of(log, indices)
    known_at = FIRST_POSITION + share.checkpoint.size - 1
    manifest = Manifest(Kind.TRACE, "dairy.example", {"roots": ["x"]}, known_at, (share.log,))
    text = json.dumps(answer if answer is not None else answer_over(events, known_at)).encode()
    openings = (opening_of(event, extent, [i for i in items if i < len(event.parts.what)]) for event in events)
    out = BytesIO()
    write_bundle(out, manifest, text, policy=POLICY, shares=[share], openings=openings)
    return out.getvalue()


def page_of(log: MadeUpLog, indices: Sequence[int], *, extents: Sequence[frozenset[str]]) -> bytes:
    """Make the bundle of a page of EPCIS events of a made-up log, the last first; each has an extent."""
    events, share = [log.records[index] for index in indices], share_of(log, indices)
    openings = [opening_of(event, extent) for event, extent in zip(events, extents, strict=True)]
    known_at = FIRST_POSITION + share.checkpoint.size - 1
    positions = tuple(event.position for event in reversed(events))
    manifest = Manifest(Kind.EVENTS, "dairy.example", {"perPage": ["30"]}, known_at, (share.log,), positions)
    written = [write_event(opening.shown(), opening.recorded_at) for opening in reversed(openings)]
    out = BytesIO()
    document = write_query_document(written, created_at=0)
    write_bundle(out, manifest, document, policy=POLICY, shares=[share], openings=openings)
    return out.getvalue()


def evidence_of(log: MadeUpLog, index: int) -> bytes:
    """Make the bundle of a piece of evidence in a made-up log."""
    event, share = log.records[index], share_of(log, [index])
    head, payload = json.loads(event.parts.head), json.loads(event.parts.more)["payload"]
    answer = {
        "event_id": str(event.event_id),
        "position": event.position,
        **{name: payload.get(name) for name in ("sha256", "size", "statement")},
        "stored": payload.get("stored", False),
        "registered_by": head["captured_by"],
        "registered_by_name": "Dairy",
        "recorded_at": utc_text(event.recorded_at),
    }
    known_at = FIRST_POSITION + share.checkpoint.size - 1
    manifest = Manifest(Kind.EVIDENCE, "public", {"event_id": str(event.event_id)}, known_at, (share.log,))
    out = BytesIO()
    openings = [opening_of(event, frozenset({"more"}))]
    write_bundle(out, manifest, json.dumps(answer).encode(), policy=POLICY, shares=[share], openings=openings)
    return out.getvalue()
