"""Uploads whose server is killed or whose disk fills up: what was answered with 202 is captured, nothing else stays."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from socket import create_connection
from typing import Any

import httpx
import pytest

from adapters.feeds.spool import Spool
from adapters.postgres.capture_jobs import PostgresCaptureJobs
from adapters.system import SystemClock
from api.capture.blocks import BlockTask, prepare_block, prepared_block
from api.capture.receive import tidy
from api.findings import findings_of
from api.wiring import Engine
from tests.conftest import Database
from tests.faults.conftest import Undisturbed
from tests.support.captures import SENDER, Site, jobs_of, left_by, put, run_all, wait_until
from traceability.errors import UnavailableError
from traceability.gs1.epcis.envelope import open_envelope
from traceability.ledger.capture import CaptureJob, Phase
from traceability.ledger.findings import FindingFilter
from traceability.ledger.organisations import Scope

PATH = "/epcis/capture"


def key_of(engine: Engine) -> dict[str, str]:
    _, key = engine.organisations.create_key(SENDER, [Scope.CAPTURE])
    return {"Authorization": f"Bearer {key}"}


def zipped(documents: list[Path]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in documents:
            archive.write(path, path.name)
    return out.getvalue()


def test_what_was_answered_with_202_is_captured_by_the_next_server(site: Site, proceed: Undisturbed) -> None:
    with site.engine() as engine:
        headers = {**key_of(engine), "GS1-Capture-Error-Behaviour": "proceed", "Idempotency-Key": "once"}
        with site.server() as (process, client):
            answer = client.post(PATH, content=zipped(proceed.documents), headers=headers)
            process.kill()
        assert answer.status_code == 202
        with site.server() as (_, client):
            # Sent again, because the sender does not know: it is the same job.
            again = client.post(PATH, content=zipped(proceed.documents), headers=headers)
            assert again.json()["captureID"] == answer.json()["captureID"]
            wait_until(lambda: not client.get(answer.headers["location"], headers=headers).json()["running"])
        assert left_by(engine, site.database) == proceed.left
        tidy(engine)
        assert engine.spool.jobs() == set()


@contextmanager
def half_an_upload(client: httpx.Client, headers: dict[str, str], spool: Spool) -> Iterator[None]:
    """Send the beginning of a document; the connection breaks with the context."""
    address = client.base_url
    begin = [f"POST {PATH} HTTP/1.1", f"Host: {address.host}", *(f"{name}: {value}" for name, value in headers.items())]
    with create_connection((address.host, address.port or 80)) as connection:
        connection.sendall("\r\n".join([*begin, "Transfer-Encoding: chunked", "", "80000", ""]).encode())
        connection.sendall(b" " * 0x80000)
        wait_until(lambda: any(path.stat().st_size for path in spool.folder.glob("*/upload")))
        yield


def test_an_upload_that_breaks_off_leaves_nothing(site: Site) -> None:
    with site.engine() as engine, site.server() as (process, client):
        headers = key_of(engine)
        with half_an_upload(client, headers, engine.spool):
            assert len(engine.spool.jobs()) == 1
        wait_until(lambda: not engine.spool.jobs())
        with half_an_upload(client, headers, engine.spool):
            process.kill()
            process.wait()
        # Nobody was there to remove it. It is left alone while it may be an upload, and goes in the end.
        tidy(engine)
        assert len(engine.spool.jobs()) == 1
        tidy(replace(engine, spool=Spool(engine.spool.folder, engine.spool.limits, stray_seconds=-1)))
        assert engine.spool.jobs() == set()
        assert (jobs_of(engine), engine.ledger.head()) == ([], 0)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Give a disk of so many bytes."""
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=False, capture_output=True
    ).returncode:
        pytest.skip("no tmpfs can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(path: Path) -> None:
    """Take all room that there is."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b" " * 4096)


def test_an_upload_that_does_not_fit_on_the_disk_leaves_nothing(
    database: Database, tmp_path: Path, rollback: Undisturbed
) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        site = Site(database, tmp_path, spool=disk)
        with site.engine() as engine, site.server() as (_, client):
            headers = key_of(engine)
            full = client.post(PATH, content=b" " * (2 << 20), headers=headers)
            assert (full.status_code, full.json()["code"]) == (503, "capture.spool")
            assert (jobs_of(engine), engine.spool.jobs()) == ([], set())
            # An archive fits, its documents do not.
            full = client.post(PATH, content=zipped(rollback.documents), headers=headers)
            assert (full.status_code, full.json()["code"]) == (503, "capture.spool")
            assert (jobs_of(engine), engine.spool.jobs()) == ([], set())
            # There is room again.
            assert client.post(PATH, content=b"{}", headers=headers).status_code == 202


def test_an_import_goes_on_where_prepared_blocks_have_no_room(
    database: Database, tmp_path: Path, rollback: Undisturbed
) -> None:
    size = sum(path.stat().st_size for path in rollback.documents)
    with small_disk(tmp_path / "disk", size + (1 << 18)) as disk:
        site = Site(database, tmp_path, spool=disk)
        with site.engine() as engine:
            put(engine, rollback.documents, rollback.behaviour)
            run_all(engine)
            assert left_by(engine, database) == rollback.left
            assert engine.spool.jobs() == set()
        # Nor does a block whose disk is full by the time that it is to be kept leave a part of itself.
        document = rollback.documents[0]
        with document.open("rb") as stream:
            block = open_envelope(stream).blocks[0]
        task = BlockTask(str(document), block, b"", SENDER, (), keep=str(disk / "kept"), check=True)
        fill(disk / "other")
        assert prepared_block(task).numbers == prepare_block(task).numbers
        assert {path.name for path in disk.iterdir()} <= {"other", "main"}


class Later:
    """A clock that is a day and an hour ahead."""

    def now_us(self) -> int:
        return SystemClock().now_us() + 25 * 3_600_000_000


def test_a_job_waits_a_day_for_a_runner_that_has_its_documents(site: Site, proceed: Undisturbed) -> None:
    with site.engine() as engine:
        job = put(engine, proceed.documents, proceed.behaviour)
        elsewhere = replace(engine, spool=Spool(site.folder / "elsewhere", engine.spool.limits))
        assert run_all(elsewhere) == []
        assert engine.spool.jobs() == {job.job_id}
        (lost,) = run_all(
            replace(elsewhere, jobs=PostgresCaptureJobs(engine.pool, engine.ledger.ledger_id, clock=Later()))
        )
        assert (lost.job_id, lost.phase, lost.failed) == (job.job_id, Phase.REFUSED, True)
        (finding,) = findings_of(engine).page(SENDER, FindingFilter(), limit=10)
        assert finding.code == "capture.document_lost"


class Breaking(PostgresCaptureJobs):
    """Jobs whose database goes after the commit, before it has told of it."""

    def create(self, *arguments: Any, **more: Any) -> CaptureJob:
        super().create(*arguments, **more)
        raise UnavailableError("the connection broke", code="postgres.unreachable")


def test_documents_stay_when_nobody_knows_whether_they_became_a_job(site: Site, proceed: Undisturbed) -> None:
    with site.engine() as engine:
        breaking = Breaking(engine.pool, engine.ledger.ledger_id, clock=engine.clock)
        with pytest.raises(UnavailableError):
            put(replace(engine, jobs=breaking), proceed.documents, proceed.behaviour)
        tidy(engine)
        run_all(engine)
        assert left_by(engine, site.database) == proceed.left
        assert engine.spool.jobs() == set()
