"""What others kept of a log: a copy of its files, a checkpoint; and what an earlier check confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tiles import MemoryTileStore
from tests.support.logs import KEY, MadeUpLog
from traceability.merkle import CompactRange, root_of
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.confirmed import NOTHING, Confirmed, Trusted
from traceability.notary.errors import VerificationError
from traceability.notary.fsck import DatabaseCheck, check_database, check_files
from traceability.notary.note import SigningKey
from traceability.notary.outside import check_copy, check_kept
from traceability.notary.ports import SignedCheckpoint, StoredRow
from traceability.notary.records import check_block

SIZE = 600
STRANGER = SigningKey(KEY.name, bytes(32))


@pytest.fixture
def made_up() -> MadeUpLog:
    """Give a log that was published at 250, 500 and 600 leaves."""
    made_up = MadeUpLog()
    made_up.grow(SIZE)
    made_up.integrate(250)
    return made_up


def copied(tiles: MemoryTileStore) -> MemoryTileStore:
    copy = MemoryTileStore()
    copy.files, copy.served = dict(tiles.files), tiles.served
    return copy


def codes(made_up: MadeUpLog, copy: MemoryTileStore) -> list[str]:
    return [finding.code for finding in check_copy(made_up.database, made_up.tiles, copy, "the copy").findings]


def test_a_copy_may_be_behind(made_up: MadeUpLog) -> None:
    copy = copied(made_up.tiles)
    report = check_copy(made_up.database, made_up.tiles, copy, "the copy")
    assert (report.clean, report.leaves, report.checkpoints) == (True, SIZE, 1)
    made_up.grow(900)
    made_up.integrate()
    assert codes(made_up, copy) == []
    # Our own partial tiles go some time after the full ones came, and its are the beginnings of those.
    made_up.tiles.discard_partials(["tile/0/002", "tile/entries/002"])
    assert "tile/0/002.p/88" not in made_up.tiles.files
    assert codes(made_up, copy) == []


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda copy: copy.files.update({"tile/0/001": bytes(8192)}), "log.copy"),
        (lambda copy: copy.files.update({"tile/0/002.p/88": bytes(88 * 32)}), "log.copy"),
        (lambda copy: copy.files.update({"tile/0/002": bytes(7)}), "log.stranger"),
        (lambda copy: copy.files.update({"tile/entries/000.p/250": bytes(3)}), "log.copy"),
        (lambda copy: copy.files.update({"tile/0/000.p/250": bytes(250 * 32)}), "log.copy"),
        (lambda copy: copy.files.pop("tile/entries/001"), "log.copy_incomplete"),
        (lambda copy: copy.files.update({"tile/notes": b""}), "log.stranger"),
        (lambda copy: setattr(copy, "served", None), "log.copy"),
        (lambda copy: setattr(copy, "served", b"nonsense"), "log.checkpoint"),
        (lambda copy: setattr(copy, "served", signed(SIZE, b"x" * 32, STRANGER)), "log.checkpoint"),
        (lambda copy: setattr(copy, "served", signed(SIZE, b"x" * 32)), "log.fork"),
        (lambda copy: setattr(copy, "served", signed(SIZE + 1, b"x" * 32)), "log.rolled_back"),
    ],
)
def test_a_copy_never_differs(made_up: MadeUpLog, damage: Callable[[MemoryTileStore], object], code: str) -> None:
    copy = copied(made_up.tiles)
    damage(copy)
    assert codes(made_up, copy)[:1] == [code]


def test_a_copy_that_is_ahead_shows_that_ours_was_rolled_back(made_up: MadeUpLog) -> None:
    older, copy = MadeUpLog(), copied(made_up.tiles)
    older.grow(500)
    older.integrate(250)
    assert codes(older, copy) == ["log.rolled_back"]


def signed(size: int, root: bytes, key: SigningKey = KEY) -> bytes:
    return key.sign(Checkpoint(KEY.name, size, root).text()).encode()


def kept(made_up: MadeUpLog, note: bytes) -> list[str]:
    return [finding.code for finding in check_kept(made_up.database, made_up.tiles, note, "a friend").findings]


@pytest.mark.parametrize("size", [1, 2, 249, 250, 255, 256, 257, 512, SIZE])
def test_a_checkpoint_of_the_history_is_good_even_where_the_database_forgot_it(made_up: MadeUpLog, size: int) -> None:
    note = signed(size, root_of([record.leaf_hash for record in made_up.records[:size]]))
    assert kept(made_up, note) == []
    assert kept(made_up, signed(size, bytes(32))) == ["log.fork"]
    assert kept(made_up, note.replace(b"\n", b"\r\n")) == ["log.checkpoint"]


def test_a_checkpoint_that_nothing_here_can_confirm_is_a_finding(made_up: MadeUpLog) -> None:
    assert kept(made_up, signed(SIZE + 1, bytes(32))) == ["log.rolled_back"]
    note = signed(300, root_of([record.leaf_hash for record in made_up.records[:300]]))
    made_up.tiles.files["tile/0/001"] = bytes(8192)
    assert kept(made_up, note) == ["log.rolled_back"]
    made_up.tiles.served = None
    assert kept(made_up, note) == ["log.rolled_back"]


def test_what_was_confirmed_can_be_cut_anywhere(made_up: MadeUpLog) -> None:
    confirmed = check_database(made_up.database).confirmed
    assert confirmed is not None
    assert confirmed.checkpoint(KEY.verifier).size == SIZE
    for size in [0, 1, 2, 3, *range(250, 260), *range(500, SIZE + 1)]:
        tree = CompactRange()
        tree.extend([record.leaf_hash for record in made_up.records[:size]])
        assert confirmed.cut(size, made_up.tiles) == Trusted(size, tree.peaks)
    for size in (-1, SIZE + 1):
        with pytest.raises(VerificationError):
            confirmed.cut(size, made_up.tiles)
    made_up.tiles.files["tile/0/001"] = bytes(8192)
    with pytest.raises(VerificationError):
        confirmed.cut(300, made_up.tiles)


def test_what_the_key_did_not_sign_is_not_trusted(made_up: MadeUpLog) -> None:
    confirmed = check_files(made_up.database, made_up.tiles).confirmed
    assert confirmed is not None
    peaks, note = confirmed.trusted.peaks, confirmed.note
    for bad in (
        Confirmed(note, Trusted(SIZE, peaks[:-1])),
        Confirmed(note, Trusted(SIZE, (*peaks[:-1], bytes(32)))),
        Confirmed(note, Trusted(SIZE - 1, peaks)),
        Confirmed(STRANGER.sign(note.partition("\n\n")[0] + "\n"), confirmed.trusted),
    ):
        with pytest.raises(VerificationError):
            bad.checkpoint(KEY.verifier)


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_tree_grows_the_same_in_any_portions(portions: list[int]) -> None:
    one, many = CompactRange(), CompactRange()
    number = 0
    for portion in portions:
        leaves = [n.to_bytes(32, "big") for n in range(number, number + portion)]
        number += portion
        for leaf in leaves:
            one.append(leaf)
        many.extend(leaves)
        assert (many.size, many.peaks, many.root()) == (one.size, one.peaks, one.root())
    assert many.root() == root_of([n.to_bytes(32, "big") for n in range(number)])
    assert CompactRange(many.size, many.peaks).root() == many.root()


@given(st.integers(0, 99), st.integers(0, 16), st.integers(0, 10_000))
def test_any_bit_of_a_record_that_turns_is_found_at_its_leaf(leaf: int, column: int, bit: int) -> None:
    made_up = MadeUpLog()
    made_up.grow(100)
    made_up.integrate(30)
    rows = list(made_up.database.rows(0, 100))
    row: list[Any] = list(rows[leaf])
    value = row[column]
    if isinstance(value, bytes):
        changed = bytearray(value or b"\x00")
        changed[bit // 8 % len(changed)] ^= 1 << bit % 8
        row[column] = bytes(changed)
    elif column == 2:
        row[column] = value ^ 1 << bit % 62
    elif column == 3:
        row[column] = f"{value}x"
    else:
        return  # the position is the row's place; the visibility is the index's business
    check = DatabaseCheck(made_up.database)
    for block in check.blocks():
        check.add(check_block(block, [*rows[:leaf], cast("StoredRow", tuple(row)), *rows[leaf + 1 :]]))
    report = check.finished()
    assert report.findings[0].leaf == leaf


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 90))
def test_checking_what_is_new_is_checking_everything(before: int, more: int, most: int) -> None:
    made_up = MadeUpLog()
    made_up.grow(before)
    made_up.integrate(most)
    first, files = check_database(made_up.database), check_files(made_up.database, made_up.tiles)
    assert first.confirmed is not None
    assert files.confirmed is not None
    assert files.confirmed.trusted == first.confirmed.trusted
    made_up.grow(before + more)
    made_up.integrate(most)
    check = DatabaseCheck(made_up.database, made_up.tiles, first.confirmed.trusted)
    for block in check.blocks():
        check.add(check_block(block, made_up.database.rows(block.start, block.end)))
    rest, everything = check.finished(), check_database(made_up.database)
    assert rest.clean, rest.findings
    assert rest.confirmed == everything.confirmed
    assert (rest.leaves, everything.leaves) == (more, before + more)
    assert everything.confirmed is not None
    # From any size on, also one that was never published.
    for size in (before, before + more // 2):
        since = check_files(made_up.database, made_up.tiles, everything.confirmed.cut(size, made_up.tiles))
        assert (since.clean, since.confirmed) == (True, everything.confirmed), since.findings
        assert since.leaves == before + more - size


def test_fewer_records_than_were_confirmed_are_a_ledger_that_was_rolled_back(made_up: MadeUpLog) -> None:
    confirmed = check_database(made_up.database).confirmed
    assert confirmed is not None
    del made_up.records[500:]
    made_up.database.signed = {size: one for size, one in made_up.database.signed.items() if size <= 500}
    check = DatabaseCheck(made_up.database, None, confirmed.trusted)
    assert list(check.blocks()) == []
    assert [finding.code for finding in check.finished().findings] == ["log.rolled_back"]
    assert check_database(made_up.database).clean
    assert NOTHING.root == root_of([])


def test_a_log_that_grows_during_the_check_is_good() -> None:
    """After every answer of the database more is recorded, signed and published."""
    made_up = MadeUpLog()
    made_up.grow(10)
    made_up.integrate()

    class Growing:
        identity = made_up.database.identity

        def __getattr__(self, name: str) -> Any:
            def call(*arguments: object) -> object:
                answer: object = getattr(made_up.database, name)(*arguments)
                if isinstance(answer, Iterator):
                    # As far as it is read at once; what comes later is read later.
                    first = next(answer, None)
                    answer = chain([] if first is None else [first], answer)
                made_up.grow(len(made_up.records) + 7)
                made_up.integrate()
                return answer

            return call

    database: Any = Growing()
    for _ in range(5):
        assert check_database(database, made_up.tiles).findings == []
        assert check_files(database, made_up.tiles).findings == []


def test_a_forged_checkpoint_does_not_hide_a_bad_record_behind_it(made_up: MadeUpLog) -> None:
    forged = Checkpoint(KEY.name, 300, bytes(32))
    made_up.database.signed[300] = SignedCheckpoint(forged, KEY.sign(forged.text()), 0)
    one, other = made_up.records[520], made_up.records[521]
    made_up.records[520] = replace(other, position=one.position, recorded_at=other.recorded_at)
    made_up.records[521] = replace(one, position=other.position)
    for tiles, leaf in ((None, None), (made_up.tiles, 520)):
        roots = [finding for finding in check_database(made_up.database, tiles).findings if finding.code == "log.root"]
        assert [root.leaf for root in roots] == [None, leaf]
        assert "size 300" in roots[0].message
        assert "size 600" in roots[1].message


def test_two_records_swapped_are_named_by_the_tiles(made_up: MadeUpLog) -> None:
    one, other = made_up.records[320], made_up.records[333]
    made_up.records[320] = replace(other, position=one.position)
    made_up.records[333] = replace(one, position=other.position)
    alone = check_database(made_up.database)
    assert [f.code for f in alone.findings if f.code != "log.time"] == ["log.root"]
    assert "leaves 250 to 499" in alone.findings[-1].message
    named = check_database(made_up.database, made_up.tiles).findings[-1]
    assert (named.code, named.leaf) == ("log.root", 320)
