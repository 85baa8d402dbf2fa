"""`traceability feed hash`: one line an event, whatever the format, and none left out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.api.test_cli import Run, run
from tests.support.epcis_events import document, event
from tests.support.xml_events import xml_document, xml_event

__all__ = ["run"]  # a fixture

NAIVE = event(eventTime="2026-03-01T09:15:00")


def test_json_and_xml_of_an_event_have_one_hash(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(document(event(), event(bizStep="shipping"))))
    ran = run("feed", "hash", "a.json.gz")
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.splitlines()
    assert first.startswith("ni:///sha-256;")
    assert first.endswith("?ver=CBV2.0")
    assert first != second
    converted = run("feed", "convert", "a.json.gz", "--to", "xml", "-o", "a.xml")
    assert converted.code == 0
    assert run("feed", "hash", "a.xml").out == ran.out


def test_from_stdin_with_the_strings_that_are_hashed(run: Run) -> None:
    ran = run("feed", "hash", "-", "--prehash", stdin=xml_document(xml_event()))
    assert ran.code == 0
    assert ran.out.startswith("eventType=ObjectEventeventTime=2026-03-01T08:15:00.000Z")


@pytest.mark.parametrize("mode", ["spec", "ref-compat"])
def test_an_event_without_a_hash_has_a_line_and_is_explained(run: Run, mode: str) -> None:
    bad = NAIVE if mode == "spec" else event(**{"https://x.example/a": "1e999"})
    code = "epcis.naive_time" if mode == "spec" else "epcis.reference_fails"
    ran = run("feed", "hash", "-", "--mode", mode, stdin=document(event(), bad, event()))
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[1] == f"none {code}"
    assert lines[0] == lines[2]
    assert f"$.epcisBody.eventList[1]{'.eventTime' if mode == 'spec' else ''}: error {code}" in ran.err
    assert "3 events read; 1 without a hash." in ran.err


def test_as_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(document(event(), NAIVE))
    ran = run("feed", "hash", "a.json", "--json", "--prehash")
    assert (ran.code, ran.json["mode"]) == (1, "spec")
    (file,) = ran.json["files"]
    assert [one["path"] for one in file["events"]] == ["$.epcisBody.eventList[0]", "$.epcisBody.eventList[1]"]
    assert file["events"][1] == {"path": "$.epcisBody.eventList[1]", "hash": None, "prehash": None}
    assert [problem["code"] for problem in file["problems"]] == ["epcis.naive_time"]


def test_what_is_no_document_has_no_hash(run: Run) -> None:
    ran = run("feed", "hash", "-", stdin=b"neither\n")
    assert (ran.code, ran.out) == (1, "")
    assert "json.syntax" in ran.err
    assert run("feed", "hash", "missing.json").code == 4
