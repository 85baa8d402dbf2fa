"""Closed and abandoned logs, on both sides in memory: where they end, whatever crashes."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tests.support.logs import FIRST_POSITION, MadeUpLog, stored_event
from tests.unit.test_notary_log import Crash, assert_good, crash_points, rounds
from traceability.errors import ConflictError
from traceability.notary.chain import abandonment


def test_a_closed_log_ends_at_its_last_leaf_whatever_comes_after() -> None:
    made_up = MadeUpLog()
    made_up.grow(300)
    made_up.integrate(100)
    made_up.grow(350)
    made_up.database.close()
    made_up.grow(500)
    made_up.integrate(100)
    assert_good(made_up, 350)
    assert made_up.log().integrate() is None


@pytest.mark.parametrize(("die_at", "after"), crash_points())
def test_a_crash_while_a_log_closes_leaves_one_that_ends_there(die_at: int, *, after: bool) -> None:
    made_up = MadeUpLog()
    made_up.grow(600)
    made_up.database.close()
    made_up.grow(650)
    with suppress(Crash):
        rounds(made_up, [], die_at, after=after)
    made_up.integrate(97)
    assert_good(made_up, 600)


def test_an_abandoned_log_ends_where_database_and_published_tree_agree() -> None:
    made_up = MadeUpLog()
    made_up.grow(300)
    made_up.integrate(100)
    published_note = made_up.tiles.served
    assert published_note is not None
    with pytest.raises(ConflictError) as caught:
        abandonment(made_up.database, made_up.tiles)
    assert caught.value.code == "log.not_rolled_back"
    signed = dict(made_up.database.signed)
    for known, leaves in (({100, 200}, 200), ({100}, 100), (set[int](), 0)):
        made_up.database.signed = {size: one for size, one in signed.items() if size in known}
        found = abandonment(made_up.database, made_up.tiles)
        assert found.last_position == FIRST_POSITION + leaves - 1
        assert found.note == published_note.decode()
        assert (found.confirmed.checkpoint.size if found.confirmed else 0) == leaves


def test_a_checkpoint_of_another_history_confirms_no_end() -> None:
    made_up, other = MadeUpLog(), MadeUpLog()
    made_up.grow(300)
    made_up.integrate(100)
    other.grow(100)
    other.records.extend(stored_event(i + 1) for i in range(100, 250))
    other.integrate(100)
    assert sorted(other.database.signed) == [100, 200, 250]
    found = abandonment(other.database, made_up.tiles)
    assert found.confirmed is not None
    assert found.confirmed.checkpoint.size == 100
