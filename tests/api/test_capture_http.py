"""Capture over HTTP: documents of any length in, a job out, its end told to who sent them and to nobody else."""

from __future__ import annotations

import gzip
import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from adapters.feeds.spool import Spool
from adapters.feeds.unpack import Limits
from adapters.postgres import bulk
from api.app import create_app
from api.capture.runner import capturing
from api.wiring import Engine
from tests.api.conftest import serving
from tests.conftest import Database
from tests.support.capture_runs import (
    PROCEED,
    KilledError,
    capture_engine,
    claimed,
    packs,
    rows_left,
    run,
    send,
    sources,
    spooled,
)
from tests.support.captures import wait_until
from tests.support.epcis_events import CONTEXT, DAIRY, document, event
from tests.support.xml_events import xml_document, xml_event
from traceability.errors import BusyError
from traceability.ledger.capture import Phase
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
CAPTURE = "/epcis/capture"
WHOLE = document(*packs(1, 2, 3))
MIXED = document(*packs(1), event(eventTime="yesterday"), *packs(2))


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)


@pytest.fixture
def running(app: FastAPI, engine: Engine, client: httpx.Client) -> Iterator[httpx.Client]:
    """Give a client of a server that runs its jobs."""
    with capturing(engine) as runner:
        app.state.capture_runner = runner
        yield client


