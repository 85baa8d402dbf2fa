"""Integrating: crashes, races, rolled-back databases and damage, with memory on both sides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from adapters.memory.notary import MemoryLogDatabase
from adapters.tiles import MemoryTileStore
from tests.support.logs import KEY, MadeUpLog, StoppedClock, stored_event
from traceability.merkle import root_of
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import DamagedLogError, NotPublishedError, RolledBackError, StaleCheckpointError
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import GRACE_US, Log, prove
from traceability.notary.note import SigningKey
from traceability.notary.ports import SignedCheckpoint, StoredEvent
from traceability.notary.receipt import open_event


class Crash(BaseException):
    """Stands for a kill: nothing may catch it."""


class Crashing:
    """Passes every call on, and dies before or after the one whose number is given."""

    def __init__(self, inner: object, calls: list[str], die_at: int, *, after: bool) -> None:
        self._inner, self._calls, self._die_at, self._after = inner, calls, die_at, after

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: object) -> object:
            self._calls.append(name)
            dies = len(self._calls) == self._die_at
            if dies and not self._after:
                raise Crash
            result = attribute(*arguments)
            if dies:
                raise Crash
            return result

        return call


def published(made_up: MadeUpLog) -> Checkpoint:
    served = made_up.tiles.checkpoint()
    assert served is not None
    checkpoint, _ = open_checkpoint(served, KEY.verifier)
    return checkpoint


def assert_good(made_up: MadeUpLog, size: int) -> None:
    assert published(made_up).size == size
    assert published(made_up).root == root_of([record.leaf_hash for record in made_up.records[:size]])
    for report in (check_database(made_up.database), check_files(made_up.database, made_up.tiles)):
        assert report.clean, report.findings


def test_an_empty_ledger_has_a_checkpoint_of_size_0() -> None:
    made_up = MadeUpLog()
    made_up.integrate()
    assert_good(made_up, 0)
    assert made_up.log().integrate() is None


@pytest.mark.parametrize("most", [1, 7, 255, 256, 257, 1000])
def test_rounds_of_any_size_give_one_log(most: int) -> None:
    made_up = MadeUpLog()
    made_up.integrate()
    for size in (3, 3, 300, 700):
        made_up.grow(size)
        made_up.integrate(most)
        assert_good(made_up, size)


def crash_points() -> list[tuple[int, bool]]:
    made_up, calls = MadeUpLog(), list[str]()
    made_up.grow(600)
    rounds(made_up, calls, 0, after=False)
    return [(number, after) for number in range(1, len(calls) + 1) for after in (False, True)]


def rounds(made_up: MadeUpLog, calls: list[str], die_at: int, *, after: bool) -> None:
    database: Any = Crashing(made_up.database, calls, die_at, after=after)
    tiles: Any = Crashing(made_up.tiles, calls, die_at, after=after)
    log = Log(database, tiles, KEY, StoppedClock())
    while log.integrate(250):
        pass


@pytest.mark.parametrize(("die_at", "after"), crash_points())
def test_a_crash_at_any_call_leaves_a_log_that_goes_on(die_at: int, *, after: bool) -> None:
    made_up = MadeUpLog()
    made_up.grow(600)
    with pytest.raises(Crash):
        rounds(made_up, [], die_at, after=after)
    promised = dict(made_up.database.signed)
    if made_up.tiles.checkpoint() is not None:
        assert_good(made_up, published(made_up).size)
    # After the restart other records are there and rounds have another size; what was signed stays signed.
    made_up.grow(650)
    made_up.integrate(97)
    assert_good(made_up, 650)
    assert promised.items() <= made_up.database.signed.items()


@pytest.mark.parametrize("die_at", range(1, 12))
def test_half_of_the_files_of_a_round_do_no_harm(monkeypatch: pytest.MonkeyPatch, die_at: int) -> None:
    made_up = MadeUpLog()
    made_up.grow(600)
    write = made_up.tiles.write

    def torn(files: dict[str, bytes]) -> None:
        write(dict(list(files.items())[:die_at]))
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(made_up.tiles, "write", torn)
        with pytest.raises(Crash):
            made_up.integrate()
    made_up.integrate()
    assert_good(made_up, 600)


def test_two_integrators_that_both_believe_to_lead() -> None:
    made_up = MadeUpLog()
    started = threading.Barrier(3)
    errors: list[Exception] = []

    def work(most: int) -> None:
        log = made_up.log()
        started.wait()
        for _ in range(400):
            try:
                log.integrate(most)
            except StaleCheckpointError:
                continue
            except Exception as error:  # noqa: BLE001 - handed to the test
                errors.append(error)

    threads = [threading.Thread(target=work, args=(most,)) for most in (3, 11)]
    for thread in threads:
        thread.start()
    started.wait()
    for size in range(0, 2000, 50):
        made_up.grow(size)
    for thread in threads:
        thread.join()
    assert errors == []
    made_up.integrate()
    assert_good(made_up, len(made_up.records))


def test_leadership_is_given_to_one() -> None:
    database = MadeUpLog().database
    with database.leadership() as first, database.leadership() as second:
        assert (first, second) == (True, False)
    with database.leadership() as again:
        assert again


def test_a_restored_database_is_not_signed_over() -> None:
    made_up = MadeUpLog()
    made_up.grow(300)
    made_up.integrate(100)
    for forget in ([300], [200, 300], [0, 100, 200, 300]):
        restored = MemoryLogDatabase(made_up.database.identity, made_up.records)
        restored.signed = {size: signed for size, signed in made_up.database.signed.items() if size not in forget}
        with pytest.raises(RolledBackError) as caught:
            Log(restored, made_up.tiles, KEY, StoppedClock()).integrate()
        assert caught.value.code == "log.rolled_back"
        assert restored.signed.keys().isdisjoint(forget)


def test_another_root_for_the_published_size_is_not_signed_over() -> None:
    made_up, other = MadeUpLog(), MadeUpLog()
    made_up.grow(10)
    other.records.extend(stored_event(i + 1) for i in range(10))
    made_up.integrate()
    other.integrate()
    made_up.tiles.served = other.tiles.served
    with pytest.raises(RolledBackError):
        made_up.integrate()


def test_a_ledger_that_lost_records_is_noticed_by_a_running_log() -> None:
    made_up = MadeUpLog()
    made_up.grow(10)
    log = made_up.log()
    log.integrate()
    del made_up.records[5:]
    with pytest.raises(RolledBackError):
        log.integrate()


def test_a_record_that_changed_after_it_was_signed_stops_the_log() -> None:
    made_up = MadeUpLog()
    made_up.grow(10)
    with suppress(Crash):
        rounds(made_up, [], _call_after("insert"), after=True)
    made_up.records[3] = stored_event(4711)
    with pytest.raises(DamagedLogError):
        made_up.integrate()
    assert made_up.tiles.files == {}


def _call_after(name: str) -> int:
    made_up, calls = MadeUpLog(), list[str]()
    made_up.grow(10)
    rounds(made_up, calls, 0, after=False)
    return calls.index(name) + 1


def test_a_flipped_bit_is_found_before_it_is_signed() -> None:
    made_up = MadeUpLog()
    made_up.grow(10)
    good = made_up.records[7]
    made_up.records[7] = _altered(good, leaf_hash=bytes(32))
    with pytest.raises(DamagedLogError, match="leaf 7"):
        made_up.integrate()
    assert made_up.database.signed == {}


def test_a_published_file_is_never_overwritten() -> None:
    made_up = MadeUpLog()
    made_up.grow(10)
    made_up.tiles.files["tile/0/000.p/10"] = bytes(320)
    with pytest.raises(DamagedLogError):
        made_up.integrate()
    assert made_up.tiles.checkpoint() is None


def test_lost_files_are_written_again_from_the_records() -> None:
    made_up = MadeUpLog()
    made_up.grow(1000)
    made_up.integrate(100)
    made_up.tiles = MemoryTileStore()
    made_up.integrate(300)
    assert_good(made_up, 1000)


def test_partial_tiles_stay_until_nobody_reads_the_checkpoint_before() -> None:
    made_up = MadeUpLog()
    clock = MovedClock()
    log = Log(made_up.database, made_up.tiles, KEY, clock)
    partial = "tile/0/000.p/200"
    for size, later, there in ((200, 0, True), (300, 5, True), (310, GRACE_US + 4, True), (320, GRACE_US + 5, False)):
        made_up.grow(size)
        clock.now = later
        log.integrate()
        assert (partial in made_up.tiles.files) is there, size
        assert_good(made_up, size)


class MovedClock:
    now = 0

    def now_us(self) -> int:
        return self.now


def test_another_key_than_the_log_was_created_with_is_refused() -> None:
    made_up = MadeUpLog()
    with pytest.raises(RolledBackError) as caught:
        Log(made_up.database, made_up.tiles, SigningKey(KEY.name, bytes(32)), StoppedClock())
    assert caught.value.code == "log.wrong_key"


def test_a_receipt_waits_for_its_checkpoint_and_is_never_wrong() -> None:
    made_up = MadeUpLog()
    made_up.grow(10)
    event = made_up.records[9]
    opening = open_event(
        event.event_id, event.recorded_at, event.parts, event.salt, event.personal_salt, extent=(), items=()
    )
    with pytest.raises(NotPublishedError):
        prove(made_up.tiles, KEY.verifier, 9, opening)
    made_up.integrate(9)
    made_up.grow(11)
    assert prove(made_up.tiles, KEY.verifier, 9, opening).index == 9
    with pytest.raises(NotPublishedError):
        prove(made_up.tiles, KEY.verifier, 10, opening)
    with pytest.raises(DamagedLogError):
        prove(made_up.tiles, KEY.verifier, 8, opening)
    made_up.tiles.files["tile/0/000.p/10"] = bytes(320)
    with pytest.raises(DamagedLogError):
        prove(made_up.tiles, KEY.verifier, 9, opening)


def _sign(checkpoint: Checkpoint, size: int | None = None) -> SignedCheckpoint:
    """Sign a checkpoint, and store it as if it were of another size."""
    stored = Checkpoint(checkpoint.origin, size or checkpoint.size, checkpoint.root)
    return SignedCheckpoint(stored, KEY.sign(checkpoint.text()), 0)


def _altered(event: StoredEvent, **fields: Any) -> StoredEvent:
    names = StoredEvent.__dataclass_fields__
    return StoredEvent(**{name: fields.get(name, getattr(event, name)) for name in names})


@pytest.mark.parametrize(
    ("damage", "code", "leaf"),
    [
        (lambda m: m.records.__setitem__(5, _altered(m.records[5], recorded_at=1)), "log.time", 5),
        (lambda m: m.records.__setitem__(5, _altered(m.records[5], salt=bytes(32))), "log.commitment", 5),
        (lambda m: m.records.__setitem__(5, _altered(m.records[5], leaf_hash=bytes(32))), "log.leaf", 5),
        (lambda m: m.records.pop(5), "log.gap", 5),
        (lambda m: m.records.__setitem__(5, _altered(m.records[5], event_id=m.records[6].event_id)), "log.leaf", 5),
        (lambda m: m.records.__delitem__(slice(20, None)), "log.rolled_back", None),
        (lambda m: m.database.signed.__setitem__(20, _sign(Checkpoint(KEY.name, 20, bytes(32)))), "log.root", None),
        (lambda m: m.database.signed.__setitem__(20, _sign(m.database.signed[10].checkpoint, 20)), "log.root", None),
    ],
)
def test_the_first_bad_record_is_named(damage: Callable[[MadeUpLog], object], code: str, leaf: int | None) -> None:
    made_up = MadeUpLog()
    made_up.grow(30)
    made_up.integrate(10)
    damage(made_up)
    report = check_database(made_up.database)
    assert (report.findings[0].code, report.findings[0].leaf) == (code, leaf), report.findings


def test_lawful_erasure_is_told_from_the_other_kind() -> None:
    made_up = MadeUpLog()
    made_up.grow(20)
    lawful, unlawful = made_up.records[4], made_up.records[9]
    notice = stored_event(20)
    parts = type(notice.parts)(
        head=b'{"type":"ledger.redacted.v1","captured_by":"dairy.example"}',
        more=b'{"tags":[],"payload":{"position":%d,"reason":"asked","authority":"court"}}' % lawful.position,
    )
    made_up.records.append(stored_event(20, parts))
    made_up.integrate()
    for event in (lawful, unlawful):
        opening = open_event(
            event.event_id, event.recorded_at, event.parts, event.salt, event.personal_salt, extent=(), items=()
        )
        left = b"".join(opening.parts[i].commitment(i) for i in (6, 7))
        made_up.records[made_up.records.index(event)] = _altered(event, personal_salt=left)
    report = check_database(made_up.database)
    assert report.erased == 2
    assert [(finding.code, finding.leaf) for finding in report.findings] == [("log.unlawful_erasure", 9)]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("tile/0/001", "log.tile"),
        ("tile/0/002.p/88", "log.tile"),
        ("tile/0/002.p/50", "log.tile"),
        ("tile/1/000.p/2", "log.tile"),
        ("tile/entries/001", "log.bundle"),
    ],
)
def test_a_damaged_file_is_named(path: str, code: str) -> None:
    made_up = MadeUpLog()
    made_up.grow(562)
    made_up.integrate()
    made_up.grow(600)
    made_up.integrate()
    content = made_up.tiles.files[path]
    made_up.tiles.files[path] = b"\xff" + content[1:]
    report = check_files(made_up.database, made_up.tiles)
    assert report.findings[0].code == code
    assert path in report.findings[0].message
    if path != "tile/0/002.p/50":  # a partial tile of an older size may be removed
        del made_up.tiles.files[path]
        assert check_files(made_up.database, made_up.tiles).findings[0].code in ("log.tile", "log.bundle")


def test_an_altered_entry_that_fits_its_length_is_found_by_its_tile() -> None:
    made_up = MadeUpLog()
    made_up.grow(600)
    made_up.integrate()
    content = made_up.tiles.files["tile/entries/001"]
    made_up.tiles.files["tile/entries/001"] = content[:-1] + bytes((content[-1] ^ 1,))
    findings = check_files(made_up.database, made_up.tiles).findings
    assert [finding.code for finding in findings][:2] == ["log.tile", "log.tile"]
    assert findings[0].leaf == 256


@pytest.mark.parametrize("path", ["tile/0/005", "tile/0/000.tmp", "tile/7/000", "tile/entries/009.p/3"])
def test_a_stranger_among_the_files_is_named(path: str) -> None:
    made_up = MadeUpLog()
    made_up.grow(600)
    made_up.integrate()
    made_up.tiles.files[path] = b""
    (finding,) = check_files(made_up.database, made_up.tiles).findings
    assert finding.code == "log.stranger"


def test_a_served_checkpoint_that_the_database_does_not_know_is_a_finding() -> None:
    made_up = MadeUpLog()
    made_up.grow(10)
    made_up.integrate()
    made_up.database.signed.clear()
    assert check_files(made_up.database, made_up.tiles).findings[0].code == "log.rolled_back"
    made_up.tiles.served = b"nonsense"
    assert check_files(made_up.database, made_up.tiles).findings[0].code == "log.checkpoint"
    made_up.tiles.served = None
    assert check_files(made_up.database, made_up.tiles).clean
    made_up.integrate(5)
    made_up.tiles.served = None
    assert check_files(made_up.database, made_up.tiles).findings[0].code == "log.checkpoint"
