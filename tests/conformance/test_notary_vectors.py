"""Published test data of other implementations, byte for byte."""

from __future__ import annotations

import os
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.logs import fixture, fixtures
from traceability.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    CompactRange,
    consistency_holds,
    inclusion_path,
    levels_of,
    node_hash,
    root_from_path,
    root_of,
)
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.note import Algorithm, SigningKey, VerifierKey, open_note, split_note
from traceability.notary.proof import LogProof
from traceability.notary.tiles import ENTRIES, WIDTH, Tile, tile_of, tiles_between


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def all_of(folder: str) -> list[tuple[str, Any]]:
    fixture("rfc6962/hashes.json")  # skips when the data set is absent
    found = list(fixtures(folder))
    assert found
    return found


def test_rfc6962_hashes_and_roots() -> None:
    data = fixture("rfc6962/hashes.json")
    leaves = [leaf(bytes.fromhex(text)) for text in data["leaf_inputs_hex"]]
    growing = CompactRange()
    for size, root in enumerate(data["root_by_size_hex"]):
        assert root_of(leaves[:size]).hex() == growing.root().hex() == root
        if size < len(leaves):
            growing.append(leaves[size])
    by_name = {row["desc"]: row for row in data["hasher"]}
    assert by_name["empty root"]["hex"] == EMPTY_ROOT.hex()
    assert by_name["leaf"]["hex"] == leaf(by_name["leaf"]["leaf"].encode()).hex()
    node = by_name["node (not 32-byte children)"]
    assert node_hash(node["left"].encode(), node["right"].encode()).hex() == node["hex"]


def test_inclusion_proofs_of_transparency_dev() -> None:
    for name, case in all_of("merkle/inclusion"):
        root, leaf_hash, *path = (b64decode(h or "") for h in (case["root"], case["leafHash"], *(case["proof"] or [])))
        rebuilt = root_from_path(leaf_hash, case["leafIdx"], case["treeSize"], path)
        assert (rebuilt != root) == case["wantErr"], name


def test_consistency_proofs_of_transparency_dev() -> None:
    for name, case in all_of("merkle/consistency"):
        old, new, *path = (b64decode(h or "") for h in (case["root1"], case["root2"], *(case["proof"] or [])))
        holds = consistency_holds(case["size1"], case["size2"], old, new, path)
        # That everything extends the empty tree is the caller's rule here, an accepted proof there.
        assert holds == (not case["wantErr"] and case["size1"] > 0), name


def is_subtree(start: int, end: int) -> bool:
    """Tell whether leaves start … end−1 can be a subtree: it begins where one of its size can (C2SP, subtree/v1)."""
    return 0 <= start < end <= 2**63 - 1 and start % (1 << (end - start - 1).bit_length()) == 0


def test_subtree_inclusion_proofs_of_transparency_dev() -> None:
    """A subtree is a tree of its own, whose leaves count from its start."""
    for name, case in all_of("merkle/subtreeinclusion"):
        root, leaf_hash, *path = (b64decode(h or "") for h in (case["root"], case["leafHash"], *(case["proof"] or [])))
        start, end = case["start"], case["end"]
        rebuilt = (
            root_from_path(leaf_hash, case["leafIdx"] - start, end - start, path) if is_subtree(start, end) else None
        )
        assert (rebuilt != root) == case["wantErr"], name


def test_subtree_consistency_proofs_of_transparency_dev() -> None:
    """Those of subtrees that begin at leaf 0; no format that we read proves the others consistent with a tree."""
    for name, case in all_of("merkle/subtreeconsistency"):
        old, new, *path = (b64decode(h or "") for h in (case["root1"], case["root2"], *(case["proof"] or [])))
        if case["start"] == 0:
            holds = consistency_holds(case["end"], case["size"], old, new, path)
            # One case has words for roots: what has not 32 bytes is no hash here.
            assert holds == (not case["wantErr"] and case["end"] > 0 and len(old) == HASH_SIZE), name


UNREAD = {"cose-receipts": "two receipts without keys: form only"}


def test_every_set_of_vectors_is_read_or_has_a_reason() -> None:
    fixture("rfc6962/hashes.json")
    root = Path(os.environ.get("TRACEABILITY_FIXTURES") or Path(__file__).parents[2] / "../shared/fixtures") / "notary"
    folders = [path for path in (*root.iterdir(), *(root / "merkle").iterdir()) if path.is_dir()]
    sets = {path.relative_to(root).as_posix() for path in folders}
    assert {"note", "merkle/inclusion"} <= sets
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py")))
    assert [name for name in sets - UNREAD.keys() if f'("{name}' not in tests] == []


def test_inclusion_proofs_of_sigsum() -> None:
    for name, valid in (("sigsum/inclusion-valid.json", True), ("sigsum/inclusion-invalid.json", False)):
        for case in fixture(name):
            leaf_hash, root, *path = map(b64decode, (case["leaf_hash"], case["root_hash"], *case["inclusion_path"]))
            rebuilt = root_from_path(leaf_hash, case["leaf_index"], case["tree_size"], path)
            assert (rebuilt == root) == valid, case


