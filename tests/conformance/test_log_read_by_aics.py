"""Our log and its cosignatures read by PyPI aics-tlog, unmodified; it needs a newer Python than we do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.tiles import FileTileStore
from tests.conformance.test_cosignatures import TIME, WITNESSES, cosigned
from tests.conformance.test_log_readers import INDICES, OLD_SIZES, SIZE, big, publish
from tests.conformance.test_receipts import ONE_PACK
from tests.support.logs import KEY, ORIGIN, MadeUpLog
from traceability.ledger.commitment import entry_of
from traceability.notary.log import tile_reader
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening
from traceability.notary.tree import TiledTree

aics_tlog: Any = pytest.importorskip("aics_tlog", reason="aics-tlog needs Python 3.12")

__all__ = ["big"]  # a fixture

LOG_KEY = aics_tlog.parse_vkey(KEY.verifier.text)


def test_every_tile_and_bundle_is_what_was_signed_and_the_proofs_are_ours(big: tuple[Path, MadeUpLog]) -> None:
    folder, made_up = big
    note = aics_tlog.parse_note((folder / "checkpoint").read_bytes())
    signed = aics_tlog.verify_checkpoint(note, LOG_KEY, expected_origin=ORIGIN)
    assert (signed.ok, signed.size) == (True, SIZE)
    report = aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(folder), SIZE, signed.root)
    assert (report.tiles, report.bundles) == (258 + 2 + 1, 258)
    reader = aics_tlog.VerifiedTileReader(aics_tlog.FileSystemTileReader(folder), SIZE, signed.root)
    tree = TiledTree(SIZE, tile_reader(FileTileStore(folder)))
    for index in INDICES:
        record = made_up.records[index]
        entry = entry_of(record.event_id, record.recorded_at, record.commitment)
        assert reader.entry(index) == entry
        path = aics_tlog.inclusion_proof_from_tiles(reader, index, SIZE)
        assert path == tree.inclusion_path(index)
        assert aics_tlog.verify_leaf_inclusion(entry, index, SIZE, path, signed.root)
        assert not aics_tlog.verify_leaf_inclusion(entry[:-1], index, SIZE, path, signed.root)
    for old in OLD_SIZES:
        note = aics_tlog.parse_note((folder.parent / f"checkpoint.{old}").read_bytes())
        before = aics_tlog.verify_checkpoint(note, LOG_KEY)
        path = aics_tlog.consistency_proof_from_tiles(reader, old, SIZE)
        assert path == tree.consistency_path(old)
        assert aics_tlog.verify_consistency(old, SIZE, before.root, signed.root, path)


@pytest.mark.parametrize("name", ["tile/0/001", "tile/1/000.p/2", "tile/entries/001"])
def test_a_file_that_was_changed_is_refused(tmp_path: Path, name: str) -> None:
    publish(tmp_path / "log", 255, 700)
    note = aics_tlog.parse_note((tmp_path / "log/checkpoint").read_bytes())
    signed = aics_tlog.verify_checkpoint(note, LOG_KEY)
    file = tmp_path / "log" / name
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))
    with pytest.raises(aics_tlog.TileVerificationError):
        aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(tmp_path / "log"), 700, signed.root)


def test_the_leaf_of_a_receipt_is_in_the_tree_that_a_quorum_of_witnesses_signed() -> None:
    proof = LogProof.parse(cosigned(ONE_PACK, 0, 2).encode())
    keys = [aics_tlog.parse_vkey(key.verifier.text) for key in WITNESSES]
    note = aics_tlog.parse_note(proof.checkpoint)
    signed = aics_tlog.verify_checkpoint(note, LOG_KEY, keys, 2, max_age_seconds=60, now=TIME + 10)
    assert (signed.ok, sorted(signed.witnesses)) == (True, ["witness.example/w0", "witness.example/w2"])
    assert not aics_tlog.verify_checkpoint(note, LOG_KEY, keys, 3).ok
    assert proof.extra is not None
    leaf = Opening.parse(proof.extra).leaf_hash()
    assert aics_tlog.verify_inclusion(leaf, proof.index, signed.size, proof.path, signed.root)
