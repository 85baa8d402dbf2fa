"""What HTTP answers is what an export gives, for whoever asks, also when it asks for what it may not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import orjson
import pytest

from adapters.exports.files import read_file
from adapters.exports.provenance import ExportedEvents
from adapters.postgres.erasure import erase
from api.audit import difference, export_log, read_answer, read_question, reader_named, recompute
from api.notary import integrate_all
from api.wiring import INDEXER, Engine
from tests.support.happenings import (
    OTHER_PALLET,
    PALLET,
    commission,
    hours,
    observe,
    pack,
    put,
    records,
    take,
    transform,
)
from traceability.errors import NotFoundError
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope
from traceability.ledger.register.statements import LicenceGranted, PrefixHeld, RuleSet
from traceability.notary.export import AuditExport
from traceability.notary.note import VerifierKey

DAIRY, STORE = "dairy.example", "store.example"
WORDS = "correct horse battery staple"
THINGS = [pack(1), pack(2), pack(3), PALLET, OTHER_PALLET, pack("never")]
STORY = [
    commission(1, pack(1), pack(2), number="L1", by=DAIRY, event_id="urn:uuid:1"),
    put(2, PALLET, pack(1), pack(2), by=DAIRY, event_id="urn:uuid:2"),
    observe(3, PALLET, by=STORE, place="https://id.gs1.org/414/9521234000013", event_id="urn:uuid:3"),
    take(4, PALLET, pack(1), by=STORE, event_id="urn:uuid:4"),
    transform(5, [pack(1)], [pack(3)], by=STORE, event_id="urn:uuid:5"),
    observe(6, pack(3), by=STORE, event_id="urn:uuid:6"),
    observe(6, pack(3), by=STORE, event_id="urn:uuid:6").retracted(),
    put(7, OTHER_PALLET, pack(3), by=DAIRY, event_id="urn:uuid:7"),
]

OPERATOR = "local"
REGISTERED = [
    PrefixHeld(organisation=STORE, prefix="9521234", since=hours(0)),
    RuleSet(action="packing", licences=("packer",), since=hours(2)),
    LicenceGranted(organisation=DAIRY, kind="packer", number="1", issuer="Office", since=hours(0), until=hours(7)),
]


@pytest.fixture
def events(engine: Engine, tmp_path: Path) -> Iterator[ExportedEvents]:
    """Give the export of a ledger that has told more, and of which something was erased, since."""
    list(engine.ledger.append_all(record.event for record in records(STORY)))
    for said in REGISTERED:
        hidden = isinstance(said, LicenceGranted)
        engine.ledger.append([said.event(captured_by=OPERATOR, stated_at=0, hidden=hidden)])
    engine.organisations.set_grant(Grant(DAIRY, "public", frozenset({"packing"}), frozenset({"item"})))
    engine.organisations.set_grant(Grant(STORE, DAIRY, None, frozenset({"what", "where"})))
    erase(engine.urls.owner, engine.ledger, 2, reason="r", authority="a")
    integrate_all(engine)
    path = tmp_path / "all.age"
    export_log(engine, path, WORDS, work=2)
    list(engine.ledger.append_all(record.event for record in records([observe(8, pack(3), by=DAIRY)])))
    with read_file(path, WORDS) as plain:
        export = AuditExport(plain)
        yield ExportedEvents(export, [VerifierKey.parse(export.header.vkey)], INDEXER)


@pytest.mark.parametrize("organisation", ["public", DAIRY, STORE])
def test_answers_over_http_are_recomputed(
    client: httpx.Client, bearer: Callable[..., dict[str, str]], events: ExportedEvents, organisation: str
) -> None:
    headers = {} if organisation == "public" else bearer(organisation, Scope.QUERY)
    reader = reader_named(events.headers[0], organisation)
    told = 0
    for thing in THINGS:
        for known_at in (len(STORY) + len(REGISTERED) + 1, 5):
            path = f"/provenance/items/{quote(thing, safe='')}?known_at={known_at}"
            body = {"roots": [thing], "known_at": known_at, "include": ["events"]}
            for answer, question in (
                (client.get(path, headers=headers), {"item": thing, "known_at": known_at}),
                (client.post("/provenance/traces", json=body, headers=headers), {"trace": body}),
            ):
                asked, given = read_question(orjson.dumps(question)), read_answer(answer.content)
                if answer.status_code == 404:
                    with pytest.raises(NotFoundError) as refused:
                        recompute(events, asked, reader, given)
                    assert refused.value.code == given["code"]
                else:
                    assert difference(given, read_answer(recompute(events, asked, reader, given))) is None
                    told += 1
    assert told > 3
