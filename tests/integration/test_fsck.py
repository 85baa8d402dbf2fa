"""Checking a log in PostgreSQL: what is new, what was interrupted, what an earlier check remembers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from adapters.postgres.erasure import erase
from adapters.postgres.reindex import TABLES
from api.fsck import FILES, INDEX, LAST, RECORDS, Asked, LogCheck
from api.notary import close_log, integrate_all, published_log
from api.wiring import open_engine
from tests.support.logged import BAD, EVENTS, LEAF, STRANGER, World, first_finding, flip, sound, world
from traceability.errors import NotFoundError
from traceability.ledger.parts import PART_NAMES
from traceability.notary.errors import VerificationError

__all__ = ["sound", "world"]  # fixtures


def test_a_sound_ledger_is_good(world: World) -> None:
    checked = world.check()
    assert first_finding(checked) is None, checked
    database, files = checked.scopes["database"], checked.scopes[FILES]
    assert (database.leaves, database.checkpoints, database.erased, files.leaves) == (EVENTS + 1, 6, 1, EVENTS + 1)
    assert checked.scopes[INDEX].leaves == EVENTS + 1
    # Every table of the index has rows that could be damaged, every part bytes.
    row = world.row(BAD)
    assert all(row[name] for name in PART_NAMES)
    assert row["type"] == "epcis.aggregation_event.v2"


def test_the_damage_of_each_case_is_done_to_a_sound_ledger(world: World) -> None:
    """Without damage nothing is found, by whichever scopes."""
    for scopes in ((), (RECORDS,), (INDEX,), (FILES,)):
        assert world.check(*scopes).clean


def test_each_log_of_a_chain_is_checked_by_itself(world: World) -> None:
    with open_engine(world.settings) as engine:
        old, new = close_log(engine, name="main-b", origin="dairy.example/b")
        integrate_all(engine)
        world.grow(engine, *range(1_000, 1_100))
        # What names this erasure is in the next log, and so are the last rows of the index.
        erase(world.database.owner_url, engine.ledger, 5, reason="asked", authority="court")
        integrate_all(engine)
        for log, leaves, erased in ((old, EVENTS + 1, 2), (new, 101, 0)):
            checked = LogCheck(engine, log, Asked(), workers=1, window=200).run()
            assert checked.clean, checked
            assert (checked.scopes["database"].leaves, checked.scopes["database"].erased) == (leaves, erased)
            assert checked.scopes[INDEX].leaves == checked.scopes[FILES].leaves == leaves
        world.sql(f"UPDATE ledger.posting SET tag = tag # 1 WHERE position = {EVENTS + 11}")
        assert LogCheck(engine, old, Asked(), workers=1).run().clean
        assert first_finding(LogCheck(engine, new, Asked(), workers=1).run()) == (INDEX, "log.index", 9)
        assert LogCheck(engine, new, Asked(since=EVENTS + 12), workers=1).run().clean


def test_rows_of_another_ledger_are_its_own_business(world: World) -> None:
    for table in ("posting", "mark", "edge", "sighting"):
        world.sql(
            f"CREATE TEMPORARY TABLE copied AS SELECT * FROM ledger.{table} WHERE position < 10",
            "UPDATE copied SET ledger_id = 2",
            f"INSERT INTO ledger.{table} SELECT * FROM copied",
        )
    assert world.check(INDEX).clean


def test_worker_processes_find_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)
    with open_engine(world.settings) as engine:
        assert world.check_with(engine, workers=2).clean
        world.sql(flip("source"), f"UPDATE ledger.posting SET tag = tag # 1 WHERE position = {BAD + 200}")
        checked = world.check_with(engine, workers=2)
    assert [f.leaf for f in checked.scopes["database"].findings] == [LEAF]
    assert [f.leaf for f in checked.scopes[INDEX].findings] == [LEAF + 200]


def test_what_is_new_is_checked_on_top_of_what_was_confirmed(world: World) -> None:
    with open_engine(world.settings) as engine:
        for since in (LAST, 500):
            with pytest.raises(NotFoundError) as caught:
                world.check_with(engine, since=since)
            assert caught.value.code == "log.nothing_confirmed"
        assert world.check_with(engine).clean
        world.grow(engine, *range(1_000, 1_300))
        # Before the confirmed tree nothing is looked at, after it everything.
        world.sql(flip("how"), f"UPDATE ledger.posting SET tag = tag # 1 WHERE position = {BAD}")
        for since, begins in ((LAST, EVENTS + 2), (EVENTS + 2, EVENTS + 2), (400, 400), (600, 600)):
            checked = world.check_with(engine, since=since)
            assert (checked.clean, checked.since) == (True, begins), checked
        assert world.check_with(engine, since=LAST).scopes["database"].leaves == 0
        damaged = world.check_with(engine, since=BAD)
        assert first_finding(damaged) == ("database", "log.commitment", LEAF)
        assert damaged.scopes[INDEX].findings[0].leaf == LEAF
        assert world.check_with(engine, since=BAD + 1).clean
        # No check confirmed more than there is.
        with pytest.raises(VerificationError):
            world.check_with(engine, since=5_000)


def test_new_damage_is_found_by_a_check_of_what_is_new(world: World) -> None:
    with open_engine(world.settings) as engine:
        assert world.check_with(engine).clean
        world.grow(engine, *range(1_000, 1_200))
        world.sql(f"UPDATE ledger.sighting SET biz_step = 'packing' WHERE position = {EVENTS + 100}")
        world.sql(f"UPDATE ledger.record SET source = 'x' WHERE position = {EVENTS + 150}")
        (world.tiles / "tile/0/003.p/53").write_bytes(bytes(53 * 32))
        checked = world.check_with(engine, since=LAST)
        assert checked.since == EVENTS + 2
        assert first_finding(checked) == ("database", "log.commitment", EVENTS + 149)
        assert (checked.scopes[INDEX].findings[0].code, checked.scopes[INDEX].findings[0].leaf) == (
            "log.index",
            EVENTS + 99,
        )
        assert checked.scopes[FILES].findings[0].code == "log.tile"
        # What was bad is not confirmed.
        assert world.check_with(engine, since=LAST).since == EVENTS + 2


class Interrupted(BaseException):
    """Stands for Ctrl-C."""


def test_a_check_that_was_interrupted_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)

    def show(what: str) -> Callable[[int, int], None]:
        def progress(done: int, _whole: int) -> None:
            if what == "Reading records" and done > 500:
                raise Interrupted

        return progress

    with open_engine(world.settings) as engine:
        run = LogCheck(engine, published_log(engine), Asked(), show, workers=1, window=100)
        with pytest.raises(Interrupted):
            run.run()
        # What it saw is not looked at again, unless somebody wants to.
        world.sql(flip("how"))
        resumed = world.check_with(engine)
        assert (resumed.clean, resumed.resumed, resumed.since) == (True, True, 301)
        assert resumed.scopes[FILES].leaves == EVENTS + 1
        again = world.check_with(engine)
        assert (again.clean, again.resumed) == (False, False)
        assert first_finding(again) == ("database", "log.commitment", LEAF)


def test_visibilities_are_compared_before_an_interruption_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first events see theirs compared by the run that was interrupted: no later one looks at them again."""
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)
    world.sql("UPDATE ledger.visibility SET parties = '{}' WHERE position = 1")
    with open_engine(world.settings) as engine:
        with pytest.raises(Interrupted):
            LogCheck(engine, published_log(engine), Asked(), _interrupting(500), workers=1, window=100).run()
        again = world.check_with(engine)
        assert not again.resumed  # nothing was good, so nothing was kept
        assert first_finding(again) == (INDEX, "log.index", 0)
        assert len(again.scopes[INDEX].findings) == 1


