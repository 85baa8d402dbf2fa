"""`traceability log …` as scripts meet it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psycopg
import pytest

from tests.api.test_cli import Run, dairy, event, run
from tests.conftest import Database

__all__ = ["dairy", "run"]  # fixtures


@pytest.fixture
def imported(dairy: Run, tmp_path: Path) -> Run:
    """Give `run` on a ledger of five events."""
    document = {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T08:15:00Z",
        "epcisBody": {"eventList": [event(number) for number in range(1, 6)]},
    }
    (tmp_path / "feed.json").write_text(json.dumps(document), encoding="utf-8")
    assert dairy("feed", "import", "feed.json").code == 0
    return dairy


def test_before_the_first_integration_there_is_no_log(dairy: Run) -> None:
    for command in ("checkpoint", "key", "fsck"):
        done = dairy("log", command)
        assert (done.code, done.out) == (4, "")
        assert "log.unknown" in done.err


def test_from_records_to_a_receipt_that_verifies(imported: Run, tmp_path: Path) -> None:
    assert imported("log", "integrate", "--json").json["size"] == 5
    assert imported("log", "integrate").code == 0
    key = imported("log", "key").out.strip()
    assert key.startswith("traceability.local/main+")
    assert imported("log", "key", "--json").json["vkey"] == key
    checkpoint = imported("log", "checkpoint")
    assert checkpoint.out.startswith("traceability.local/main\n5\n")
    assert imported("log", "checkpoint", "--json").json["note"] == checkpoint.out

    proven = imported("log", "prove", "3", "--json").json
    assert proven["index"] == 2
    receipt = imported("log", "prove", proven["event_id"])
    assert receipt.out == proven["receipt"]
    file = tmp_path / "pack.tlog-proof"
    file.write_text(receipt.out, encoding="utf-8")
    verified = imported("log", "verify", str(file), "--key", key)
    assert verified.code == 0
    assert "is leaf 2 of 5 in traceability.local/main" in verified.out
    shown = imported("log", "verify", "-", "--key", key, "--json", stdin=receipt.out.encode()).json
    assert (shown["verified"], shown["index"], shown["withheld"]) == (True, 2, [])
    assert json.loads(shown["items"][0])["id"].endswith("/21/3")

    file.write_text(receipt.out.replace("index 2", "index 3"), encoding="utf-8")
    wrong = imported("log", "verify", str(file), "--key", key)
    assert (wrong.code, wrong.out) == (1, "")
    assert imported("log", "verify", str(tmp_path / "absent"), "--key", key).code == 2
    assert imported("log", "verify", str(file), "--key", key[:-1]).code == 2
    assert imported("log", "prove", "6").code == 4
    assert imported("log", "prove", "9" * 30).code == 2
    assert imported("log", "prove", "3", "--item", "https://id.gs1.org/01/09521234000013/21/4").code == 4


def test_another_organisation_proves_what_it_may_see_and_nothing_else(imported: Run) -> None:
    assert imported("log", "integrate").code == 0
    assert imported("organisation", "add", "store.example").code == 0
    assert imported("log", "prove", "3", "--as", "store.example").code == 4


def test_fsck_is_good_and_names_what_is_bad(imported: Run, database: Database, tmp_path: Path) -> None:
    assert imported("log", "integrate").code == 0
    good = imported("log", "fsck", "--json")
    assert (good.code, good.json["clean"], good.json["logs"][0]["database"]["leaves"]) == (0, True, 5)
    assert "Good: 5 leaves" in imported("log", "fsck").err
    tile = tmp_path / ".traceability/logs/main/tile/0/000.p/5"
    tile.write_bytes(bytes(160))
    bad = imported("log", "fsck")
    assert bad.code == 1
    assert "tile/0/000.p/5" in bad.err
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE ledger.record SET why = '{}' WHERE position = 4")
    found = imported("log", "fsck", "--json")
    assert found.code == 1
    assert found.json["logs"][0]["database"]["findings"][0] == {
        "code": "log.commitment",
        "message": "position 4 has parts that its commitment is not of",
        "leaf": 3,
    }


def test_fsck_of_what_others_kept(imported: Run, tmp_path: Path) -> None:
    assert imported("log", "integrate").code == 0
    note = imported("log", "checkpoint").out
    kept, mirror = tmp_path / "kept.txt", tmp_path / "mirror"
    kept.write_text(note, encoding="utf-8")
    shutil.copytree(tmp_path / ".traceability/logs/main", mirror)
    outside = ("--copy", str(mirror), "--checkpoint", str(kept))
    good = imported("log", "fsck", *outside, "--json")
    (log,) = good.json["logs"]
    assert (good.code, [one["name"] for one in log["outside"]]) == (0, [str(mirror), str(kept)])
    assert log["outside"][0]["files"] == 2
    kept.write_text(note.replace("5\n", "6\n", 1), encoding="utf-8")
    (mirror / "tile/0/000.p/5").write_bytes(bytes(160))
    bad = imported("log", "fsck", "--scope", "files", *outside)
    assert bad.code == 1
    assert f"leaf 0: tile/0/000.p/5 of {mirror} is not ours (log.copy)" in bad.err
    assert f"the checkpoint of {kept} does not verify" in bad.err
    for option, path in (("--checkpoint", "absent"), ("--checkpoint", "."), ("--copy", kept.name)):
        assert imported("log", "fsck", option, str(tmp_path / path)).code == 2


def test_fsck_builds_on_the_last_good_one(imported: Run) -> None:
    assert imported("log", "integrate").code == 0
    early = imported("log", "fsck", "--since", "last", "--json")
    assert (early.code, early.json["error"]["code"]) == (4, "log.nothing_confirmed")
    assert imported("log", "fsck", "--scope", "records").code == 0
    assert imported("log", "fsck", "--since", "last").code == 4  # the index was never checked
    assert imported("log", "fsck").code == 0
    erased = imported("ledger", "erase", "3", "--reason", "asked for", "--authority", "data protection officer")
    assert erased.code == 0
    assert imported("log", "integrate").code == 0
    new = imported("log", "fsck", "--since", "last", "--json")
    (log,) = new.json["logs"]
    assert (new.code, log["since"], log["database"]["leaves"], log["index"]["leaves"]) == (0, 6, 1, 1)
    told = imported("log", "fsck", "--since", "4")
    assert "Good: 3 leaves from position 4 on" in told.err
    assert imported("log", "fsck", "--since", "9").code == 1  # beyond what was confirmed
    assert imported("log", "fsck", "--since", "yesterday").code == 2
    assert imported("log", "fsck", "--scope", "everything").code == 2


def test_fsck_says_so_when_it_cannot_keep_what_it_found(imported: Run, tmp_path: Path) -> None:
    assert imported("log", "integrate").code == 0
    (tmp_path / ".traceability/fsck").write_text("a file where the folder should be", encoding="utf-8")
    told = imported("log", "fsck")
    assert told.code == 0
    assert "The next check cannot build on this one" in told.err


def test_erasure_leaves_a_good_log(imported: Run) -> None:
    assert imported("log", "integrate").code == 0
    before = imported("log", "prove", "3", "--json").json
    erased = imported("ledger", "erase", "3", "--reason", "asked for", "--authority", "data protection officer")
    assert erased.code == 0, erased.err
    assert imported("log", "integrate").code == 0
    checked = imported("log", "fsck", "--json")
    assert (checked.code, checked.json["logs"][0]["database"]["erased"]) == (0, 1), checked.out
    key = imported("log", "key").out.strip()
    after = imported("log", "prove", "3").out
    assert imported("log", "verify", "-", "--key", key, stdin=after.encode()).code == 0
    shown = imported("log", "verify", "-", "--key", key, "--json", stdin=after.encode()).json
    assert shown["withheld"] == ["personal", "source"]
    # A receipt that was handed out before holds what it held.
    assert imported("log", "verify", "-", "--key", key, stdin=before["receipt"].encode()).code == 0


def test_files_that_cannot_be_used_are_unreachable(imported: Run, tmp_path: Path) -> None:
    assert imported("log", "integrate").code == 0
    checkpoint = tmp_path / ".traceability/logs/main/checkpoint"
    checkpoint.unlink()
    checkpoint.mkdir()
    ran = imported("log", "checkpoint", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "system.file")
    assert str(checkpoint.relative_to(tmp_path)) in ran.json["error"]["message"]


def test_bundles_of_the_command_line_verify(imported: Run, tmp_path: Path) -> None:
    pack = "https://id.gs1.org/01/09521234000013/21/3"
    assert imported("item", pack, "--bundle", "pack.zip").code == 4
    assert imported("log", "integrate").code == 0
    key = imported("log", "key").out.strip()
    assert imported("trace", pack, "--bundle", "trace.zip").code == 0  # who had the pack rests on an event
    assert "proven: 1 event" in imported("log", "verify", "trace.zip", "--key", key).out
    done = imported("item", pack, "--bundle", "pack.zip")
    assert (done.code, done.out) == (0, "")
    assert f"python -m traceability.notary.verify pack.zip --key '{key}'" in done.err
    verified = imported("log", "verify", "pack.zip", "--key", key)
    assert verified.code == 0
    assert "proven: 1 event in traceability.local/main of 5" in verified.out
    told = imported("log", "verify", "pack.zip", "--key", key, "--json").json
    assert (told["verified"], told["kind"], told["reader"]) == (True, "item", "dairy.example")
    assert told["logs"][0] == {"origin": "traceability.local/main", "size": 5, "positions": [3], "cosignatures": []}
    (tmp_path / "policy").write_text(f"log {key}\nquorum none\n", encoding="utf-8")
    assert imported("log", "verify", "pack.zip", "--policy", "policy").out == verified.out
    assert imported("log", "verify", "pack.zip").code == 2
    assert imported("log", "verify", "pack.zip", "--policy", "absent").code == 2
    assert imported("log", "verify", "pack.zip", "--policy", "pack.zip").code == 2
    assert imported("item", pack, "--bundle", "no/such/folder.zip").code == 3
    (tmp_path / "bad.zip").write_bytes((tmp_path / "pack.zip").read_bytes()[:-1])
    bad = imported("log", "verify", "bad.zip", "--key", key)
    assert (bad.code, bad.out) == (1, "")
    assert "bundle.zip" in bad.err