def post(client: httpx.Client, key: dict[str, str], content: Any = WHOLE, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(CAPTURE, content=content, headers={"Content-Type": "application/json", **key, **named})


def ended(client: httpx.Client, key: dict[str, str], answer: httpx.Response) -> dict[str, Any]:
    """Wait for the end of a job and return what is told of it."""
    assert answer.status_code == 202, answer.text

    def job() -> dict[str, Any]:
        told: dict[str, Any] = client.get(answer.headers["Location"], headers=key).json()
        return told

    wait_until(lambda: not job()["running"])
    return job()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_what_is_sent_is_a_job_at_once_and_events_soon(
    running: httpx.Client, key: dict[str, str], engine: Engine
) -> None:
    answer = post(running, key)
    job = answer.json()
    assert answer.headers["Location"] == f"{CAPTURE}/{job['captureID']}"
    assert UUID(job["captureID"]).version == 7
    assert (job["running"], job["success"], job["captureErrorBehaviour"]) == (True, True, "rollback")
    assert (job["finishedAt"], job["documents"], job["bytes"], job["errors"]) == (None, ["document"], len(WHOLE), None)
    told = ended(running, key, answer)
    assert (told["success"], told["phase"], told["recorded"], told["errors"]) == (True, "captured", 3, [])
    assert told["createdAt"] <= told["finishedAt"]
    assert len(sources(engine)) == 3
    assert spooled(engine) == []


def test_a_content_type_that_is_none_of_ours_is_refused(
    client: httpx.Client, key: dict[str, str], engine: Engine
) -> None:
    one = {"@context": CONTEXT, **event()}
    for wrong in ("application/pdf", "image/png", "image/svg+xml", "multipart/form-data; boundary=x", "text/csv", "x"):
        sent = {**key, "Content-Type": wrong}
        for answer in (post(client, sent), client.post("/epcis/events", content=json.dumps(one), headers=sent)):
            assert code_of(answer) == (415, "capture.media_type")
            assert answer.json()["type"] == "epcisException:UnsupportedMediaTypeException"
    assert (spooled(engine), rows_left(engine, "capture_job"), engine.ledger.head()) == ([], [], 0)
    taken = (
        "", "application/ld+json", "application/vnd.example+json", "Application/XML", "text/xml;charset=utf-8",
        "application/soap+xml", "application/octet-stream", "text/plain; charset=utf-8", "application/gzip",
        "application/zip", "application/x-www-form-urlencoded",
    )  # fmt: skip
    for number, right in enumerate(taken):
        sent = {**key, "Content-Type": right}
        named = json.dumps({**one, "eventID": f"urn:uuid:{number}"})
        assert post(client, sent).status_code == 202, right
        assert client.post("/epcis/events", content=named, headers=sent).status_code == 201, right
    assert client.post(CAPTURE, content=WHOLE, headers=key).status_code == 202


def test_the_headers_say_what_is_taken(client: httpx.Client, key: dict[str, str]) -> None:
    sent = post(client, key)
    for answer in (sent, client.get(CAPTURE, headers=key), client.get(sent.headers["Location"], headers=key)):
        told = {name: answer.headers[name] for name in answer.headers if name.startswith("gs1-")}
        assert told == {
            "gs1-epcis-version": "2.0.0",
            "gs1-cbv-version": "2.0.0",
            "gs1-epcis-capture-file-size-limit": str(8 << 30),
            "gs1-capture-error-behaviour": "all",
        }


def test_one_malformed_event_keeps_everything_out(running: httpx.Client, key: dict[str, str], engine: Engine) -> None:
    told = ended(running, key, post(running, key, MIXED))
    assert (told["success"], told["phase"], told["recorded"], told["malformed"]) == (False, "refused", 0, 1)
    (error,) = told["errors"]
    finding = error.pop("finding")
    assert "yesterday" in error.pop("detail")
    assert error == {
        "type": "epcisException:ValidationException", "title": "epcis.time", "status": 400, "code": "epcis.time",
        "document": "document", "path": "$.epcisBody.eventList[1].eventTime",
    }  # fmt: skip
    assert running.get(finding, headers=key).json()["job_id"] == told["captureID"]
    assert engine.ledger.head() == 0


def test_the_good_events_go_in_when_told(running: httpx.Client, key: dict[str, str], engine: Engine) -> None:
    told = ended(running, key, post(running, key, MIXED, GS1_Capture_Error_Behaviour="proceed"))
    assert (told["success"], told["phase"], told["captureErrorBehaviour"]) == (False, "captured", "proceed")
    assert (told["recorded"], told["malformed"], len(told["errors"])) == (2, 1, 1)
    assert len(sources(engine)) == 2
    again = ended(running, key, post(running, key, document(*packs(1, 2))))
    assert (again["success"], again["duplicates"], again["recorded"], again["errors"]) == (True, 2, 0, [])
    other = ended(running, key, post(running, key, document(*packs(1, bizStep="shipping"))))
    assert (other["success"], other["conflicts"], other["errors"][0]["code"]) == (False, 1, "capture.conflict")


def test_a_job_that_goes_wrong_says_so_while_it_runs(
    client: httpx.Client, key: dict[str, str], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard's fourth state: running and not successful."""
    for name in ("FIRST_BATCH_ROWS", "MOST_BATCH_ROWS"):
        monkeypatch.setattr(bulk, name, 5)
    job = send(engine, document(event(eventTime="x"), *packs(1, 2, 3)), behaviour=PROCEED)

    def stop(phase: Phase, *_: int) -> None:
        if phase is Phase.APPENDING:
            raise KilledError

    with pytest.raises(KilledError):
        run(engine, claimed(engine), stop)
    told = client.get(f"{CAPTURE}/{job.job_id}", headers=key).json()
    assert (told["running"], told["success"], told["phase"], told["finishedAt"]) == (True, False, "appending", None)
    assert (told["recorded"] > 0, told["malformed"], len(told["errors"])) == (True, 1, 1)


def test_jobs_are_listed_page_by_page(client: httpx.Client, key: dict[str, str]) -> None:
    sent = [post(client, key).json()["captureID"] for _ in range(5)]
    listed: list[str] = []
    address: str | None = f"{CAPTURE}?perPage=2"
    pages = 0
    while address is not None:
        answer = client.get(address, headers=key)
        listed += [job["captureID"] for job in answer.json()]
        address = answer.links.get("next", {}).get("url")
        pages += 1
    assert (listed, pages) == (sent[::-1], 3)
    for wrong in ("?perPage=0", "?perPage=101"):
        assert code_of(client.get(CAPTURE + wrong, headers=key)) == (400, "http.validation")
    assert code_of(client.get(f"{CAPTURE}?nextPageToken=x", headers=key)) == (400, "query.page_token")


def test_nobody_else_sees_a_job(client: httpx.Client, key: dict[str, str], bearer: Bearer) -> None:
    location = post(client, key).headers["Location"]
    other = bearer("store.example", *Scope)
    assert client.get(CAPTURE, headers=other).json() == []
    assert code_of(client.get(location, headers=other)) == (404, "capture.unknown_job")
    assert code_of(client.get(f"{CAPTURE}/{UUID(int=1)}", headers=key)) == (404, "capture.unknown_job")
    for caller, status in (({}, 403), (bearer(DAIRY, Scope.QUERY, Scope.ADMIN), 403)):
        for answer in (client.get(location, headers=caller), client.get(CAPTURE, headers=caller), post(client, caller)):
            assert code_of(answer) == (status, "access.scope")


def test_a_request_that_is_sent_again_is_the_job_that_it_was(
    client: httpx.Client, key: dict[str, str], bearer: Bearer, engine: Engine
) -> None:
    first = post(client, key, Idempotency_Key="7f3a")
    again = post(client, key, Idempotency_Key="7f3a")
    assert (again.status_code, again.json()) == (202, first.json())
    for changed in (
        post(client, key, WHOLE + b" ", Idempotency_Key="7f3a"),
        post(client, key, Idempotency_Key="7f3a", GS1_Capture_Error_Behaviour="proceed"),
    ):
        assert code_of(changed) == (409, "capture.request_key")
    assert post(client, key, Idempotency_Key="another").json()["captureID"] != first.json()["captureID"]
    assert post(client, bearer("store.example", Scope.CAPTURE), Idempotency_Key="7f3a").status_code == 202
    assert code_of(post(client, key, Idempotency_Key="x" * 256)) == (400, "http.validation")
    assert len(spooled(engine)) == len(rows_left(engine, "capture_job")) == 3


def zipped(*, suffix: str = "json", **documents: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in documents.items():
            archive.writestr(f"day/{name}.{suffix}", content)
    return out.getvalue()


def test_archives_are_unpacked(running: httpx.Client, key: dict[str, str], engine: Engine) -> None:
    told = ended(running, key, post(running, key, gzip.compress(WHOLE), Content_Encoding="gzip"))
    assert (told["recorded"], told["bytes"]) == (3, len(WHOLE))
    archive = zipped(a=document(*packs(4)), b=document(*packs(5), *packs(5)))
    told = ended(running, key, post(running, key, archive, Content_Type="application/zip"))
    assert told["documents"] == ["day/a.json", "day/b.json"]
    assert (told["recorded"], told["duplicates"]) == (2, 1)
    assert len(sources(engine)) == 5


def test_an_upload_longer_than_any_other_body_in_pieces_without_a_length(
    running: httpx.Client, key: dict[str, str], engine: Engine
) -> None:
    at = WHOLE.index(b" ")
    pieces = [WHOLE[:at], *[b" " * engine.settings.max_body_bytes] * 3, WHOLE[at:]]
    assert ended(running, key, post(running, key, b"".join(pieces)))["recorded"] == 3
    pieced = ended(running, key, post(running, key, iter(pieces)))
    assert (pieced["bytes"], pieced["duplicates"]) == (sum(map(len, pieces)), 3)


@contextmanager
def limited(engine: Engine, **settings: int) -> Iterator[httpx.Client]:
    """Serve with other limits."""
    changed = engine.settings.model_copy(update=settings)
    spool = Spool(engine.spool.folder, Limits(changed.capture_max_bytes))
    with serving(create_app(replace(engine, settings=changed, spool=spool))) as client:
        yield client


def test_what_is_too_long_is_refused_before_it_has_come(engine: Engine, key: dict[str, str]) -> None:
    with limited(engine, capture_max_bytes=2_048) as client:
        for content in (b"x" * 4_096, iter([b"x" * 1_024] * 4)):
            refused = post(client, key, content)
            assert code_of(refused) == (413, "capture.too_long")
            assert refused.headers["GS1-EPCIS-Capture-File-Size-Limit"] == "2048"
        assert code_of(post(client, key, gzip.compress(b" " * 4_096))) == (422, "capture.ratio")
    assert (spooled(engine), rows_left(engine, "capture_job")) == ([], [])


def test_a_capture_of_too_many_events_is_refused_as_a_whole(engine: Engine, key: dict[str, str]) -> None:
    with limited(engine, capture_max_events=2) as client:
        small = replace(engine, settings=engine.settings.model_copy(update={"capture_max_events": 2}))
        assert client.options(CAPTURE).headers["GS1-EPCIS-Capture-Limit"] == "2"
        for behaviour in ("rollback", "proceed"):
            sent = post(client, key, GS1_Capture_Error_Behaviour=behaviour)
            assert sent.headers["GS1-EPCIS-Capture-Limit"] == "2"
            run(small, claimed(small))
            job = ended(client, key, sent)
            assert (job["success"], job["phase"], job["recorded"]) == (False, "refused", 0)
            assert [(error["code"], error["type"]) for error in job["errors"]] == [
                ("capture.too_many_events", "epcisException:CaptureLimitExceededException")
            ]
        post(client, key, document(*packs(1, 2)))
        assert run(small, claimed(small)).counts.recorded == 2


def test_who_has_enough_waiting_is_told_to_wait(engine: Engine, key: dict[str, str], bearer: Bearer) -> None:
    with limited(engine, capture_max_jobs=2) as client:
        assert [post(client, key).status_code for _ in range(2)] == [202, 202]
        busy = post(client, key)
        assert code_of(busy) == (429, "capture.busy")
        assert int(busy.headers["Retry-After"]) > 0
        assert post(client, bearer("store.example", Scope.CAPTURE)).status_code == 202
        run(engine, claimed(engine))
        assert post(client, key).status_code == 202


def pieces(content: bytes) -> Iterator[bytes]:
    """Give a body in pieces, without a length."""
    for at in range(0, len(content), 1_000):
        yield content[at : at + 1_000]


def test_who_sends_more_than_there_is_room_for_is_told_to_wait(
    engine: Engine, key: dict[str, str], bearer: Bearer
) -> None:
    """The room is one for all: it is the disk that ends."""
    other = bearer("store.example", Scope.CAPTURE)
    with limited(engine, spool_max_bytes=2 * len(WHOLE)) as client:
        waiting = [post(client, key, content) for content in (WHOLE, pieces(WHOLE))]
        assert [one.status_code for one in waiting] == [202, 202]
        for content in (WHOLE, pieces(WHOLE), b"1", gzip.compress(WHOLE)):
            full = post(client, other, content)
            assert code_of(full) == (429, "capture.spool_full")
            assert int(full.headers["Retry-After"]) > 0
        assert len(spooled(engine)) == len(rows_left(engine, "capture_job")) == 2
        run(engine, claimed(engine))
        assert code_of(post(client, other, pieces(WHOLE + b" "))) == (429, "capture.spool_full")
        assert len(spooled(engine)) == 1
        assert post(client, other, WHOLE).status_code == 202


def test_an_upload_under_way_has_its_room(engine: Engine, key: dict[str, str]) -> None:
    """From its beginning when it says how long it is; else as far as it has come."""
    with limited(engine, spool_max_bytes=2 * len(WHOLE)) as client:
        address = client.base_url
        head = f"POST {CAPTURE} HTTP/1.1\r\nHost: x\r\nAuthorization: {key['Authorization']}\r\n"
        with socket.create_connection((address.host, address.port or 80)) as connection:
            connection.sendall(f"{head}Content-Length: {len(WHOLE) + 1}\r\n\r\n".encode())
            wait_until(lambda: len(spooled(engine)) == 1)
            assert code_of(post(client, key)) == (429, "capture.spool_full")
            connection.sendall(WHOLE + b" ")
            assert connection.recv(99).startswith(b"HTTP/1.1 202 ")
        assert post(client, key, WHOLE[:-1]).status_code == 202


def test_a_command_takes_what_room_the_disk_has(database: Database, tmp_path: Path) -> None:
    with capture_engine(database, tmp_path, capture_max_bytes=1_024, spool_max_bytes=2_048) as engine:
        assert run(engine, send(engine, *[document(event()).ljust(1_024)] * 5, held=True)).counts.duplicates == 4
        with pytest.raises(BusyError):
            send(engine, *[document(event()).ljust(1_024)] * 5)
        assert spooled(engine) == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (xml_document(xml_event()), "application/xml"),
        (xml_document(xml_event(), version="1.2"), "text/xml; charset=utf-8"),
        (gzip.compress(xml_document(xml_event())), "application/gzip"),
        (zipped(suffix="xml", a=xml_document(xml_event())), "application/zip"),
    ],
)
def test_an_event_in_xml_is_that_in_json(
    running: httpx.Client, key: dict[str, str], content: bytes, content_type: str
) -> None:
    first = ended(running, key, post(running, key, content, Content_Type=content_type))
    again = ended(running, key, post(running, key, document(event())))
    assert (first["recorded"], first["success"]) == (1, True)
    assert (again["recorded"], again["duplicates"]) == (0, 1)


def test_a_bad_event_in_xml_is_corrected_and_replayed(running: httpx.Client, key: dict[str, str]) -> None:
    bad = xml_event("<x:a>1</x:a>").replace("OBSERVE", "SELL")
    sent = xml_document(bad, namespaces='xmlns:x="https://x.example/" xmlns:y="urn:unused:"')
    job = ended(running, key, post(running, key, sent))
    finding = running.get(job["errors"][0]["finding"], headers=key).json()
    assert (finding["code"], finding["path"]) == ("epcis.action", "$.epcisBody.eventList[0].action")
    assert finding["event"] == bad.replace("<ObjectEvent>", '<ObjectEvent xmlns:x="https://x.example/">')
    corrected = finding["event"].replace("SELL", "OBSERVE").encode()
    answer = running.post(f"{job['errors'][0]['finding']}/replay", content=corrected, headers=key)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "recorded")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(b" " * 64_000_000), "capture.ratio"),
        (gzip.compress(WHOLE)[:-9], "capture.archive"),
        (zipped(), "capture.archive"),
    ],
    ids=["bomb", "cut short", "empty"],
)
def test_a_bad_archive_is_no_job(
    client: httpx.Client, key: dict[str, str], engine: Engine, content: bytes, code: str
) -> None:
    assert code_of(post(client, key, content)) == (422, code)
    assert (spooled(engine), rows_left(engine, "capture_job")) == ([], [])


