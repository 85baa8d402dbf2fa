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
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from adapters.postgres.packed import COLUMNS, Packed, pack, read, written
from adapters.postgres.rows import rows_of
from adapters.system import SystemClock, SystemEntropy
from api.capture.processes import Processes
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import content_digest, index_rows
from traceability.gs1.epcis.blocks import Block
from traceability.gs1.epcis.document import EventReader
from traceability.gs1.epcis.problems import Problem
from traceability.gs1.epcis.strict_json import loads
from traceability.ledger.store import RANDOM_SIZE, LedgerRules, Prepared, prepare

_RULES: Final = LedgerRules(
    indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy()
)
_MOST_WORKERS: Final = 8
_FEW: Final = 8  # blocks that are done before a process has started
_COLLECT_EVERY: Final = 64
_CHECKSUM: Final = 4
_PROGRAM: Final = version("traceability")


class BlockTask(msgspec.Struct, frozen=True):
    """A block to prepare: `document` is the file, `context` its @context as JSON, empty for none, `in_xml` its format.

    `keep` is where the result may stay until it is needed; to `check` is to ask for the problems only.
    """

    document: str
    block: Block
    context: bytes
    captured_by: str
    personal: tuple[str, ...]
    keep: str | None = None
    check: bool = False
    in_xml: bool = False


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
    reader = _reader(task.context, task.captured_by, task.personal, in_xml=task.in_xml)
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
        self._processes: Processes[BlockTask, PreparedBlock] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.rest()

    def rest(self) -> None:
        """End the processes; the next work for them starts new ones."""
        if self._processes is not None:
            self._processes.end()
            self._processes = None

    def prepared(self, tasks: Sequence[BlockTask]) -> Iterator[PreparedBlock]:
        """Yield the blocks of the tasks in order, a few of them ahead of whoever takes them.

        Raises `UnavailableError` (`capture.workers`) when processes die over one block again and again.
        """
        if self._count == 1 or (self._processes is None and len(tasks) < _FEW):
            yield from map(prepared_block, tasks)
            return
        waiting = iter(tasks)
        ahead: deque[Future[PreparedBlock]] = deque()
        while True:
            while len(ahead) < 2 * self._count + 1 and (task := next(waiting, None)) is not None:
                ahead.append(self._submit(task))
            if not ahead:
                return
            yield ahead.popleft().result()

    def _submit(self, task: BlockTask) -> Future[PreparedBlock]:
        if self._processes is None:
            self._processes = Processes(self._count, _in_worker)
        return self._processes.submit(task)


_encode_block: Final = msgspec.msgpack.Encoder().encode
_decode_block: Final = msgspec.msgpack.Decoder(PreparedBlock).decode


def prepared_block(task: BlockTask) -> PreparedBlock:
    """Return a block that was kept ready, else prepare it, and keep one that is only checked if the task says where."""
    kept = None if task.keep is None else Path(task.keep)
    if kept is not None:
        with suppress(OSError, msgspec.DecodeError):
            data = kept.read_bytes()
            # It was not synced: after a power cut there may be anything.
            if _checksum(data[_CHECKSUM:], task) == data[:_CHECKSUM]:
                return _decode_block(data[_CHECKSUM:])
    block = prepare_block(task)
    if kept is not None and task.check:
        data = _encode_block(block)
        unfinished = kept.with_name(f"{kept.name}.unfinished")
        try:
            unfinished.write_bytes(_checksum(data, task) + data)
            unfinished.rename(kept)
        except OSError:  # a full disk, say: then it is prepared again when its turn comes
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return block


def _checksum(data: bytes, task: BlockTask) -> bytes:
    """Return a checksum that is another one for another program, or when other members are personal by now."""
    return zlib.crc32(data, zlib.crc32(repr((_PROGRAM, COLUMNS, task.personal)).encode())).to_bytes(_CHECKSUM, "big")


_done = 0


def _in_worker(task: BlockTask) -> PreparedBlock:
    global _done  # noqa: PLW0603 - a process's own count
    if _done == 0:
        # Keep the collector from walking the program again and again: what a block allocates has hardly any cycles.
        gc.collect()
        gc.freeze()
        gc.disable()
    elif _done % _COLLECT_EVERY == 0:
        gc.collect()
    _done += 1
    block = prepared_block(task)
    return msgspec.structs.replace(block, events=b"") if task.check else block


@lru_cache(maxsize=16)
def _reader(context: bytes, captured_by: str, personal: tuple[str, ...], *, in_xml: bool) -> EventReader:
    found = loads(context) if context else None
    return EventReader(found, captured_by=captured_by, personal=personal, in_xml=in_xml)