def test_restarting_forgets_an_interrupted_check(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)
    with open_engine(world.settings) as engine:
        log = published_log(engine)
        show = _interrupting(400)
        with pytest.raises(Interrupted):
            LogCheck(engine, log, Asked(frozenset({RECORDS})), show, workers=1, window=100).run()
        # It did not look at the index, so a check of the index begins at the beginning.
        assert not world.check_with(engine, INDEX, restart=False).resumed
        with pytest.raises(Interrupted):
            LogCheck(engine, log, Asked(frozenset({RECORDS})), show, workers=1, window=100).run()
        assert not world.check_with(engine, RECORDS, restart=True).resumed


def _interrupting(after: int) -> Callable[[str], Callable[[int, int], None]]:
    def progress(done: int, _whole: int) -> None:
        if done > after:
            raise Interrupted

    return lambda _what: progress


def test_an_erasure_and_the_event_that_says_so_may_be_far_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is before the interruption, the event after it; or the event came while the check ran."""
    monkeypatch.setattr("traceability.notary.records.BLOCK", 32)
    with open_engine(world.settings) as engine:
        with pytest.raises(Interrupted):
            LogCheck(engine, published_log(engine), Asked(), _interrupting(500), workers=1, window=100).run()
        assert world.check_with(engine).clean

        def show(_what: str) -> Callable[[int, int], None]:
            def progress(done: int, _whole: int) -> None:
                if done == 320:
                    erase(world.database.owner_url, engine.ledger, 400, reason="asked", authority="court")

            return progress

        checked = LogCheck(engine, published_log(engine), Asked(), show, workers=1, window=100).run()
        assert (checked.clean, checked.scopes["database"].erased) == (True, 2), checked


def test_the_last_check_remembers_what_a_rolled_back_ledger_forgot(world: World) -> None:
    """Database and files are those of an older backup and agree with each other; only the check's own file differs."""
    older = world.data.with_name("older")
    shutil.copytree(world.tiles, older)
    shutil.copy(world.data / "logs/main/checkpoint", older / "checkpoint")
    assert world.check().clean
    with open_engine(world.settings) as engine:
        world.grow(engine, *range(1_000, 1_100))
        assert world.check_with(engine, since=LAST).clean
    size = EVENTS + 1
    world.sql(
        *(f"DELETE FROM ledger.{table} WHERE position > {size}" for table in ("record", *TABLES)),
        f"UPDATE ledger.head SET position = {size}",
        f"DELETE FROM notary.checkpoint WHERE size > {size}",
    )
    shutil.rmtree(world.tiles)
    shutil.copytree(older, world.tiles)
    checked = world.check()
    assert first_finding(checked) == ("an earlier check", "log.rolled_back", None), checked
    assert not world.check(since=LAST).clean


def test_what_was_confirmed_is_believed_only_under_the_log_s_key(world: World) -> None:
    assert world.check().clean
    file = world.data / "fsck" / "main.json"
    good = file.read_text(encoding="utf-8")
    kept = json.loads(good)
    note = kept["scopes"][RECORDS]["note"]
    forged = STRANGER.sign(note.split("\n\n")[0] + "\n")
    for bad in (
        good.replace(json.dumps(note, ensure_ascii=False), json.dumps(forged, ensure_ascii=False)),
        good.replace(kept["scopes"][RECORDS]["peaks"][0], "00" * 32),
        good.replace(kept["scopes"][RECORDS]["peaks"][0], "nonsense"),
        good[:-20],
        "",
    ):
        assert bad != good
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(NotFoundError):
            world.check(since=LAST)
    file.write_text(good, encoding="utf-8")
    assert world.check(since=LAST).clean
