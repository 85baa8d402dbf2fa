"""The tiled tree against the plain one: same roots, same proofs, whatever the batches."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.logs import MadeUpLog
from traceability.ledger.commitment import leaf_hash
from traceability.merkle import CompactRange, consistency_holds, inclusion_path, levels_of, root_from_path, root_of
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.frontier import Frontier, ReadTile, load_frontier
from traceability.notary.log import tile_reader
from traceability.notary.tiles import ENTRIES, WIDTH, Tile, tiles_between
from traceability.notary.tree import TiledTree

STRADDLING = [255, 256, 257, 65_535, 65_536, 65_537]
LARGEST = max(STRADDLING) + 300
ENTRY = [i.to_bytes(57, "big") for i in range(LARGEST)]
LEAF = [leaf_hash(entry) for entry in ENTRY]


def grown(*sizes: int) -> tuple[Frontier, dict[str, bytes]]:
    frontier, files = Frontier(), dict[str, bytes]()
    for size in sizes:
        frontier, changed = frontier.extended(ENTRY[frontier.size : size], LEAF[frontier.size : size])
        assert files.keys().isdisjoint(changed)
        files |= changed
    return frontier, files


def reader(files: dict[str, bytes]) -> ReadTile:
    return lambda tile: files.get(tile.path)


@given(st.lists(st.integers(0, 1500), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_split_into_batches_gives_the_same_root_and_tiles(steps: list[int]) -> None:
    sizes = sorted({*steps, 1500})
    once, files_once = grown(1500)
    split, files_split = grown(*sizes)
    assert split == once
    assert split.root() == root_of(LEAF[:1500])
    assert files_once.items() <= files_split.items()
    # What is beyond the files of one batch are the partial tiles of the sizes between.
    between = {tile.path for old, new in pairwise([0, *sizes]) for tile in tiles_between(old, new)}
    assert files_split.keys() == between


@pytest.mark.parametrize("size", [1, 2, *STRADDLING, 70_000])
def test_the_files_of_a_tree_are_those_that_the_specification_counts(size: int) -> None:
    size = min(size, LARGEST)
    _, files = grown(size)
    assert files.keys() == {tile.path for tile in tiles_between(0, size)}
    for path, content in files.items():
        tile = Tile.parse(path)
        assert len(content) == tile.width * (59 if tile.level == ENTRIES else 32)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_536, 65_537])
def test_a_frontier_is_read_back_from_its_tiles(size: int) -> None:
    frontier, files = grown(size)
    assert load_frontier(size, frontier.root(), reader(files)) == frontier


def test_damage_at_the_frontier_is_found_before_anything_is_built_on_it() -> None:
    frontier, files = grown(700)
    for path in ("tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/002.p/188"):
        for damaged in (files | {path: files[path][:-1] + b"\xff"}, files | {path: files[path][1:]}):
            with pytest.raises(DamagedLogError):
                load_frontier(700, frontier.root(), reader(damaged))
        with pytest.raises(DamagedLogError):
            load_frontier(700, frontier.root(), reader({k: v for k, v in files.items() if k != path}))


def test_every_inclusion_and_consistency_proof_up_to_300() -> None:
    _, files = grown(*range(1, 301))
    roots = [root_of(LEAF[:size]) for size in range(301)]
    for size in range(1, 301):
        tree = TiledTree(size, reader(files))
        assert tree.root() == roots[size]
        levels = levels_of(LEAF[:size])
        for index in range(size):
            assert tree.inclusion_path(index) == inclusion_path(levels, index)
        for old in range(1, size + 1):
            assert consistency_holds(old, size, roots[old], roots[size], tree.consistency_path(old))
        assert tree.consistency_path(0) == []


@pytest.mark.parametrize("size", STRADDLING)
def test_proofs_around_the_edges_of_tiles(size: int) -> None:
    sizes = [s for s in STRADDLING if s <= size]
    _, files = grown(*sizes)
    tree, root = TiledTree(size, reader(files)), root_of(LEAF[:size])
    assert tree.root() == root
    for index in sorted({0, 1, 127, 128, 254, 255, 256, size // 2, 65_535, 65_536, size - 2, size - 1}):
        if index < size:
            assert root_from_path(LEAF[index], index, size, tree.inclusion_path(index)) == root
            assert tree.entry(index) == ENTRY[index]
    for old in sizes:
        assert consistency_holds(old, size, root_of(LEAF[:old]), root, tree.consistency_path(old))


@given(st.lists(st.integers(65_000, LARGEST), max_size=8))
@settings(max_examples=20)
def test_any_split_into_batches_over_the_edge_of_level_1(steps: list[int]) -> None:
    frontier, files = grown_to_65_000()
    whole, _ = frontier.extended(ENTRY[65_000:LARGEST], LEAF[65_000:LARGEST])
    written = dict(files)
    for size in sorted({*steps, LARGEST}):
        frontier, changed = frontier.extended(ENTRY[frontier.size : size], LEAF[frontier.size : size])
        assert written.keys().isdisjoint(changed)
        written |= changed
    assert frontier == whole
    assert load_frontier(LARGEST, whole.root(), reader(written)) == whole
    expected = {tile.path for tile in tiles_between(0, LARGEST)} | files.keys()
    between = {
        tile.path for old, new in pairwise(sorted({65_000, *steps, LARGEST})) for tile in tiles_between(old, new)
    }
    assert written.keys() == expected | between


@cache
def grown_to_65_000() -> tuple[Frontier, dict[str, bytes]]:
    return grown(65_000)


@pytest.mark.parametrize("size", STRADDLING)
def test_every_proof_that_touches_the_edges_of_tiles(size: int) -> None:
    """Of a small tree all; of a large one those of both ends and of every edge of a tile."""
    _, files = grown(size)
    tree = TiledTree(size, reader(files))
    root = tree.root()
    near = {
        i for edge in (*range(0, size + 1, 4096), 256, 512, 65_280, 65_536, size) for i in range(edge - 3, edge + 4)
    }
    chosen = range(size + 1) if size < 300 else sorted(i for i in near | set(range(300)) if 0 <= i <= size)
    roots, growing = {}, CompactRange()
    for index in range(size + 1):
        if index in chosen:
            roots[index] = growing.root()
        if index < size:
            growing.append(LEAF[index])
    for index in chosen:
        if index < size:
            assert root_from_path(LEAF[index], index, size, tree.inclusion_path(index)) == root
        if index:
            assert consistency_holds(index, size, roots[index], root, tree.consistency_path(index))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_an_altered_consistency_proof_fails(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 600))
    old = data.draw(st.integers(1, new - 1))
    path = TiledTree(new, reader(grown(new)[1])).consistency_path(old)
    at = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    altered = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
    roots = root_of(LEAF[:old]), root_of(LEAF[:new])
    assert consistency_holds(old, new, *roots, path)
    for wrong in ([*path[:at], altered, *path[at + 1 :]], path[:-1], [*path, altered], [*path[:at], *path[at + 1 :]]):
        assert not consistency_holds(old, new, *roots, wrong)


def test_an_index_outside_the_tree_has_no_proof() -> None:
    tree = TiledTree(3, reader(grown(3)[1]))
    for index in (-1, 3):
        with pytest.raises(IndexError):
            tree.inclusion_path(index)
    with pytest.raises(IndexError):
        tree.consistency_path(4)


def test_a_full_tile_serves_for_its_partial_ones() -> None:
    made_up = MadeUpLog()
    made_up.grow(255)
    made_up.integrate()
    made_up.grow(256)
    made_up.integrate()
    made_up.tiles.discard_partials([Tile(level, 0, WIDTH).path for level in (0, ENTRIES)])
    assert not any(".p/" in path for path in made_up.tiles.paths() if not path.startswith("tile/1/"))
    for level in (0, ENTRIES):
        full = made_up.tiles.files[Tile(level, 0, WIDTH).path]
        assert full.startswith(Tile(level, 0, 255).cut(full))
        made_up.tiles.files[Tile(level, 0, WIDTH).path] = full[:-1]
        with pytest.raises(DamagedLogError, match="malformed"):
            tile_reader(made_up.tiles)(Tile(level, 0, 255))


@pytest.mark.parametrize("groups", [7, 1_500])
def test_a_path_of_more_digits_than_an_index_has_is_none(groups: int) -> None:
    """Python itself refuses to read numbers of more than 4,300 digits, with an error of its own."""
    assert Tile.parse(f"tile/0/{'x001/' * 6}001").index == 1001001001001001001
    with pytest.raises(VerificationError):
        Tile.parse(f"tile/0/{'x001/' * groups}001")
