"""The log and its receipts over HTTP, read by others' programs and by the second verifier."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict
from structlog.testing import capture_logs
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from api.integrator import Integrator, integrating
from api.notary import integrate_all, published_log, writable_log
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.conformance.verifier import verify as independent
from tests.support.captures import wait_until
from traceability.errors import InvalidInputError, UnavailableError
from traceability.gs1.epcis import read_document
from traceability.ledger.access import ITEM, Grant
from traceability.ledger.commitment import leaf_hash
from traceability.ledger.organisations import Scope
from traceability.notary.errors import RolledBackError
from traceability.notary.proof import LogProof

PACKS = [f"https://id.gs1.org/01/09521234000013/21/{serial}" for serial in range(10_000, 11_000)]
PALLET = "https://id.gs1.org/00/095212340000000013"
STORE_PARTY = "https://id.gs1.org/417/9521234000020"
EVENT_ID = "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"

Bearer = Callable[..., dict[str, str]]


def record(engine: Engine, *events: dict[str, Any], by: str = "dairy.example") -> list[UUID]:
    """Record EPCIS events as a feed would, and return their ids."""
    document = {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T08:15:00Z",
        "epcisBody": {"eventList": list(events)},
    }
    read = read_document(json.dumps(document).encode(), captured_by=by)
    assert [problem for problem in read.problems if problem.severity == "error"] == []
    ledger = engine.ledger_of(by)
    batches = ledger.append_all(captured.event for captured in read.events)
    return [appended.event_id for batch in batches for appended in batch]


def pallet() -> dict[str, Any]:
    return {
        "type": "AggregationEvent",
        "eventID": EVENT_ID,
        "eventTime": "2026-03-01T09:15:00+01:00",
        "eventTimeZoneOffset": "+01:00",
        "action": "ADD",
        "bizStep": "packing",
        "parentID": PALLET,
        "childEPCs": PACKS,
        "readPoint": {"id": "https://id.gs1.org/414/9521234000006"},
        "sourceList": [{"type": "possessing_party", "source": STORE_PARTY}],
    }


def observation(number: int) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "eventTime": f"2026-03-01T09:{number // 60 % 60:02}:{number % 60:02}+01:00",
        "eventTimeZoneOffset": "+01:00",
        "action": "OBSERVE",
        "epcList": [f"https://id.gs1.org/01/09521234000013/21/{number}"],
    }


@pytest.fixture
def pallet_id(engine: Engine) -> UUID:
    """Record a pallet of a thousand packs between other events, opened to the store by the item."""
    engine.organisations.set_grant(Grant("dairy.example", "store.example", None, frozenset({ITEM, "where"})))
    record(engine, *map(observation, range(300)))
    (event_id,) = record(engine, pallet())
    record(engine, *map(observation, range(300, 310)))
    integrate_all(engine)
    return event_id


def test_a_pack_of_a_pallet_verifies_and_tells_nothing_of_its_siblings(
    client: httpx.Client, bearer: Bearer, pallet_id: UUID
) -> None:
    store = bearer("store.example", Scope.QUERY)
    answer = client.get(f"/provenance/events/{pallet_id}/receipt", params={"item": PACKS[400]}, headers=store)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{pallet_id}.tlog-proof"'
    (log,) = client.get("/logs").json()
    shown = independent(answer.content, log["vkey"])
    assert shown["event_id"] == pallet_id.hex
    assert [json.loads(item)["id"] for item in shown["items"]] == [PALLET, PACKS[400]]
    assert shown["size"] == log["size"] == 311
    plain = _decoded(answer.content)
    for hidden in (*PACKS[:400], *PACKS[401:], STORE_PARTY, EVENT_ID, EVENT_ID.removeprefix("urn:uuid:")):
        assert hidden.encode() not in plain
    assert PACKS[400].encode() in plain


def _decoded(receipt: bytes) -> bytes:
    """Return the receipt with everything that is base64 in it decoded as well."""
    extra = LogProof.parse(receipt).extra or b""
    return receipt + extra + b"".join(b64decode(text) for text in re.findall(rb'"bytes":"([^"]*)"', extra))


def test_who_captured_it_gets_all_of_it_or_what_it_asks_for(
    client: httpx.Client, bearer: Bearer, pallet_id: UUID
) -> None:
    dairy = bearer("dairy.example", Scope.QUERY)
    vkey = client.get("/logs").json()[0]["vkey"]
    whole_text = client.get(f"/provenance/events/{pallet_id}/receipt", headers=dairy).content
    whole = independent(whole_text, vkey)
    assert len(whole["items"]) == 1001
    assert EVENT_ID.encode() in whole["parts"][5]
    urn = "urn:epc:id:sgtin:9521234.000001.10001"
    part = client.get(f"/provenance/events/{pallet_id}/receipt", params={"item": [urn, PACKS[2]]}, headers=dairy)
    assert [json.loads(item)["id"] for item in independent(part.content, vkey)["items"]] == [PALLET, PACKS[1], PACKS[2]]
    for text in (b"/21/10400", b"21/10003"):
        assert text in _decoded(whole_text)
        assert text not in _decoded(part.content)


def test_what_may_not_be_seen_is_as_if_it_were_not_there(client: httpx.Client, bearer: Bearer, pallet_id: UUID) -> None:
    store = bearer("store.example", Scope.QUERY)
    path = f"/provenance/events/{pallet_id}/receipt"
    unknown = client.get("/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt")
    hidden = client.get(path)
    assert (hidden.status_code, hidden.json()) == (unknown.status_code, unknown.json())
    assert hidden.json()["code"] == "ledger.unknown_event"
    without = client.get(path, headers=store)
    assert independent(without.content, client.get("/logs").json()[0]["vkey"])["items"] == []
    other = client.get(path, params={"item": "https://id.gs1.org/01/09521234000013/21/1"}, headers=store)
    assert (other.status_code, other.json()["code"]) == (404, "log.no_such_item")
    assert client.get(path, params={"item": "(01)123"}, headers=store).status_code == 422
    assert client.get("/provenance/events/x/receipt", headers=store).status_code == 422


def test_an_event_of_a_moment_ago_is_to_be_asked_for_again(
    client: httpx.Client, engine: Engine, bearer: Bearer
) -> None:
    (event_id,) = record(engine, pallet())
    dairy = bearer("dairy.example", Scope.QUERY)
    assert client.get("/logs").json() == []
    writable_log(engine)
    for path in (f"/provenance/events/{event_id}/receipt", "/logs/main/checkpoint"):
        answer = client.get(path, headers=dairy)
        assert (answer.status_code, answer.json()["code"]) == (503, "log.not_published")
        assert answer.headers["retry-after"] == "5"
    integrate_all(engine)
    assert client.get(f"/provenance/events/{event_id}/receipt", headers=dairy).status_code == 200


@pytest.mark.usefixtures("pallet_id")
def test_the_log_is_read_over_http_by_tlog_scales(client: httpx.Client) -> None:
    reader = TilesReader(HttpBackend(f"{client.base_url}/logs/main"))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(Vkey.from_string(client.get("/logs").json()[0]["vkey"]))
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index in (0, 255, 256, 300, 310):
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(leaf_hash(reader.get_entry(index)), checkpoint.root_hash)


@pytest.mark.usefixtures("pallet_id")
def test_headers_let_any_cache_and_any_page_have_the_log(client: httpx.Client) -> None:
    served = client.get("/logs/main/checkpoint")
    assert served.headers["content-type"] == "text/plain; charset=utf-8"
    assert served.headers["cache-control"] == "public, max-age=2"
    tile = client.get("/logs/main/tile/0/000")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    for answer in (served, tile):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        head = client.head(answer.url)
        length = str(len(answer.content))
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", length)
    assert len(tile.content) == 8192
    # A partial tile that has become full is cut out of it.
    assert client.get("/logs/main/tile/0/000.p/7").content == tile.content[: 7 * 32]
    assert client.get("/logs/main/tile/entries/001.p/55").status_code == 200


@pytest.mark.usefixtures("pallet_id")
def test_what_is_no_tile_is_not_there(client: httpx.Client) -> None:
    no_tiles = ["0/001", "0/000.p/256", "0/000.p/0", "0/x000/000", "64/000", "entries/9", "0/..%2f..%2fcheckpoint"]
    no_tiles += [f"0/{'x001/' * 6}000", f"0/{'x001/' * 1500}000"]
    for path in (*(f"main/tile/{tile}" for tile in no_tiles), "other/checkpoint", "%2e%2e/checkpoint"):
        assert client.get(f"/logs/{path}").status_code == 404, path


def size_of(engine: Engine) -> int:
    served = published_log(engine).served()
    return served[0].size if served else -1


@pytest.fixture
def running(engine: Engine) -> Iterator[Integrator]:
    with integrating(engine) as integrator:
        yield integrator


def test_the_server_integrates_what_is_recorded(engine: Engine, running: Integrator, app: FastAPI) -> None:
    wait_until(lambda: size_of(engine) == 0)
    for size in (1, 2):
        record(engine, observation(size))
        wait_until(lambda size=size: size_of(engine) == size)  # type: ignore[misc]
    assert integrate_all(engine).size == 2
    assert running.problem is None
    with serving(app) as client:
        assert client.get("/logs").json()[0]["size"] == 2


def test_another_server_takes_over(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.integrator.FOLLOW_SECONDS", 0.05)
    with ExitStack() as other:
        with integrating(engine):
            wait_until(lambda: size_of(engine) == 0)
            other.enter_context(integrating(engine))
        record(engine, observation(1))
        wait_until(lambda: size_of(engine) == 1)


def test_a_lost_connection_is_got_over(
    engine: Engine, running: Integrator, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.integrator.RETRY_SECONDS", 0.05)
    wait_until(lambda: size_of(engine) == 0)
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND datname = %s",
        [conninfo_to_dict(engine.urls.runtime)["dbname"]],
    )
    wait_until(lambda: running.problem is not None)
    wait_until(lambda: running.problem is None)
    record(engine, observation(1))
    wait_until(lambda: size_of(engine) == 1)


def test_a_damaged_log_stops_and_the_server_says_so(
    engine: Engine, running: Integrator, app: FastAPI, settings: Settings
) -> None:
    app.state.integrator = running
    wait_until(lambda: size_of(engine) == 0)
    with serving(app) as client:
        assert client.get("/readyz").status_code == 200
        blocked = settings.data / "logs/main/tile/0/000.p/1"
        blocked.parent.mkdir(parents=True)
        blocked.write_bytes(bytes(32))
        record(engine, observation(1))
        wait_until(lambda: running.problem is not None)
        answer = client.get("/readyz")
        reason = {"code": "ready.log", "detail": "The log does not grow (log.damaged)."}
        assert (answer.status_code, answer.json()["reasons"]) == (503, [reason])
    assert size_of(engine) == 0


def test_an_error_that_nobody_expected_stops_the_log_and_is_said(engine: Engine, app: FastAPI) -> None:
    class BrokenClock:
        def now_us(self) -> int:
            raise ZeroDivisionError

    writable_log(engine)
    with capture_logs() as lines, integrating(replace(engine, clock=BrokenClock())) as integrator:
        wait_until(lambda: integrator.problem is not None)
        app.state.integrator = integrator
        with serving(app) as client:
            reasons = client.get("/readyz").json()["reasons"]
    assert reasons == [{"code": "ready.log", "detail": "The log does not grow (log.stopped)."}]
    assert ("log stopped", "error") in [(line["event"], line["log_level"]) for line in lines]


def test_writers_that_never_pause_do_not_keep_a_command_for_ever(engine: Engine) -> None:
    record(engine, observation(0))

    class ClockOfBusyLedger:
        signed = 0

        def now_us(self) -> int:
            self.signed += 1
            assert self.signed < 5
            record(engine, observation(self.signed))
            return engine.clock.now_us()

    writable_log(engine)
    assert integrate_all(replace(engine, clock=ClockOfBusyLedger())).size == 1


def test_nothing_is_served_when_the_published_log_is_ahead_of_the_database(engine: Engine) -> None:
    record(engine, observation(1))
    integrate_all(engine)
    with psycopg.connect(engine.urls.owner, autocommit=True) as owner:
        owner.execute("DELETE FROM notary.checkpoint")
    with pytest.raises(RolledBackError), integrating(engine):
        pytest.fail("it must not start")


def test_a_log_does_not_grow_without_its_key(engine: Engine, settings: Settings) -> None:
    integrate_all(engine)
    key = settings.data / "keys" / "main.key"
    content = key.read_text(encoding="utf-8")
    key.unlink()
    with pytest.raises(UnavailableError, match="not at"):
        integrate_all(engine)
    assert not key.exists()
    key.write_text(content, encoding="utf-8")
    key.chmod(0o600)
    integrate_all(engine)


def test_the_origin_is_chosen_once(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    chosen = settings.model_copy(update={"log_origin": "dairy.example/log", "log_key": tmp_path / "my.key"})
    with open_engine(chosen) as other:
        integrate_all(other)
        assert published_log(other).database.identity.origin == "dairy.example/log"
    assert (tmp_path / "my.key").read_text(encoding="utf-8").startswith("PRIVATE+KEY+dairy.example/log+")
    with (
        open_engine(chosen.model_copy(update={"log_origin": "other.example"})) as other,
        pytest.raises(InvalidInputError) as caught,
    ):
        writable_log(other)
    assert caught.value.code == "settings.log_origin"
    with pytest.raises(UnavailableError):
        writable_log(engine)
