"""Ledgers for tests: the rules that they run under, and events that are easy to make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from itertools import count

import orjson

from adapters.postgres.connection import open_pool
from adapters.postgres.event_query import PostgresEventQueries
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.register import PostgresRegister
from adapters.postgres.visibility import PostgresVisibility
from adapters.system import SystemClock, SystemEntropy
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.event import LedgerEvent, opaque_index
from traceability.ledger.index import Edge, IndexRows, Mark, MarkKind, TagHash, tag_hash
from traceability.ledger.organisations import LOCAL
from traceability.ledger.parts import Parts
from traceability.ledger.store import LedgerRules


def index_test_event(parts: Parts) -> IndexRows:
    """Index like any event that is not EPCIS, and take identity, marks and edges from the head's members."""
    rows = opaque_index(parts)
    head = orjson.loads(parts.head)
    marks = [Mark(MarkKind.CONTAINMENT, child, parent, opens) for child, parent, opens in head.get("marks", [])]
    edges = [Edge(node, is_input, via) for node, is_input, via in head.get("edges", [])]
    return replace(rows, identity=head.get("identity"), marks=tuple(marks), edges=tuple(edges))


def digest_test_event(parts: Parts) -> bytes:
    return sha256(parts.more).digest()


RULES = LedgerRules(
    indexer=index_test_event, content_digest=digest_test_event, clock=SystemClock(), entropy=SystemEntropy()
)


def rules(hash_of: TagHash = tag_hash) -> LedgerRules:
    return replace(RULES, tag_hash=hash_of)


def event(
    *tags: str,
    identity: str | None = None,
    text: str = "",
    kind: str = "test.happened.v1",
    received: bool = True,
    **head: object,
) -> LedgerEvent:
    """Make an event with these tags.

    `identity` makes repeats recognisable, `text` is its content; one that was `received` has a source part.
    """
    members = {"type": kind, "captured_by": "tests.example", "occurred_at": "2026-03-01T08:15:00.000000Z", **head}
    if identity is not None:
        members["identity"] = identity
    payload = orjson.dumps({"text": text})
    more = b'{"tags":' + orjson.dumps(tags) + b',"payload":' + payload + b"}"
    parts = Parts(head=orjson.dumps(members), more=more, source=b"as received: " + text.encode() if received else b"")
    return LedgerEvent(type=kind, data=payload, tags=list(tags), captured_by="tests.example", parts=parts)


def numbered(tags: Sequence[str], size: int) -> Iterator[LedgerEvent]:
    """Make `size` events with an identity each."""
    for n in count() if size < 0 else range(size):
        yield event(tags[n % len(tags)], identity=f"identity:{n}", text=str(n))


@contextmanager
def postgres_ledger(
    url: str, hash_of: TagHash = tag_hash, *, name: str = "main", connections: int = 8
) -> Iterator[PostgresLedger]:
    pool = open_pool(url, max_size=connections)
    try:
        yield PostgresLedger(pool, rules(hash_of), name=name, organisation="tests.example")
    finally:
        pool.close()


@contextmanager
def epcis_ledger(url: str, hash_of: TagHash = tag_hash, *, organisation: str) -> Iterator[PostgresLedger]:
    """Open a ledger of EPCIS events as the server would."""
    epcis = LedgerRules(index_rows, content_digest, SystemClock(), SystemEntropy(), hash_of)
    pool = open_pool(url, max_size=2)
    try:
        yield PostgresLedger(pool, epcis, organisation=organisation)
    finally:
        pool.close()


def register_of(ledger: PostgresLedger) -> PostgresRegister:
    """Return the register of a ledger whose operator is `local`."""
    return PostgresRegister(ledger, PostgresVisibility(ledger.pool, ledger.ledger_id), LOCAL)


def event_queries(ledger: PostgresLedger) -> PostgresEventQueries:
    """Return what answers queries over a ledger."""
    return PostgresEventQueries(ledger, PostgresVisibility(ledger.pool, ledger.ledger_id), register_of(ledger))
