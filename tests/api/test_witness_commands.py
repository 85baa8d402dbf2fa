"""`traceability witness …` as scripts meet it; no command of it needs a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.settings import Settings
from api.witness import create_witness
from tests.api.test_cli import Run, run
from tests.support.logs import KEY
from tests.support.witnesses import Branch
from traceability.notary.log_list import ListedLog, encode_log_list
from traceability.notary.note import Algorithm, SigningKey, VerifierKey

__all__ = ["run"]  # a fixture

NAME = "witness.example/w1"
VKEY = KEY.verifier.text


@pytest.fixture
def named(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give `run` where a witness has its key, and no database can be reached."""
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert run("witness", "key", "--name", NAME).code == 0
    return run


def test_a_witness_is_named_once(run: Run, tmp_path: Path) -> None:
    nameless = run("witness", "key")
    assert (nameless.code, nameless.out) == (3, "")
    assert "witness.no_key" in nameless.err
    assert run("witness", "serve").code == 3
    made = run("witness", "key", "--name", NAME)
    vkey = VerifierKey.parse(made.out.strip())
    assert (made.code, vkey.name, vkey.algorithm) == (0, NAME, Algorithm.COSIGNATURE)
    assert run("witness", "key", "--json").json == {"name": NAME, "vkey": vkey.text}
    assert run("witness", "key", "--name", NAME).out == made.out
    other = run("witness", "key", "--name", "other.example")
    assert (other.code, "witness.name" in other.err) == (1, True)
    assert (tmp_path / ".traceability/witness/key").stat().st_mode & 0o777 == 0o600
    (tmp_path / ".traceability/witness/key").write_text(KEY.text)  # a log's key is none for a witness
    assert run("witness", "key").code == 3


def test_a_bad_name_is_refused(run: Run) -> None:
    assert run("witness", "key", "--name", "two words").code == 2


def test_logs_are_added_and_listed(named: Run, tmp_path: Path) -> None:
    assert named("witness", "list").out == ""
    added = named("witness", "add", VKEY, "--contact", "log@dairy.example", "--json")
    assert added.json == {"origin": KEY.name, "vkey": VKEY, "added": True}
    assert named("witness", "add", VKEY, "--json").json["added"] is False
    assert named("witness", "add", "nonsense").code == 2
    assert named("witness", "add", VKEY, "--contact", "two\nlines").code == 2
    cosigner = named("witness", "key").out.strip()
    assert named("witness", "add", cosigner).code == 2
    (tmp_path / "list").write_bytes(encode_log_list([ListedLog(SigningKey("b", bytes(32)).verifier, "b.example")]))
    witness = create_witness(Settings(data=tmp_path / ".traceability"))
    assert witness.add_checkpoint(Branch(20).request(0, 5)).status == 200
    first, second = named("witness", "list", "--logs", "list", "--json").json
    assert (first["origin"], first["size"]) == (KEY.name, 5)
    assert first["cosigned_at"] > 1_700_000_000
    assert (second["origin"], second["size"], second["cosigned_at"]) == ("b.example", None, None)
    assert named("witness", "list").out == f"{KEY.name}\t5\t{first['cosigned_at']}\n"
    (tmp_path / "list").write_text("logs/v0\nnonsense\n")
    assert named("witness", "list", "--logs", "list").code == 3


def test_evidence_is_listed_printed_and_told_by_the_exit_code(named: Run, tmp_path: Path) -> None:
    assert named("witness", "add", VKEY).code == 0
    assert (named("witness", "evidence").code, named("witness", "evidence", "--json").json) == (0, [])
    witness, branch, fork = create_witness(Settings(data=tmp_path / ".traceability")), Branch(20), Branch(20, 2, b"f")
    assert witness.add_checkpoint(branch.request(0, 5)).status == 200
    witness.add_checkpoint(branch.request(5, 7).replace(b"old 5\n", b"old 5\n" + b"A" * 43 + b"=\n"))
    (unproven,) = named("witness", "evidence", "--json").json
    assert (unproven["contradiction"], named("witness", "evidence").code) == ("unproven", 0)
    assert witness.add_checkpoint(fork.request(5, 5)).status == 422
    listed = named("witness", "evidence", "--json")
    assert (listed.code, len(listed.json)) == (1, 2)
    (proof,) = [row for row in listed.json if row["contradiction"] == "two_roots"]
    assert (proof["origin"], proof["known_size"], proof["submitted_size"]) == (KEY.name, 5, 5)
    whole = json.loads(named("witness", "evidence", proof["name"]).out)
    assert whole["submitted"].encode() == fork.note(5)
    assert whole["known"].encode().startswith(branch.note(5))
    assert named("witness", "evidence", "absent").code == 4
