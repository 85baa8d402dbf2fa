"""Our log read by programs that others wrote: PyPI tlog-scales and Go's x/mod/sumdb, both unmodified."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash as their_leaf_hash

from adapters.tiles import FileTileStore
from tests.plugins.listed_skips import SUMDB
from tests.support.logs import KEY, MadeUpLog, StoppedClock
from traceability.ledger.commitment import entry_of
from traceability.notary.log import Log, tile_reader
from traceability.notary.proof import LogProof
from traceability.notary.tree import TiledTree

SIZE = 66_000  # the third level is there, and the tree straddles 65,536 by more than one tile
OLD_SIZES = [1, 255, 256, 257, 1_000, 65_535, 65_536, 65_537]
INDICES = [0, 1, 255, 256, 65_535, 65_536, 65_537, SIZE - 1]
DRIVER = Path(__file__).with_name("gosumdb")


def publish(folder: Path, *sizes: int) -> MadeUpLog:
    """Publish a checkpoint of each size and keep every one as `checkpoint.SIZE` beside the log."""
    made_up = MadeUpLog()
    log = Log(made_up.database, FileTileStore(folder), KEY, StoppedClock())
    for size in sizes:
        made_up.grow(size)
        log.integrate(size)
        shutil.copy(folder / "checkpoint", folder.parent / f"checkpoint.{size}")
    return made_up


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MadeUpLog]:
    folder = tmp_path_factory.mktemp("logs") / "big"
    return folder, publish(folder, *OLD_SIZES, SIZE)


def run_tlog_tiles(*arguments: str) -> bytes:
    command = [sys.executable, "-m", "tlog_scales.cli", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_tlog_scales_reads_our_leaves_and_builds_our_proofs(big: tuple[Path, MadeUpLog]) -> None:
    folder, made_up = big
    tree = TiledTree(SIZE, tile_reader(FileTileStore(folder)))
    checkpoint = (folder / "checkpoint").read_text(encoding="utf-8")
    for index in (INDICES[0], INDICES[-1]):
        record = made_up.records[index]
        leaf = run_tlog_tiles("get-leaf", "--check", str(folder), str(index))
        assert leaf == entry_of(record.event_id, record.recorded_at, record.commitment)
        proof = LogProof.parse(run_tlog_tiles("gen-proof", str(folder), str(index)))
        assert proof == LogProof(index, tuple(tree.inclusion_path(index)), checkpoint)


def test_tlog_scales_verifies_signature_inclusion_and_consistency(big: tuple[Path, MadeUpLog]) -> None:
    folder, _ = big
    reader = TilesReader(LocalBackend(folder))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(Vkey.from_string(KEY.verifier.text))
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index in INDICES:
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(their_leaf_hash(reader.get_entry(index)), checkpoint.root_hash)
    tree = TiledTree(SIZE, tile_reader(FileTileStore(folder)))
    for old in OLD_SIZES:
        shutil.copy(folder.parent / f"checkpoint.{old}", folder / "old")
        older = type(checkpoint).from_text((folder / "old").read_text(encoding="utf-8"))
        older.verify(Vkey.from_string(KEY.verifier.text))
        extension = reader.get_consistency_proof(old, SIZE)
        extension.check(older.root_hash, checkpoint.root_hash)
        assert extension.node_hashes == tree.consistency_path(old)
    (folder / "old").unlink()


@pytest.fixture(scope="module")
def gosumdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None or not SUMDB.is_dir():
        pytest.skip("no Go toolchain with golang.org/x/mod")
    program = tmp_path_factory.mktemp("gosumdb") / "gosumdb"
    # The packages of the distribution are a GOPATH; nothing is fetched.
    offline = {
        "GO111MODULE": "off",
        "GOPATH": str(SUMDB.parents[4]),
        "GOPROXY": "off",
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
    }
    cache = {} if os.environ.get("HOME") else {"GOCACHE": str(program.parent / "cache")}
    subprocess.run(
        ["go", "build", "-o", str(program), "."], check=True, cwd=DRIVER, env={**os.environ, **offline, **cache}
    )
    return program


@pytest.mark.parametrize(("old", "size"), [(1, 2), (255, 256), (256, 257), (255, 700), (512, 65_537)])
def test_go_sumdb_authenticates_tiles_and_proves_leaves(gosumdb: Path, tmp_path: Path, old: int, size: int) -> None:
    made_up = publish(tmp_path / "log", old, size)
    arguments = [str(tmp_path / "log"), KEY.verifier.text, str(tmp_path / f"checkpoint.{old}")]
    done = subprocess.run([gosumdb, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == str(size) == str(len(made_up.records))


def test_go_sumdb_refuses_a_tile_that_was_changed(gosumdb: Path, tmp_path: Path) -> None:
    publish(tmp_path / "log", 255, 700)
    tile = tmp_path / "log/tile/0/001"
    content = tile.read_bytes()
    tile.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))
    arguments = [str(tmp_path / "log"), KEY.verifier.text, str(tmp_path / "checkpoint.255")]
    assert subprocess.run([gosumdb, *arguments], capture_output=True, check=False).returncode != 0
