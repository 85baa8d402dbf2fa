"""The queue of small appends: nobody is left waiting, and an append that may have been made is not called failed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.postgres.group_commit import GROUP_ROWS, GroupCommit, SmallAppend
from traceability.errors import UnavailableError


def an_append(rows: int = 1) -> SmallAppend:
    return SmallAppend([], None, -1, rows)


class Database:
    """Commits groups when let, and keeps what it was given."""

    def __init__(self, *failures: BaseException | None) -> None:
        self.groups: list[list[SmallAppend]] = []
        self.may_go_on = threading.Event()
        self._failures = list(failures)

    def commit(self, group: Sequence[SmallAppend]) -> None:
        self.groups.append(list(group))
        self.may_go_on.wait()
        if self._failures and (failure := self._failures.pop(0)) is not None:
            raise failure
        for member in group:
            member.position, member.decided = len(self.groups), True


def submit_behind_the_first(commits: GroupCommit, database: Database, appends: Sequence[SmallAppend]) -> list[object]:
    """Submit the first, the others while it is being committed; return what each call raised."""
    with ThreadPoolExecutor(max_workers=len(appends)) as threads:
        calls = [threads.submit(commits.submit, appends[0])]
        while not database.groups:
            pass
        for waiting, append in enumerate(appends[1:], 1):
            calls.append(threads.submit(commits.submit, append))
            while len(commits._waiting) < waiting:
                pass
        database.may_go_on.set()
        return [call.exception() for call in calls]


def test_what_gathers_during_a_commit_is_the_next_group() -> None:
    database = Database()
    appends = [an_append() for _ in range(5)]
    assert submit_behind_the_first(GroupCommit(database.commit), database, appends) == [None] * 5
    assert database.groups == [appends[:1], appends[1:]]


def test_a_group_is_bounded_by_its_rows_and_takes_at_least_one() -> None:
    database = Database()
    appends = [an_append(), an_append(GROUP_ROWS + 1), an_append(GROUP_ROWS - 1), an_append(1), an_append(1)]
    assert submit_behind_the_first(GroupCommit(database.commit), database, appends) == [None] * 5
    assert database.groups == [appends[:1], appends[1:2], appends[2:4], appends[4:]]


def test_an_interrupted_leader_leaves_nobody_waiting() -> None:
    """Ctrl-C in the middle of a commit: it may have been made, and whoever waits behind it goes on."""
    database = Database(None, KeyboardInterrupt())
    commits = GroupCommit(database.commit)
    appends = [an_append() for _ in range(3)]
    raised = submit_behind_the_first(commits, database, appends)
    assert raised[0] is None
    assert isinstance(raised[1], KeyboardInterrupt)
    assert isinstance(raised[2], UnavailableError)
    assert raised[2].code == "ledger.outcome_unknown"
    commits.submit(later := an_append())
    assert later.position == 3


def test_after_a_lost_connection_nothing_is_tried_again() -> None:
    lost = UnavailableError("lost", code="ledger.outcome_unknown")
    database = Database(None, lost)
    appends = [an_append() for _ in range(3)]
    assert submit_behind_the_first(GroupCommit(database.commit), database, appends) == [None, lost, lost]
    assert len(database.groups) == 2


@pytest.mark.parametrize("error", [ValueError("refused"), RuntimeError("refused")])
def test_a_refused_group_is_tried_one_by_one(error: Exception) -> None:
    database = Database(None, error, None, error)
    appends = [an_append() for _ in range(4)]
    assert submit_behind_the_first(GroupCommit(database.commit), database, appends) == [None, None, error, None]
    assert database.groups == [appends[:1], appends[1:], *([append] for append in appends[1:])]
