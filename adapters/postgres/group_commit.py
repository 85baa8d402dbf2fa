"""Many small appends, one commit.

A caller that finds nobody committing leads: it takes all that wait, commits them, and hands the lead to the first of
those that came meanwhile. No timer: a group is whatever gathered while the commit before it was being synced.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import psycopg
from eventsourcing.dcb.api import DCBQuery

from adapters.postgres.outcome import outcome_unknown
from traceability.errors import UnavailableError
from traceability.ledger.store import Prepared, matches

GROUP_ROWS: Final = 8_000
Settle: TypeAlias = Callable[[psycopg.Connection, int], None]
"""What is done in the transaction of an append, which is given the position of its last event."""


@dataclass(eq=False, slots=True)
class SmallAppend:
    """One atomic append: nothing that matches `query` may have been recorded after position `after`.

    `settle` is what else its transaction does once the position is known: it commits with the append or not at all.
    Once `decided`: `position` is its last event's, or None when a candidate stands between `after` and `checked_to`.
    """

    events: Sequence[Prepared]
    query: DCBQuery | None
    after: int
    rows: int
    settle: Settle | None = None
    position: int | None = None
    checked_to: int = 0
    error: Exception | None = None
    decided: bool = False
    leads: bool = False
    awake: threading.Event = field(default_factory=threading.Event)

    def conflicts_with(self, group: Sequence[SmallAppend]) -> bool:
        """Tell whether an event of the group, which would be recorded first, matches this append's condition."""
        query = self.query
        return query is not None and any(
            matches(query, p.event.type, p.index.tags) for member in group for p in member.events
        )


class GroupCommit:
    """Serialises small appends of this process; `commit` makes one group durable and fills in its results."""

    def __init__(self, commit: Callable[[Sequence[SmallAppend]], None]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: deque[SmallAppend] = deque()
        self._busy = False

    def submit(self, append: SmallAppend) -> None:
        """Return once the append is decided; raises what its commit raised."""
        try:
            with self._lock:
                self._waiting.append(append)
                append.leads = not self._busy
                self._busy = True
            if not append.leads:
                append.awake.wait()
            if append.leads:
                self._lead()
        except BaseException:
            # Ctrl-C in the main thread: nobody may be left waiting for a leader that went away.
            with self._lock:
                if append in self._waiting:
                    self._waiting.remove(append)
                if append.leads:
                    append.leads = False
                    self._pass_on()
            raise
        if append.error is not None:
            raise append.error

    def _lead(self) -> None:
        group: list[SmallAppend] = []
        try:
            with self._lock:
                self._take(group)
            self._commit_group(group)
        finally:
            with self._lock:
                self._pass_on()
            for member in group:
                if not member.decided and member.error is None:
                    member.error = outcome_unknown()  # Ctrl-C in the middle of the commit
                member.leads = False
                member.awake.set()

    def _take(self, group: list[SmallAppend]) -> None:
        size = 0
        while self._waiting and (not group or size + self._waiting[0].rows <= GROUP_ROWS):
            # The database checks conditions against what was committed before the group, so a member that depends
            # on an earlier one waits for the next group.
            if self._waiting[0].conflicts_with(group):
                break
            member = self._waiting.popleft()
            group.append(member)
            size += member.rows

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].awake.set()
        else:
            self._busy = False

    def _commit_group(self, group: Sequence[SmallAppend]) -> None:
        try:
            self._commit(group)
        except UnavailableError as error:
            # About the database and not about a member. Nothing is tried again: it may have been made.
            for member in group:
                member.error = error
        except Exception as error:  # noqa: BLE001 - every member must learn of it, whatever it is
            # Nothing of the group was made: find the member that it is about.
            if len(group) == 1:
                group[0].error = error
            else:
                for member in group:
                    self._commit_group([member])
