"""`traceability partner …` as scripts meet it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.responses import Response

from tests.api.test_cli import Run, dairy, run
from tests.support.capture_runs import packs
from tests.support.epcis_events import document
from tests.support.partners import Repository, page

__all__ = ["dairy", "run"]  # fixtures

MAPPING = '[fields]\ntype = "ObjectEvent"\naction = "OBSERVE"\neventTime = "{When}"\nepcList = "x:{A}"\n'


def test_a_repository_from_add_to_remove(dairy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_OUTGOING_ALLOW", "127.0.0.1")
    (tmp_path / "key.txt").write_text("Authorization: Bearer of-the-dairy\n")
    events = [{**one, "recordTime": "2026-03-01T10:00:00Z"} for one in packs(1, 2)]
    answers = [page([*events, {"type": "ObjectEvent"}]), Response(status_code=500), page(events)]
    repository = Repository(lambda _, n: answers[n])
    with repository.served() as address:
        added = dairy("partner", "add", "own", "--url", address, "--secret-file", "key.txt", "--json")
        assert (added.code, added.json["name"], added.json["organisation"]) == (0, "own", "dairy.example")
        bad = dairy("partner", "pull", "own", "--json")
        assert (bad.code, bad.json["events"], bad.json["recorded"], bad.json["malformed"]) == (1, 3, 2, 1)
        assert "3 events came" in bad.err
        broken = dairy("partner", "pull", "own", "--json")
        assert (broken.code, broken.json["error"]["code"]) == (3, "partner.refused")
        failing = dairy("partner", "status", "own")
        assert failing.code == 1
        assert "(partner.refused)" in failing.out
        assert "(partner.refused)" in dairy("partner", "list").out
        good = dairy("partner", "pull", "own")
        assert (good.code, good.out) == (0, "")
        assert "recorded" in good.err
    status = dairy("partner", "status", "own", "--json")
    assert (status.code, status.json["recorded"], status.json["open_findings"]) == (0, 2, status.json["open_findings"])
    assert status.json["cursor"] == "2026-03-01T10:00:00.000000Z"
    assert repository.headers[0]["authorization"] == "Bearer of-the-dairy"
    assert "of-the-dairy" not in added.out + status.out + failing.out
    assert dairy("partner", "remove", "own").code == 0
    assert dairy("partner", "status", "own", "--json").json["error"]["code"] == "partner.unknown"
    assert dairy("partner", "pull", "own").code == 4
    assert dairy("item", "--help").code == 0


def test_every_kind_has_its_own_address(dairy: Run) -> None:
    for options in ([], ["--path", "x"], ["--url", "https://x.example", "--kind", "folder"], ["--kind", "folder"]):
        assert dairy("partner", "add", "own", *options).code == 2, options


def test_a_webhook_prints_its_token_this_once(dairy: Run) -> None:
    added = dairy("partner", "add", "hook", "--kind", "webhook")
    token = added.out.strip()
    assert (added.code, len(token)) == (0, 64)
    listed = dairy("partner", "list", "--json")
    assert [one["name"] for one in listed.json] == ["hook"]
    assert token not in listed.out + dairy("partner", "status", "hook", "--json").out
    refused = dairy("partner", "pull", "hook", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "partner.webhook")


def test_a_folder_and_its_csv(dairy: Run, tmp_path: Path) -> None:
    (tmp_path / "columns.toml").write_text(MAPPING + 'eventTimeZoneOffset = "+01:00"\n')
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    added = dairy("partner", "add", "box", "--kind", "folder", "--path", "inbox", "--mapping", "columns.toml", "--json")
    assert added.json["address"] == str(inbox)
    for name, content in (("a.csv", b"When,A,B\n2026-03-01T09:15:00+01:00,1|2,\n"), ("b.json", document(*packs(1)))):
        (inbox / name).write_bytes(content)
        os.utime(inbox / name, (1_772_352_900, 1_772_352_900))
    pulled = dairy("partner", "pull", "box", "--json")
    assert (pulled.code, pulled.json["recorded"], pulled.json["captures"]) == (0, 2, 2)
    assert "a.csv: No field is made of the columns B (csv.unmapped)" in dairy("partner", "status", "box").out


def test_a_mapping_is_tried_without_a_database(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    (tmp_path / "columns.toml").write_text(MAPPING)
    made = run("partner", "preview", "-", "--mapping", "columns.toml", stdin=b"When,A,B\nnow,1,2\n")
    assert made.code == 0
    assert made.json["epcisBody"]["eventList"][0]["epcList"] == ["x:1"]
    assert "columns B" in made.err
    wrong = run("partner", "preview", "-", "--mapping", "columns.toml", stdin=b"A\n1\n")
    assert (wrong.code, "csv.columns" in wrong.err) == (1, True)
    assert run("partner", "preview", "none.csv", "--mapping", "columns.toml").code == 4
    assert "{GTIN}" in run("partner", "preview", "--help").out
