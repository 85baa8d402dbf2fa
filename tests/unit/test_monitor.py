"""What a monitor accepts and what it refuses: for every pair of small sizes, and around full tiles of two levels."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.logs import KEY, ORIGIN
from traceability.ledger.commitment import leaf_hash
from traceability.merkle import EMPTY_ROOT, root_of
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.frontier import Frontier, ReadTile
from traceability.notary.monitor import (
    MAX_UNDECIDED,
    Followed,
    InconsistentLogError,
    News,
    Watched,
    _prove,
    follow,
    observe,
)
from traceability.notary.note import SigningKey
from traceability.notary.tiles import Tile
from traceability.notary.tree import TiledTree

LARGE = [1, 2, 255, 256, 257, 511, 512, 65_279, 65_280, 65_281, 65_535, 65_536, 65_537, 65_792, 65_793]
Files = dict[str, bytes]


@cache
def history(size: int, fork: int | None = None) -> tuple[bytes, ...]:
    """Return entries; with `fork` those from this index on are another history's."""
    return tuple(
        sha256(i.to_bytes(8, "big") + (b"fork" if fork is not None and i >= fork else b"")).digest()
        for i in range(size)
    )


@cache
def tiles(size: int, fork: int | None = None) -> tuple[Checkpoint, Files]:
    """Return checkpoint and files of a tree of `size` leaves."""
    entries = history(size, fork)
    frontier, files = Frontier().extended(entries, [leaf_hash(entry) for entry in entries])
    return Checkpoint(ORIGIN, size, frontier.root()), files


def note(checkpoint: Checkpoint) -> bytes:
    return KEY.sign(checkpoint.text()).encode()


def reader(files: Files) -> ReadTile:
    return lambda tile: files.get(tile.path)


def test_every_beginning_of_every_small_tree_is_proven() -> None:
    for size in range(301):
        checkpoint, files = tiles(size)
        tree = TiledTree(size, reader(files))
        for old in range(size + 1):
            assert _prove(tree, checkpoint, old) == tiles(old)[0].root


@pytest.mark.parametrize("size", [size for size in LARGE if size > 65_000])
def test_every_beginning_of_large_trees_is_proven(size: int) -> None:
    checkpoint, files = tiles(size)
    tree = TiledTree(size, reader(files))
    hashes = [leaf_hash(entry) for entry in history(size)]
    for old in (old for old in LARGE if old <= size):
        assert _prove(tree, checkpoint, old) == root_of(hashes[:old])


sizes = st.integers(0, 300)


@given(sizes, sizes)
def test_honest_growth_is_accepted_and_told(before: int, size: int) -> None:
    (seen, seen_files), (shown, shown_files) = tiles(before), tiles(size)
    larger = shown_files if size >= before else seen_files
    news = News.SAME if size == before else News.GREW if size > before else News.OLDER
    assert observe(note(seen), note(shown), KEY.verifier, reader(larger)) == (shown, news)
    assert observe(None, note(shown), KEY.verifier, reader(shown_files)) == (shown, News.FIRST)


def refused(seen: bytes, shown: bytes, files: Files) -> InconsistentLogError:
    with pytest.raises(InconsistentLogError) as caught:
        observe(seen, shown, KEY.verifier, reader(files))
    return caught.value


@given(st.data())
def test_any_fork_is_refused_with_both_checkpoints(data: st.DataObject) -> None:
    before, size = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    fork = data.draw(st.integers(0, min(before, size) - 1))
    # Whichever side the larger tree is on, its tiles are the ones that are served.
    (seen, seen_files), (shown, shown_files) = tiles(before), tiles(size, fork)
    error = refused(note(seen), note(shown), shown_files if size >= before else seen_files)
    assert (error.seen, error.shown, error.code) == (note(seen), note(shown), "log.inconsistent")


@pytest.mark.parametrize("size", [65_536, 65_793])
@pytest.mark.parametrize("before", [255, 256, 257, 65_279, 65_280, 65_535, 65_536])
def test_forks_of_large_trees_are_refused(before: int, size: int) -> None:
    shown, files = tiles(size, before - 1)
    honest = Checkpoint(ORIGIN, before, root_of([leaf_hash(entry) for entry in history(before)]))
    forked = Checkpoint(ORIGIN, before, root_of([leaf_hash(entry) for entry in history(size, before - 1)[:before]]))
    refused(note(honest), note(shown), files)
    news = News.SAME if before == size else News.GREW
    assert observe(note(forked), note(shown), KEY.verifier, reader(files))[1] is news


def flipped(files: Files, path: str, at: int) -> Files:
    content = bytearray(files[path])
    content[at % len(content)] ^= 1
    return {**files, path: bytes(content)}


