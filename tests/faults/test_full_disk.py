"""A disk that is really full under a running server: it says so, loses nothing, and goes on when there is room."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx

from api.notary import integrate_all, published_log
from api.wiring import Engine
from tests.conftest import Database
from tests.faults.test_killed_uploads import PATH, fill, key_of, small_disk
from tests.ledgers import event
from tests.support.captures import Site, jobs_of, wait_until
from tests.support.epcis_events import document
from tests.support.epcis_events import event as epcis_event
from traceability.errors import NotFoundError, UnavailableError
from traceability.notary.fsck import check_database, check_files


def append(engine: Engine, count: int) -> None:
    head = engine.ledger.head()
    engine.ledger.append([event("item:a", text=f"{head}:{n}") for n in range(count)])


def published(engine: Engine) -> int:
    served = published_log(engine).served()
    return served[0].size if served else -1


def integrates(engine: Engine) -> bool:
    try:
        integrate_all(engine)
    except UnavailableError as error:
        assert error.code in ("log.storage", "log.key_file")  # noqa: PT017 - both outcomes are right
        return False
    return True


def leave(disk: Path, pages: int) -> None:
    """Fill the disk up to so many pages."""
    fill(disk / "other")
    with (disk / "other").open("r+b") as file:
        file.truncate(max(0, (disk / "other").stat().st_size - pages * 4096))


def is_ready(client: httpx.Client) -> bool:
    return client.get("/readyz").is_success


def reasons(client: httpx.Client) -> list[str]:
    return [reason["detail"] for reason in client.get("/readyz").json()["reasons"]]


def test_a_server_on_a_full_disk_says_so_and_goes_on_when_there_is_room(database: Database, tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 3 << 20) as disk:
        site = Site(database, tmp_path)
        with site.engine() as engine, site.server() as (process, client):
            headers = key_of(engine)
            append(engine, 300)
            wait_until(lambda: published(engine) == 300)
            wait_until(lambda: is_ready(client))
            checkpoint = client.get("/logs/main/checkpoint").text

            fill(disk / "other")
            append(engine, 300)
            wait_until(lambda: not is_ready(client))
            assert reasons(client) == ["The log does not grow (log.storage)."]
            # What was published is served, captures are refused, and what does not touch this disk works.
            assert client.get("/logs/main/checkpoint").text == checkpoint
            assert client.get("/logs/main/tile/0/001.p/44").is_success
            refused = client.post(PATH, content=document(epcis_event()), headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "capture.spool")
            assert (jobs_of(engine), engine.spool.jobs()) == ([], set())
            append(engine, 100)
            log = published_log(engine)
            report = check_files(log.database, log.tiles)
            assert report.clean, report.findings

            (disk / "other").unlink()
            wait_until(lambda: published(engine) == 700)
            wait_until(lambda: is_ready(client))
            taken = client.post(PATH, content=document(epcis_event()), headers=headers)
            assert taken.status_code == 202
            wait_until(lambda: published(engine) == 701)
            assert process.poll() is None
            for report in (check_database(log.database), check_files(log.database, log.tiles)):
                assert report.clean, report.findings


def test_a_disk_that_fills_up_in_the_middle_of_a_round_leaves_no_half_of_it(database: Database, tmp_path: Path) -> None:
    """However few pages are left, the next round on a disk with room gives the log that there would have been."""
    with small_disk(tmp_path / "data", 2 << 20) as disk:
        site = Site(database, tmp_path)
        with site.engine() as engine:
            append(engine, 200)
            rounds = Counter[bool]()
            for free in range(40):
                append(engine, 60)
                leave(disk, free)
                rounds[integrates(engine)] += 1
                (disk / "other").unlink()
                with suppress(NotFoundError):  # not even the key had room
                    log = published_log(engine)
                    report = check_files(log.database, log.tiles)
                    assert report.clean, report.findings
            assert rounds[True] > 0 < rounds[False]
            integrate_all(engine)
            assert published(engine) == engine.ledger.head()
            log = published_log(engine)
            for report in (check_database(log.database), check_files(log.database, log.tiles)):
                assert report.clean, report.findings
