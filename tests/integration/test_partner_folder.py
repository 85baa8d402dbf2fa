"""Folders of partners: what is captured of them, once, and what is told of the rest."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.partners.define import define
from api.partners.reading import partners_of
from api.partners.told import status
from api.wiring import Engine, open_engine
from tests.conftest import Database
from tests.support.capture_runs import packs
from tests.support.epcis_events import document
from tests.support.partners import SOUTH, pulled, settings_of
from tests.support.xml_events import xml_document, xml_event
from traceability.errors import InvalidInputError, UnavailableError
from traceability.ledger.partners import Kind

MAPPING = """
delimiter = ";"
time_format = "%d.%m.%Y %H:%M"
time_zone_offset = "+01:00"
[fields]
type = "ObjectEvent"
action = "OBSERVE"
eventTime = "{When}"
epcList = "https://id.gs1.org/01/09521234000013/21/{Serials}"
"""
ROWS = b"When;Serials;Note\n01.03.2026 09:15;7001|7002;x\nyesterday;7003;\n;;\n02.03.2026 09:15;7004;\n"


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    with open_engine(settings_of(database, tmp_path / "data")) as engine:
        engine.organisations.add(SOUTH)
        yield engine


@pytest.fixture
def inbox(engine: Engine, tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    (folder / "below").mkdir(parents=True)
    define(engine, SOUTH, SOUTH, Kind.FOLDER, address=str(folder), mapping=MAPPING)
    return folder


def put(path: Path, content: bytes) -> Path:
    """Write a file that has been left alone for a while."""
    with open(path, "wb") as stream:  # noqa: PTH123 - one test lets the other way fail
        stream.write(content)
    os.utime(path, (1_772_352_900, 1_772_352_900))
    return path


def test_every_kind_of_file_is_captured_once(engine: Engine, inbox: Path) -> None:
    put(inbox / "a.json", document(*packs(1, 2)))
    put(inbox / "b.xml", xml_document(xml_event()))
    put(inbox / "c.CSV", ROWS)
    put(inbox / "below" / "d.json.gz", gzip.compress(document(*packs(3))))
    with zipfile.ZipFile(inbox / "e.zip", "w") as archive:
        archive.writestr("x.json", document(*packs(4)))
        archive.writestr("y.json", document(*packs(5)))
    put(inbox / "e.zip", (inbox / "e.zip").read_bytes())
    put(inbox / ".half.json", b"{")
    put(inbox / "read.me", b"x")
    counts = pulled(engine, SOUTH).counts
    assert (counts.recorded, counts.malformed) == (8, 1)
    assert [job.documents for job in reversed(engine.jobs.of_partner(SOUTH, limit=9))] == [
        ("a.json",),
        ("b.xml",),
        ("below/d.json",),
        ("c.CSV",),
        ("x.json", "y.json"),
    ]
    told = status(engine, SOUTH)
    assert (told.received, told.open_findings) == (9, told.open_findings)
    assert [(file.name, file.code, file.captured) for file in told.files] == [("c.CSV", "csv.unmapped", True)]
    assert "Note" in told.files[0].message
    # Wherever they are now, and whatever they are called.
    (inbox / "a.json").rename(inbox / "below" / "moved.json")
    put(inbox / "copy.json", document(*packs(1, 2)))
    for _ in range(2):
        assert pulled(engine, SOUTH).captures == 0


def test_packed_csv_is_captured_as_plain_csv_is(engine: Engine, inbox: Path) -> None:
    put(inbox / "A.CSV.GZ", gzip.compress(ROWS))
    with zipfile.ZipFile(inbox / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more/One.Csv", ROWS.replace(b"700", b"800"))
        archive.writestr("two.csv", ROWS.replace(b"700", b"900").replace(b"Note", b"Remark"))
        archive.writestr("three.json", document(*packs(4)))
        archive.writestr("read.me", b"x")
    put(inbox / "b.zip", (inbox / "b.zip").read_bytes())
    counts = pulled(engine, SOUTH).counts
    assert (counts.recorded, counts.malformed) == (2 * 3 + 1, 3)
    assert [job.documents for job in reversed(engine.jobs.of_partner(SOUTH, limit=9))] == [
        ("A.CSV",),
        ("more/One.Csv", "two.csv", "three.json"),
    ]
    told = {file.name: file.message for file in status(engine, SOUTH).files}
    assert told["b.zip"].endswith("the columns Note, Remark")
    assert pulled(engine, SOUTH).captures == 0


def test_packed_csv_that_is_none_is_told_of(engine: Engine, inbox: Path) -> None:
    put(inbox / "bomb.csv.gz", gzip.compress(b"When;Serials\n" + (b";" + b" " * 1_022 + b"\n") * (1 << 15)))
    put(inbox / "broken.csv.gz", gzip.compress(ROWS)[:-9])
    put(inbox / "other.csv.gz", gzip.compress(b"Other;Columns\n1;2\n"))
    put(inbox / "none.zip", b"PK\x05\x06" + bytes(18))
    assert pulled(engine, SOUTH).counts.recorded == 0
    assert sorted((file.name, file.code, file.captured) for file in status(engine, SOUTH).files) == [
        ("bomb.csv.gz", "capture.ratio", False),
        ("broken.csv.gz", "capture.archive", False),
        ("none.zip", "capture.archive", False),
        ("other.csv.gz", "csv.columns", False),
    ]
    assert engine.spool.jobs() == set()


def test_a_file_that_is_still_written_waits(engine: Engine, inbox: Path) -> None:
    (inbox / "a.json").write_bytes(document(*packs(1)))
    assert pulled(engine, SOUTH).captures == 0
    put(inbox / "a.json", document(*packs(1)))
    assert pulled(engine, SOUTH).counts.recorded == 1
    put(inbox / "a.json", document(*packs(1, 2)))
    assert pulled(engine, SOUTH).counts.recorded == 1


def test_a_file_that_cannot_be_read_is_told_of_and_keeps_no_other_out(engine: Engine, inbox: Path) -> None:
    put(inbox / "a.zip", b"PK\x03\x04 and no more")
    put(inbox / "b.csv", b"Other;Columns\n1;2\n")
    put(inbox / "c.csv", ROWS + b"\xff\xff;;\n")
    put(inbox / "d.json", b"no json")
    put(inbox / "z.json", document(*packs(1)))
    assert pulled(engine, SOUTH).counts.recorded == 1
    told = status(engine, SOUTH)
    assert sorted((file.name, file.code, file.captured) for file in told.files) == [
        ("a.zip", "capture.archive", False),
        ("b.csv", "csv.columns", False),
        ("c.csv", "csv.encoding", False),
    ]
    assert told.open_findings == 1  # of d.json, which is captured as far as it goes
    assert told.failures == 0
    assert pulled(engine, SOUTH).captures == 0
    assert engine.spool.jobs() == set()


def test_a_file_that_is_closed_to_us_keeps_no_other_out(
    engine: Engine, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = Path.open

    def closed(path: Path, *arguments: Any) -> Any:
        if path.name == "a.json":  # to the superuser, who runs tests now and then, no file is closed
            raise PermissionError(13, "Permission denied")
        return genuine(path, *arguments)

    monkeypatch.setattr(Path, "open", closed)
    put(inbox / "a.json", document(*packs(1)))
    put(inbox / "b.json", document(*packs(2)))
    with pytest.raises(UnavailableError) as caught:
        pulled(engine, SOUTH)
    assert caught.value.code == "partner.file"
    assert engine.ledger.head() == 1


def test_a_folder_that_is_gone_is_a_failure(engine: Engine, inbox: Path) -> None:
    (inbox / "below").rmdir()
    inbox.rmdir()
    with pytest.raises(UnavailableError) as caught:
        pulled(engine, SOUTH)
    assert caught.value.code == "partner.folder"
    assert partners_of(engine).get(SOUTH)[1].failures == 1


def test_a_mapping_that_is_none_is_refused_at_once(engine: Engine) -> None:
    with pytest.raises(InvalidInputError) as caught:
        define(engine, "x", SOUTH, Kind.FOLDER, address=".", mapping="[fields]\nnone = 1")
    assert caught.value.code == "csv.mapping"