def test_notes_of_sumdb_and_torchwood() -> None:
    data = fixture("note/notes.json")
    for case in data["valid"]:
        note = open_note(case["note"].encode(), map(VerifierKey.parse, case["vkeys"]))
        assert [key.name for key, _ in note.verified] == case["want_verified"], case["name"]
        assert [signature.name for signature in note.unverified] == case["want_unverified"], case["name"]
    for case in data["invalid"]:
        with pytest.raises(VerificationError) as caught:
            open_note(case["note"].encode(), map(VerifierKey.parse, case["vkeys"]))
        assert (caught.value.code == "log.unverified_note") == (case["want_error"] == "unverified"), case["name"]
    for vkey in data["bad_vkeys"]:
        with pytest.raises(VerificationError):
            VerifierKey.parse(vkey)


def test_the_published_signer_signs_byte_for_byte() -> None:
    signer = fixture("note/notes.json")["published_test_signer"]
    key = SigningKey.parse(signer["skey"])
    assert key.text == signer["skey"]
    assert key.sign(signer["text"]) == signer["want"]
    assert VerifierKey.parse(key.verifier.text) == key.verifier


def test_a_known_key_with_a_bad_signature_spoils_the_note() -> None:
    case = next(case for case in fixture("note/notes.json")["valid"] if case["name"] == "both known")
    altered = case["note"].replace("problem is.\n\n", "problem was.\n\n")
    with pytest.raises(VerificationError) as caught:
        open_note(altered.encode(), map(VerifierKey.parse, case["vkeys"]))
    assert caught.value.code == "log.signature"


def test_tile_paths_of_tessera() -> None:
    data = fixture("layout/paths.json")
    for case in data["entries_path_for_index"]:
        assert tile_of(ENTRIES, case["index"] // WIDTH, case["size"]).path == case["path"]
    for case in data["tile_path"]:
        tile = Tile(case["level"], case["index"], case["partial"] or WIDTH)
        assert tile.path == case["path"]
        assert Tile.parse(case["path"]) == tile
    for case in data["parse"]:
        path = f"tile/{case['level']}/{case['index']}"
        if case.get("want_error"):
            with pytest.raises(VerificationError):
                Tile.parse(path)
        else:
            level, index, partial = case["want"]
            assert Tile.parse(path) == Tile(level, index, partial or WIDTH)


def test_partial_widths_of_the_specification() -> None:
    want = fixture("layout/paths.json")["partial_width_example"]
    tiles = [tile for tile in tiles_between(0, want["size"]) if tile.level != ENTRIES]
    for level in (0, 1, 2):
        here = [tile for tile in tiles if tile.level == level]
        assert sum(tile.width == WIDTH for tile in here) == want.get(f"full_l{level}", 0)
        assert [tile.width for tile in here if tile.width < WIDTH] == [want[f"partial_l{level}"]]
    assert {tile.path for tile in tiles_between(0, 256)} == {"tile/entries/000", "tile/0/000", "tile/1/000.p/1"}


def test_tlog_proofs_of_transparency_dev() -> None:
    data = fixture("tlog-proof/vectors.json")
    for case in data["marshal"]:
        extra = case["extra"].encode() if "extra" in case else None
        proof = LogProof(case["index"], tuple(map(b64decode, case["hashes"])), case["checkpoint"], extra)
        assert proof.text() == case["want"]
        assert LogProof.parse(case["want"].encode()) == proof
    for text in data["unmarshal_errors"]:
        with pytest.raises(VerificationError):
            LogProof.parse(text.encode())


def test_examples_of_the_specifications() -> None:
    examples = fixture("c2sp-examples/examples.json")["examples"]
    text, (signature,) = split_note(examples["signed-note"]["fenced"][0].encode())
    assert text.endswith("ed è subito sera.\n")
    assert signature.name == "quasimodo.example/salvatore"
    log, cosigned = examples["tlog-checkpoint"]["fenced"][0], examples["tlog-cosignature"]["fenced"][0]
    for note in (log, cosigned):
        body, _ = split_note(note.encode())
        checkpoint = Checkpoint.parse(body)
        assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
        assert checkpoint.text() == body
    witness = VerifierKey("witness.example.com/w1", Algorithm.COSIGNATURE, bytes(32))
    assert witness.timestamp(split_note(cosigned.encode())[1][1]) == 1679315147
    proof = LogProof.parse(examples["tlog-proof"]["fenced"][0].encode())
    assert (proof.index, len(proof.path)) == (73894, 5)
    assert proof.checkpoint.startswith("example.com/fancylog\n109482\n")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 64, 100])
def test_inclusion_paths_lead_back_to_the_root(size: int) -> None:
    leaves = [leaf(bytes((i,))) for i in range(size)]
    levels = levels_of(leaves)
    for index in range(size):
        assert root_from_path(leaves[index], index, size, inclusion_path(levels, index)) == root_of(leaves)
