"""Blocks of a document, read and prepared for the ledger, in worker processes when there are many.

A worker is a pure function from a document's bytes to packed rows and problems: it knows no database, and one that is
killed is replaced and its blocks are prepared again.
"""

from __future__ import annotations

import gc
import os
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Final, Self

import msgspec

from adapters.postgres.packed import Packed, pack, read, written
from adapters.postgres.rows import rows_of
from adapters.system import SystemClock, SystemEntropy
from traceability.errors import InvalidInputError, UnavailableError
from traceability.gs1.epcis import content_digest, index_rows
from traceability.gs1.epcis.document import EventReader
from traceability.gs1.epcis.outline import Block
from traceability.gs1.epcis.problems import Problem
from traceability.gs1.epcis.strict_json import loads
from traceability.ledger.store import RANDOM_SIZE, LedgerRules, Prepared, prepare

_RULES: Final = LedgerRules(
    indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy()
)
WORKERS_DIED: Final = "capture.workers"
_PATIENCE: Final = 3  # deaths of workers in a row, with nothing done between them
_MOST_WORKERS: Final = 8
_FEW: Final = 8  # blocks that are done before a process has started
_COLLECT_EVERY: Final = 64
_CHECKSUM: Final = 4


class BlockTask(msgspec.Struct, frozen=True):
    """A block to prepare: `document` is the file, `context` its @context as JSON, empty for none.

    `keep` is where the result may stay until it is needed; to `check` is to ask for the problems only.
    """

    document: str
    block: Block
    context: bytes
    captured_by: str
    personal: tuple[str, ...]
    keep: str | None = None
    check: bool = False


class Malformed(msgspec.Struct, frozen=True):
    """An event that cannot be recorded: its place in the block, its bytes, and the problems that keep it out."""

    number: int
    text: bytes
    problems: list[Problem]


class PreparedBlock(msgspec.Struct, frozen=True):
    """What is in a block: the good events, packed (`events`), and everything that is wrong.

    `numbers` are the places of the good ones in the block, in the order of `events`; `warnings` are by place.
    """

    events: bytes
    numbers: list[int]
    warnings: dict[int, list[Problem]]
    malformed: list[Malformed]

    def packed(self) -> Packed:
        """Return the good events."""
        return read(self.events)


def prepare_block(task: BlockTask) -> PreparedBlock:
    """Read a block and prepare its events; raises OSError when the document cannot be read."""
    reader = _reader(task.context, task.captured_by, task.personal)
    block = task.block
    with Path(task.document).open("rb") as stream:
        stream.seek(block.offset)
        data = stream.read(block.size) if not block.too_long else b""
    good: list[Prepared] = []
    numbers: list[int] = []
    warnings: dict[int, list[Problem]] = {}
    malformed: list[Malformed] = []
    random = BytesIO(_RULES.entropy.token(RANDOM_SIZE * block.events))
    for number, one in enumerate(reader.read(block, data)):
        problems = one.problems
        if one.event is not None:
            try:
                good.append(prepare(one.event, _RULES, captured_by=task.captured_by, random=random.read(RANDOM_SIZE)))
            except InvalidInputError as error:
                problems = [*problems, Problem(one.index, one.path, error.code, "error", error.message)]
            else:
                numbers.append(number)
                if problems:
                    warnings[number] = problems
                continue
        malformed.append(Malformed(number, one.text, problems))
    return PreparedBlock(written(pack(rows_of(good, _RULES.tag_hash))), numbers, warnings, malformed)


class BlockWorkers:
    """Prepares blocks with up to `count` processes, one a core (at most 8) if None; few blocks need none.

    A context manager; the processes end with it.
    """

    def __init__(self, count: int | None) -> None:
        self._count = count or min(_MOST_WORKERS, os.cpu_count() or 1)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.rest()

    def rest(self) -> None:
        """End the processes; the next work for them starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def prepared(self, tasks: Sequence[BlockTask]) -> Iterator[PreparedBlock]:
        """Yield the blocks of the tasks in order, a few of them ahead of whoever takes them.

        Raises `UnavailableError` (`capture.workers`) when processes die again and again.
        """
        if self._count == 1 or (self._pool is None and len(tasks) < _FEW):
            yield from map(prepared_block, tasks)
            return
        waiting = deque(tasks)
        ahead: deque[tuple[BlockTask, Future[PreparedBlock]]] = deque()
        deaths = 0
        while waiting or ahead:
            try:
                while waiting and len(ahead) < 2 * self._count + 1:
                    # A process may die here as well: the task is taken off the list only when it is handed over.
                    ahead.append((waiting[0], self._submit(waiting[0])))
                    waiting.popleft()
                block = ahead[0][1].result()
            except BrokenProcessPool as error:
                deaths += 1
                if deaths > _PATIENCE:
                    raise UnavailableError(
                        "Processes that read the documents were killed again and again",
                        code=WORKERS_DIED,
                        hint="See whether the machine ran out of memory; fewer workers need less.",
                    ) from error
                self.rest()
                waiting.extendleft(task for task, _ in reversed(ahead))
                ahead.clear()
                continue
            deaths = 0
            ahead.popleft()
            yield block

    def _submit(self, task: BlockTask) -> Future[PreparedBlock]:
        if self._pool is None:
            # A fresh interpreter each: a fork would inherit this process's threads half-way through what they do.
            self._pool = ProcessPoolExecutor(self._count, mp_context=get_context("spawn"), initializer=_begin)
        return self._pool.submit(_in_worker, task)


_encode_block: Final = msgspec.msgpack.Encoder().encode
_decode_block: Final = msgspec.msgpack.Decoder(PreparedBlock).decode


def prepared_block(task: BlockTask) -> PreparedBlock:
    """Return a block that was kept ready, else prepare it, and keep one that is only checked if the task says where."""
    kept = None if task.keep is None else Path(task.keep)
    if kept is not None:
        with suppress(OSError, msgspec.DecodeError):
            data = kept.read_bytes()
            # It was not synced: after a power cut there may be anything.
            if zlib.crc32(data[_CHECKSUM:]).to_bytes(_CHECKSUM, "big") == data[:_CHECKSUM]:
                return _decode_block(data[_CHECKSUM:])
    block = prepare_block(task)
    if kept is not None and task.check:
        data = _encode_block(block)
        unfinished = kept.with_name(f"{kept.name}.unfinished")
        try:
            unfinished.write_bytes(zlib.crc32(data).to_bytes(_CHECKSUM, "big") + data)
            unfinished.rename(kept)
        except OSError:  # a full disk, say: then it is prepared again when its turn comes
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return block


_done = 0


def _begin() -> None:
    """End with the program that started this one, and keep the collector from walking all of it again and again.

    Nothing else tells a worker that its program was killed: it holds both ends of the pipe that it waits at. What a
    block allocates has hardly any cycles.
    """
    Thread(target=_end_with, args=[parent_process()], daemon=True).start()
    gc.collect()
    gc.freeze()
    gc.disable()


def _end_with(parent: BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)


def _in_worker(task: BlockTask) -> PreparedBlock:
    global _done  # noqa: PLW0603 - a process's own count
    _done += 1
    if _done % _COLLECT_EVERY == 0:
        gc.collect()
    block = prepared_block(task)
    return msgspec.structs.replace(block, events=b"") if task.check else block


@lru_cache(maxsize=16)
def _reader(context: bytes, captured_by: str, personal: tuple[str, ...]) -> EventReader:
    return EventReader(loads(context) if context else None, captured_by=captured_by, personal=personal)
