"""What is captured may be longer than the memory: each process is given more, and does not grow with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.generate import feed, write
from tests.conftest import Database
from tests.support.epcis_events import document, event
from tests.support.xml_events import xml_document, xml_event

ROOT = Path(__file__).parents[2]
MEGABYTE = 1 << 20
GROWTH_KB = 40_000
MOST_KB = 250_000


def peaks(*arguments: str | Path) -> list[int]:
    """Run the program and return the peaks of its memory that it told, in kilobytes."""
    command = [sys.executable, "-m", "tests.support.capture_memory", *map(str, arguments)]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    return [int(line) for line in told.split()]


def test_a_long_document_of_good_events(database: Database, tmp_path: Path) -> None:
    long = tmp_path / "feed.json"
    with long.open("wb") as out:
        write(feed(60_000, large=0), [out])
    assert long.stat().st_size > GROWTH_KB * 1_000
    _, early, late = peaks("capture", database.runtime_url, database.owner_url, tmp_path, long)
    assert late - early < GROWTH_KB
    assert late < MOST_KB


def test_a_long_document_in_xml(database: Database, tmp_path: Path) -> None:
    long = tmp_path / "feed.xml"
    beginning, end = xml_document("|").split(b"|")
    with long.open("wb") as out:
        out.write(beginning)
        out.writelines(xml_event().replace("1001", f"{number}").encode() for number in range(20_000))
        out.write(b" " * 100_000_000 + b"<!-- " + b"x" * 100_000_000 + b" -->" + end)
    before, _, late = peaks("capture", database.runtime_url, database.owner_url, tmp_path, long)
    assert late - before < 2 * GROWTH_KB
    assert late < MOST_KB


def test_a_long_document_of_hardly_any_good_events(database: Database, tmp_path: Path) -> None:
    """One byte an event is the most that there can be of them."""
    long = tmp_path / "feed.json"
    bad = b"1," * 150_000
    long.write_bytes(document(event(), bad + b"1", event(bizStep="packing"), b"1"))
    before, *_, late = peaks("capture", database.runtime_url, database.owner_url, tmp_path, long)
    assert late - before < 2 * GROWTH_KB


def test_an_event_of_two_gigabytes_is_measured_not_read() -> None:
    early, late = peaks("outline", "2")
    assert late - early < GROWTH_KB


def checked(folder: Path, head: bytes, tail: bytes) -> tuple[int, bytes]:
    """Check a file that is a hole of two gigabytes between two texts, so that nobody has to write it.

    Return the exit code and what is printed; the memory of the command is bounded.
    """
    with (folder / "hole.json").open("wb") as out:
        out.write(head)
        out.truncate(2_048 * MEGABYTE)
        out.seek(0, os.SEEK_END)
        out.write(tail)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACEABILITY_")}
    command = [sys.executable, "-m", "tests.support.capture_memory", "check", str(folder / "hole.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, env=environment, check=False)
    assert int(done.stderr.splitlines()[-1]) < MOST_KB
    return done.returncode, done.stdout.replace(str(folder).encode() + b"/", b"")


@pytest.mark.parametrize("text", [document(b'{"type":"|"}'), xml_document("<ObjectEvent>|</ObjectEvent>")])
def test_a_file_of_an_event_of_two_gigabytes_is_refused(tmp_path: Path, text: bytes) -> None:
    head, tail = text.split(b"|")
    assert checked(tmp_path, head, tail) == (
        1,
        b"hole.json: $.epcisBody.eventList[0]: error epcis.event_too_long: An event has at most 16777216 bytes.\n",
    )


@pytest.mark.parametrize("text", [b'{"a":"|","epcisBody":{"eventList":[]}}', b'["|"]', b"|"])
def test_nothing_else_of_a_document_is_read_whole(tmp_path: Path, text: bytes) -> None:
    """A member around the events, what stands between two of them, or no JSON at all."""
    code, told = checked(tmp_path, *text.split(b"|"))
    assert (code, told.count(b"\n")) == (1, 1)
