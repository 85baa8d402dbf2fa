"""Both stores of static files under one contract, and the folder's own duties: sync, locks, no half files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.signing import signing_key
from adapters.system import SystemEntropy
from adapters.tiles import FileTileStore, MemoryTileStore
from tests.support.disks import Fault, FaultyDisk, Platter
from tests.support.logs import KEY, ORIGIN
from traceability.errors import UnavailableError
from traceability.notary.errors import DamagedLogError, StaleCheckpointError
from traceability.notary.ports import TileStore


@pytest.fixture(params=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TileStore:
    return FileTileStore(tmp_path / "log") if request.param == "files" else MemoryTileStore()


def test_what_is_written_is_read_and_listed(store: TileStore) -> None:
    files = {"tile/0/x001/000": b"a", "tile/0/x001/000.p/3": b"b", "tile/entries/000": b"c"}
    assert store.read("tile/0/x001/000") is None
    assert list(store.paths()) == []
    store.write(files)
    store.write(files)
    assert {path: store.read(path) for path in store.paths()} == files
    assert store.checkpoint() is None


def test_other_bytes_for_a_path_are_refused_and_nothing_of_them_is_kept(store: TileStore) -> None:
    store.write({"tile/0/000": b"a"})
    with pytest.raises(DamagedLogError):
        store.write({"tile/0/001": b"new", "tile/0/000": b"b"})
    assert store.read("tile/0/000") == b"a"
    assert store.read("tile/0/001") is None


def test_the_checkpoint_is_replaced_only_by_who_saw_the_last(store: TileStore) -> None:
    store.replace_checkpoint(None, b"1")
    for stale in (None, b"2"):
        with pytest.raises(StaleCheckpointError):
            store.replace_checkpoint(stale, b"3")
    store.replace_checkpoint(b"1", b"2")
    assert store.checkpoint() == b"2"


def test_partial_tiles_go_and_full_ones_stay(store: TileStore) -> None:
    store.write({"tile/0/000": b"a", "tile/0/000.p/3": b"b", "tile/0/001.p/3": b"c"})
    store.discard_partials(["tile/0/000", "tile/0/007"])
    assert set(store.paths()) == {"tile/0/000", "tile/0/001.p/3"}


def test_what_is_written_outlasts_a_power_cut(tmp_path: Path) -> None:
    platter = Platter(tmp_path)
    store = FileTileStore(tmp_path / "logs" / "log", FaultyDisk(platter))
    files = {"tile/0/x001/000": b"a", "tile/0/x001/001": b"b"}
    store.write(files)
    platter.cut(None)
    assert {path: store.read(path) for path in store.paths()} == files
    store.replace_checkpoint(None, b"1")
    platter.cut(None)
    assert store.checkpoint() == b"1"


def test_what_a_killed_writer_staged_is_swept_away(tmp_path: Path) -> None:
    store = FileTileStore(tmp_path)
    store.write({"tile/0/000": b"a"})
    (tmp_path / ".staging" / "0").write_bytes(b"torn")
    store.write({"tile/0/001": b"b"})
    assert list((tmp_path / ".staging").iterdir()) == []
    assert store.read("tile/0/001") == b"b"


def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path) -> None:
    disk = FaultyDisk(Platter(tmp_path), Fault.FULL, 5)
    with pytest.raises(UnavailableError, match="No space left") as caught:
        FileTileStore(tmp_path, disk).write({"tile/0/000": b"a"})
    assert caught.value.code == "log.storage"
    assert list(FileTileStore(tmp_path).paths()) == []


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "main.key"
    key = signing_key(path, ORIGIN, SystemEntropy())
    assert signing_key(path, "another.example", SystemEntropy()) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert key.verifier.name == ORIGIN
    assert "seed" not in repr(key)
    path.chmod(0o640)
    with pytest.raises(UnavailableError, match="may be read by others"):
        signing_key(path, ORIGIN, SystemEntropy())


def test_all_who_make_the_key_at_once_have_the_same(tmp_path: Path) -> None:
    path = tmp_path / "main.key"
    with ThreadPoolExecutor(16) as threads:
        keys = list(threads.map(lambda _: signing_key(path, ORIGIN, SystemEntropy()), range(16)))
    assert set(keys) == {signing_key(path, ORIGIN, SystemEntropy())}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", KEY.text.encode()[:-4]])
def test_a_key_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "main.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(UnavailableError) as caught:
        signing_key(path, ORIGIN, SystemEntropy())
    assert caught.value.code == "log.key_file"