@given(st.data())
def test_wrong_tiles_are_never_taken_for_a_fork_nor_hide_one(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    before = data.draw(st.integers(0, size))
    fork = data.draw(st.none() | st.integers(0, before))
    shown, files = tiles(size, fork)
    path = data.draw(st.sampled_from(sorted(files)))
    broken = flipped(files, path, data.draw(st.integers(0, 8191)))
    if data.draw(st.booleans()):
        del broken[path]
    consistent = fork is None or fork >= before
    try:
        observe(note(tiles(before)[0]), note(shown), KEY.verifier, reader(broken))
    except DamagedLogError:
        return
    except InconsistentLogError:
        assert not consistent
    else:
        assert consistent


def test_what_is_not_signed_by_the_log_is_no_news() -> None:
    shown, files = tiles(5)
    stranger = SigningKey(ORIGIN, bytes(32)).sign(shown.text()).encode()
    for content in (stranger, b"", note(shown)[:-3]):
        for seen in (None, note(tiles(3)[0])):
            with pytest.raises(VerificationError):
                observe(seen, content, KEY.verifier, reader(files))
    empty = replace(shown, size=0)
    with pytest.raises(VerificationError, match="empty tree"):
        observe(None, note(empty), KEY.verifier, reader(files))


def followed(start: Frontier, shown: Checkpoint, files: Files) -> list[Frontier]:
    return list(follow(start, shown, reader(files)))


@given(sizes, sizes)
def test_entries_are_followed_from_wherever_one_was(old: int, new: int) -> None:
    before, size = sorted((old, new))
    shown, files = tiles(size)
    start = Followed(before, tiles(before)[0].root).frontier(size, reader(files))
    reached = followed(start, shown, files)
    assert [one.size for one in reached] == ([] if before == size else [size])
    assert [one.root() for one in reached] == [shown.root for _ in reached]


def test_long_logs_are_followed_in_pieces_that_can_be_resumed() -> None:
    shown, files = tiles(65_793)
    reached = followed(Frontier(), shown, files)
    assert [one.size for one in reached] == [16_384, 32_768, 49_152, 65_536, 65_793]
    for i, part in enumerate(reached):
        again = Followed(part.size, part.root()).frontier(shown.size, reader(files))
        assert followed(again, shown, files) == reached[i + 1 :]
    # Also while the tiles above are not full yet.
    smaller, parts = tiles(60_000)
    third = Followed(reached[2].size, reached[2].root()).frontier(smaller.size, reader(parts))
    assert [one.size for one in followed(third, smaller, parts)] == [60_000]
    with pytest.raises(DamagedLogError):
        Followed(reached[2].size, bytes(32)).frontier(smaller.size, reader(parts))


@pytest.mark.parametrize("index", [0, 255, 256, 299])
def test_an_entry_that_is_not_its_leaf_is_named(index: int) -> None:
    shown, files = tiles(300)
    tile = Tile(-1, index // 256) if index < 256 else Tile(-1, 1, 44)
    with pytest.raises(DamagedLogError, match=f"entry {index} is not"):
        followed(Frontier(), shown, flipped(files, tile.path, index % 256 * 34 + 2))


def test_entries_whose_leaves_agree_and_whose_root_is_another_are_refused() -> None:
    shown, _ = tiles(300)
    _, files = tiles(300, 299)
    with pytest.raises(DamagedLogError, match="root"):
        followed(Frontier(), shown, files)


def watched(size: int, *undecided: bytes) -> Watched:
    return Watched(KEY.verifier.text, note(tiles(size)[0]), 1).postponed(undecided)


def compared(state: Watched, files: Files) -> Watched:
    return state.compared(KEY.verifier, reader(files))


def test_what_witnesses_have_seen_is_compared_once_the_log_is_that_far() -> None:
    _, files = tiles(20)
    early = compared(watched(10, note(tiles(5)[0]), note(tiles(15)[0])), tiles(10)[1])
    assert early.undecided == (note(tiles(15)[0]),)
    assert Watched.parse(early.encode()) == early
    assert compared(replace(early, note=note(tiles(20)[0])), files).undecided == ()
    # A witness that was shown another history than we are: found when ours has as many entries.
    split = compared(watched(10, note(tiles(15, 12)[0])), tiles(10)[1])
    with pytest.raises(InconsistentLogError) as caught:
        compared(replace(split, note=note(tiles(20)[0])), files)
    assert caught.value.shown == note(tiles(15, 12)[0])
    with pytest.raises(InconsistentLogError):
        compared(watched(10, note(tiles(5, 2)[0])), tiles(10)[1])
    nothing_seen = Watched(KEY.verifier.text).postponed([note(tiles(15)[0])])
    assert compared(nothing_seen, {}) == nothing_seen


def test_what_is_undecided_is_kept_once_and_not_without_end() -> None:
    notes = [note(Checkpoint(ORIGIN, size, bytes(32))) for size in range(11, 11 + MAX_UNDECIDED + 5)]
    assert compared(watched(10, *notes, *notes), {}).undecided == tuple(notes[5:])


@given(st.integers(0, 10), st.integers(0, 2**63 - 1), st.booleans())
def test_a_state_is_read_as_it_was_written(size: int, changed_at: int, first: bool) -> None:  # noqa: FBT001
    state = Watched(KEY.verifier.text, None if first else note(tiles(size)[0]), changed_at, Followed(size, EMPTY_ROOT))
    assert Watched.parse(state.encode()) == state


@given(st.binary(max_size=100) | st.text().map(str.encode) | st.sampled_from([b"{}", b"[]", b"null", b"[" * 5000]))
def test_any_other_state_is_refused_with_our_error(content: bytes) -> None:
    with pytest.raises(VerificationError) as caught:
        Watched.parse(content)
    assert caught.value.code == "monitor.state"


@pytest.mark.parametrize(
    ("old", "new"),
    [('"size": 5', '"size": -1'), ("trace-monitor/1", "trace-monitor/2"), ('"changed_at": 1', '"changed_at": "x"')],
)
def test_a_state_with_another_value_is_refused(old: str, new: str) -> None:
    content = replace(watched(5), followed=Followed(5, EMPTY_ROOT)).encode().decode()
    assert old in content
    with pytest.raises(VerificationError):
        Watched.parse(content.replace(old, new).encode())
