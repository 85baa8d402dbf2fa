"""The pieces of a check, done in worker processes when there are many: each reads its own from the database.

Few are done here, with an index two at a time: while the database looks its rows up, this process takes records.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain, islice
from types import TracebackType
from typing import Final, Self

from adapters.postgres.connection import open_pool
from adapters.postgres.index_check import ExpectedIndex, IndexExpectation
from adapters.postgres.index_stored import Pool, StoredSums, TableWindow, stored_sums
from adapters.postgres.notary import PostgresLog
from api.capture.processes import Processes
from traceability.gs1.epcis import hashed_rows, index_rows
from traceability.notary.ports import LogIdentity, StoredRow
from traceability.notary.records import Block, CheckedBlock, check_block

_MOST_WORKERS: Final = 8
_FEW: Final = 16  # pieces that are done before a process has started
_AT_ONCE: Final = 2  # of so few
_AHEAD: Final = 64  # pieces that are done before the one that is waited for: a window takes as long as many blocks
_SOME: Final = 64  # records: what fits into a processor's own memory
_ALLOCATIONS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work on a log of a database: a block of records, or a window of an index table.

    `key` is that of the index sums; None to check records alone.
    """

    url: str = field(repr=False)
    ids: tuple[int, int]
    identity: LogIdentity
    work: Block | TableWindow
    key: bytes | None = field(default=None, repr=False)


Answer = tuple[CheckedBlock, ExpectedIndex | None] | StoredSums


def answer_to(pool: Pool, task: Task) -> Answer:
    """Check the records of a block, and say what their index is if that is asked for; or add up a window."""
    block = task.work
    if isinstance(block, TableWindow):
        return stored_sums(pool, task.ids[0], block)
    rows = PostgresLog(pool, *task.ids, task.identity).rows(block.start, block.end)
    if task.key is None:
        return check_block(block, rows), None
    first, count = block.first_position + block.start, block.end - block.start
    index = IndexExpectation(first, count, index_rows, task.key, hashed=hashed_rows)
    checked = check_block(block, _shown(rows, index))
    return checked, index.given()


def _shown(rows: Iterable[StoredRow], index: IndexExpectation) -> Iterator[StoredRow]:
    """Pass rows on, and show them to the index first, some at a time: a thousand rows later they are far from hand."""
    rows = iter(rows)
    while some := list(islice(rows, _SOME)):
        index.add(some)
        yield from some


class Checkers:
    """Does tasks with up to `count` processes, one a core (at most 8) if None; few tasks need none.

    A context manager; the processes end with it.
    """

    def __init__(self, pool: Pool, count: int | None) -> None:
        self._pool = pool
        self._count = count or min(_MOST_WORKERS, os.cpu_count() or 1)
        self._processes: Processes[Task, Answer] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._processes is not None:
            self._processes.end()

    def answers(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Yield the answers in the order of the tasks, a few of which are ahead of whoever takes them.

        Raises `UnavailableError` (`capture.workers`) when processes die over one task again and again.
        """
        tasks = iter(tasks)
        first = list(islice(tasks, _FEW))
        waiting = chain(first, tasks)
        if self._count == 1:
            for task in waiting:
                yield answer_to(self._pool, task)
            return
        if len(first) < _FEW:
            looked_up = any(isinstance(task.work, TableWindow) for task in first)
            # Whoever takes the answers needs a connection too.
            count = min(_AT_ONCE if looked_up else 1, self._pool.max_size - 1)
            with ThreadPoolExecutor(max(1, count)) as threads:
                yield from threads.map(partial(answer_to, self._pool), first)
            return
        processes = self._processes = Processes(self._count, _in_worker)
        ahead: deque[Future[Answer]] = deque()
        while True:
            while len(ahead) < _AHEAD and (following := next(waiting, None)) is not None:
                ahead.append(processes.submit(following))
            if not ahead:
                return
            yield ahead.popleft().result()


def _in_worker(task: Task) -> Answer:
    return answer_to(_pool(task.url), task)


@lru_cache(maxsize=1)
def _pool(url: str) -> Pool:
    # Here because it is done once: keep the collector from walking the program again and again, and from looking for
    # cycles, which a block hardly has, a hundred times in each.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    return open_pool(url, max_size=1)
