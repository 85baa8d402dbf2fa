"""All logs of a ledger are checked in one run, with what ties them together."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from adapters.postgres.erasure import erase
from api.fsck import FILES, LAST, Asked
from api.fsck_chain import CheckedChain, check_logs
from api.notary import close_log, integrate_all, published_log
from api.wiring import Engine, open_engine
from tests.support.logged import BAD, EVENTS, World, flip, sound, world
from traceability.errors import NotFoundError

__all__ = ["sound", "world"]  # fixtures


def closed(world: World, engine: Engine) -> None:
    """Close the log, and put a hundred events into the next; what names an erasure of the first is there."""
    close_log(engine, name="main-b", origin="dairy.example/b")
    integrate_all(engine)
    world.grow(engine, *range(1_000, 1_100))
    erase(world.database.owner_url, engine.ledger, 5, reason="asked", authority="court")
    integrate_all(engine)


def check(engine: Engine, name: str | None = None, **asked: object) -> CheckedChain:
    return check_logs(engine, Asked(**asked), name=name, workers=1, window=200)  # type: ignore[arg-type]


def found(checked: CheckedChain) -> list[tuple[str, str, int | None]]:
    """Return what was found: in which log, or the chain, which code, at which leaf."""
    chain = [] if checked.chain is None else [("", f.code, f.leaf) for f in checked.chain.findings]
    return chain + [
        (name, f.code, f.leaf)
        for name, one in checked.logs.items()
        for report in (*one.scopes.values(), *one.outside.values())
        for f in report.findings
    ]


def test_every_log_is_checked_and_damage_is_of_its_log(world: World) -> None:
    with open_engine(world.settings) as engine:
        closed(world, engine)
        good = check(engine)
        assert found(good) == []
        assert {name: one.scopes["database"].leaves for name, one in good.logs.items()} == {
            "main": EVENTS + 1,
            "main-b": 101,
        }
        assert check(engine, "main").chain is None
        world.sql(
            flip("how"),
            f"UPDATE ledger.posting SET tag = tag # 1 WHERE position = {EVENTS + 11}",
            f"INSERT INTO ledger.posting VALUES (1, {EVENTS + 500}, 17, 4711)",
        )
        assert found(check(engine))[:2] == [("main", "log.commitment", BAD - 1), ("main", "log.index", BAD - 1)]
        # What is beyond the ledger's head is told once, with the log that grows.
        assert found(check(engine))[2:] == [("main-b", "log.index", 9)]
        assert found(check(engine, "main"))[:1] == [("main", "log.commitment", BAD - 1)]


DAMAGES = {
    "a closing is gone": "DELETE FROM notary.closing",
    "the next log is gone": "DELETE FROM notary.log WHERE log_id = 2",
    "closed earlier": "UPDATE notary.closing SET last_position = last_position - 1",
    "the next begins later": "UPDATE notary.log SET first_position = first_position + 1 WHERE log_id = 2",
    "the final checkpoint is gone": f"DELETE FROM notary.checkpoint WHERE log_id = 1 AND size = {EVENTS + 1}",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_breaks_the_chain_is_named(world: World, name: str) -> None:
    with open_engine(world.settings) as engine:
        closed(world, engine)
        world.sql(DAMAGES[name])
        assert ("", "log.chain", None) in found(check(engine, scopes=frozenset({FILES})))


def test_what_is_new_is_all_of_a_new_log(world: World) -> None:
    with open_engine(world.settings) as engine:
        with pytest.raises(NotFoundError) as caught:
            check(engine, since=LAST)
        assert caught.value.code == "log.nothing_confirmed"
        assert check(engine).clean
        closed(world, engine)
        new = check(engine, since=LAST)
        assert found(new) == []
        assert [(one.since, one.scopes["database"].leaves) for one in new.logs.values()] == [
            (EVENTS + 2, 0),
            (EVENTS + 2, 101),
        ]
        # From a position of the second log on, nothing of the first is looked at again.
        later = check(engine, since=EVENTS + 50)
        assert [(one.since, one.scopes["database"].leaves) for one in later.logs.values()] == [
            (EVENTS + 2, 0),
            (EVENTS + 50, 53),
        ]


class Interrupted(BaseException):
    """Stands for Ctrl-C."""


def test_an_interrupted_check_does_not_begin_again_with_the_first_log(world: World) -> None:
    said: list[str] = []

    def show(what: str) -> Callable[[int, int], None]:
        said.append(what)

        def progress(_done: int, _whole: int) -> None:
            if what == "main-b: Reading files":
                raise Interrupted

        return progress

    with open_engine(world.settings) as engine:
        closed(world, engine)
        with pytest.raises(Interrupted):
            check_logs(engine, Asked(), show, workers=1, window=200)
        assert said == [f"{name}: Reading {what}" for name in ("main", "main-b") for what in ("records", "files")]
        resumed = check(engine)
        assert found(resumed) == []
        assert [(one.resumed, one.scopes["database"].leaves) for one in resumed.logs.values()] == [(True, 0), (True, 0)]
        assert [one.resumed for one in check(engine).logs.values()] == [False, False]


def test_what_others_kept_is_held_against_its_log(world: World) -> None:
    with open_engine(world.settings) as engine:
        closed(world, engine)
        mirrors, kept = [], []
        for name in ("main", "main-b"):
            folder = world.data.with_name(f"mirror of {name}")
            shutil.copytree(world.data / "logs" / name, folder)
            mirrors.append(folder)
            kept.append(folder / "checkpoint")
        foreign = world.data.with_name("foreign")
        foreign.write_text("other.example/log\n1\n", encoding="utf-8")
        checked = check(engine, copies=mirrors, checkpoints=kept)
        assert found(checked) == []
        outside = [set(one.outside) & {str(path) for path in (*mirrors, *kept)} for one in checked.logs.values()]
        assert outside == [{str(mirrors[0]), str(kept[0])}, {str(mirrors[1]), str(kept[1])}]
        assert found(check(engine, checkpoints=[foreign])) == [("main-b", "log.checkpoint", None)]
        assert published_log(engine).name == "main-b"