def test_a_behaviour_that_is_none_is_refused(client: httpx.Client, key: dict[str, str]) -> None:
    assert code_of(post(client, key, GS1_Capture_Error_Behaviour="ignore")) == (400, "http.validation")


def test_nothing_stays_of_an_upload_that_broke_off(
    client: httpx.Client, key: dict[str, str], engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    address = client.base_url
    head = (
        f"POST {CAPTURE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(WHOLE)}\r\nAuthorization: {key['Authorization']}"
    )
    with socket.create_connection((address.host, address.port or 80)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + WHOLE[:99])
        wait_until(lambda: len(spooled(engine)) == 1)
    wait_until(lambda: spooled(engine) == [])
    assert client.get(CAPTURE, headers=key).json() == []
    assert "request failed" not in caplog.text


def test_what_the_disk_cannot_hold_is_said(engine: Engine, key: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    broken = replace(engine, spool=Spool(tmp_path / "file" / "spool", Limits(1 << 20)))
    with serving(create_app(broken)) as client:
        answer = post(client, key)
    assert code_of(answer) == (503, "capture.spool")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_server_takes_up_what_another_left(running: httpx.Client, key: dict[str, str], engine: Engine) -> None:
    """It asks for jobs by itself; nobody has told it of this one."""
    job = send(engine, WHOLE)
    wait_until(lambda: not engine.jobs.get(DAIRY, job.job_id).running)
    assert running.get(f"{CAPTURE}/{job.job_id}", headers=key).json()["recorded"] == 3


def test_a_server_that_ends_leaves_its_job_to_the_next(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets go of the job between two batches, so that nobody waits for its lease to run out."""
    for name in ("FIRST_BATCH_ROWS", "MOST_BATCH_ROWS", "LEAST_BATCH_ROWS"):
        monkeypatch.setattr(bulk, name, 4)
    events = packs(*range(300))
    job = send(engine, document(*events))
    with capturing(engine):
        wait_until(lambda: engine.jobs.get(DAIRY, job.job_id).appended > 3)
    left = engine.jobs.get(DAIRY, job.job_id)
    assert (left.running, 0 < left.appended < 300) == (True, True)
    ended = run(engine, claimed(engine))
    assert (ended.counts.recorded, ended.success) == (300, True)
    assert sources(engine) == [json.dumps(one).encode() for one in events]
