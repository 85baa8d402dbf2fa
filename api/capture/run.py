"""One capture job from its documents to the ledger, from wherever the last runner left it.

The documents are outlined and, under rollback, checked to their end; that part can be done again. Then their events
are appended in order: each batch commits together with what was found about its events and with the cursor, so that
after a crash the next runner goes on behind the last batch, and no event is recorded, counted or told of twice.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

import numpy as np
import psycopg

from adapters.postgres import bulk, findings
from adapters.postgres.ledgers import personal_members
from adapters.postgres.outcome import settled
from adapters.postgres.packed import Packed
from api.capture.blocks import WORKERS_DIED, BlockTask, BlockWorkers, PreparedBlock
from api.wiring import Engine
from traceability.errors import UnavailableError
from traceability.gs1.epcis.envelope import Envelope, open_envelope
from traceability.gs1.epcis.outline import Block, Readable
from traceability.gs1.epcis.problems import Problem
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.capture import LEASE_US, CaptureJob, Counts, ErrorBehaviour, Phase
from traceability.ledger.findings import Finding, Letter, Origin, outcome_finding
from traceability.ledger.identifiers import ordered_ids
from traceability.ledger.store import Appended, Outcome


@dataclass(frozen=True, slots=True)
class Dealt:
    """What became of a good event: the name of its document, its JSONPath, and where it is, or what it repeats."""

    document: str
    path: str
    appended: Appended


Progress = Callable[[Phase, int, int], None]
"""Told the phase, the events (bytes, before they are counted) done in it, and all of them."""

_FLUSH: Final = 5_000  # events that are not recorded, and
_FLUSH_BYTES: Final = 1 << 23  # bytes of theirs, that wait at most for good events to fill a batch


@dataclass(frozen=True, slots=True)
class _Document:
    """A document of the job: its events begin with number `first` of the job."""

    number: int
    envelope: Envelope
    context: bytes
    first: int


@dataclass(slots=True)
class _Event:
    """Event `i` of a block on its way.

    `letter` are its bytes when it will not be recorded; `outcome` is what became of a good one.
    """

    document: _Document
    block: Block
    i: int
    problems: Sequence[Problem]
    letter: bytes | None = None
    outcome: Appended | None = None

    @property
    def number(self) -> int:
        return self.document.first + self.block.index + self.i


class CaptureRun:
    """Runs a job that the caller holds; `run` may raise, and the job is then left for the next runner.

    Raises `LostLeaseError` when another runner has taken the job over, `UnavailableError` when the database, the disk
    or the workers fail, OSError when a document cannot be read.
    """

    def __init__(
        self,
        engine: Engine,
        workers: BlockWorkers,
        job: CaptureJob,
        *,
        progress: Progress = lambda _phase, _done, _whole: None,
        dealt: Callable[[list[Dealt]], None] | None = None,
        lock_seconds: float = bulk.LOCK_SECONDS,
    ) -> None:
        self._engine = engine
        self._spool = engine.spool
        self._workers = workers
        self._job = job
        self._progress = progress
        self._dealt = dealt
        self._lock_seconds = lock_seconds
        self._jobs = engine.jobs
        self._ledger = engine.ledger_of(job.organisation)
        with engine.pool.connection() as connection:
            self._personal = tuple(personal_members(connection, engine.ledger.ledger_id))
        self._renewed = 0
        self._cursor = job.appended
        self._good = 0  # of those pending
        self._committed: list[Dealt] = []  # of the last batch
        self._pending: deque[_Event] = deque()
        self._ids = ordered_ids(engine.clock.now_us(), engine.entropy.token(10))

    def run(self) -> CaptureJob:
        """Bring the job to its end and return how it ended."""
        try:
            documents = list(self._open())
            if self._job.phase is Phase.APPENDING or self._check(documents):
                self._append(documents)
        except FileNotFoundError:
            self._give_up("capture.document_lost", "The document is no longer in the spool; send it again.")
        except UnavailableError as error:
            if error.code != WORKERS_DIED:
                raise
            self._give_up(error.code, f"{error.message}.")
        self._spool.remove(self._job.job_id)
        return self._jobs.get(self._job.organisation, self._job.job_id)

    def _give_up(self, code: str, message: str) -> None:
        """End a job that no runner can bring to its end."""
        nothing = Envelope([], None, [])
        about = Problem(None, "$", code, "error", message)
        with self._transaction() as connection:
            finding = self._finding(_Document(0, nothing, b"", 0), about)
            findings.add(connection, self._engine.ledger.ledger_id, [finding], [])
            end = Phase.CAPTURED if self._cursor else Phase.REFUSED
            self._jobs.finish(connection, self._job, end, failed=True)

    # Checking

    def _open(self) -> Iterator[_Document]:
        first = done = 0
        for number in range(len(self._job.documents)):
            path = self._spool.document(self._job.job_id, number)
            with path.open("rb") as stream:
                envelope = open_envelope(_Watched(stream, partial(self._seen, done)))
            done += path.stat().st_size
            context = b"" if envelope.context is None else dumps(envelope.context)
            yield _Document(number, envelope, context, first)
            first += envelope.events

    def _seen(self, before: int, size: int) -> None:
        self._beat()
        self._progress(Phase.CHECKING, before + size, self._job.size)

    def _check(self, documents: Sequence[_Document]) -> bool:
        """Tell whether the job may be appended; what keeps it out is written down."""
        around = [self._finding(document, problem) for document in documents for problem in document.envelope.problems]
        broken = any(map(_is_broken, documents))
        with self._transaction() as connection:
            findings.forget_job(
                connection, self._engine.ledger.ledger_id, self._job.job_id
            )  # of a check that ended half-way
            findings.add(connection, self._engine.ledger.ledger_id, around, [])
            if self._job.behaviour is ErrorBehaviour.PROCEED:
                self._jobs.begin_appending(connection, self._job)
                return True
        malformed = self._check_events(documents)
        with self._transaction() as connection:
            if not broken and not malformed:
                self._jobs.begin_appending(connection, self._job)
                return True
            self._jobs.advance(connection, self._job, 0, Counts(malformed=malformed))
            self._jobs.finish(connection, self._job, Phase.REFUSED, failed=True)
        return False

    def _check_events(self, documents: Sequence[_Document]) -> int:
        malformed = done = 0
        whole = sum(document.envelope.events for document in documents)
        for document, block, prepared in self._blocks(documents, 0, check=True):
            self._beat()
            if prepared.malformed:
                malformed += len(prepared.malformed)
                with self._transaction() as connection:
                    self._write(connection, [
                        _Event(document, block, one.number, one.problems, one.text) for one in prepared.malformed
                    ])  # fmt: skip
                    self._jobs.advance(connection, self._job, 0, Counts())
            done += block.events
            self._progress(Phase.CHECKING, done, whole)
        return malformed

    # Appending

    def _append(self, documents: Sequence[_Document]) -> None:
        whole = sum(document.envelope.events for document in documents)
        pieces = self._pieces(documents)
        batches = bulk.append_all(self._ledger, pieces, self._settle, lock_seconds=self._lock_seconds)
        for _ in batches:
            if self._dealt is not None:
                self._dealt(self._committed)
            self._progress(Phase.APPENDING, self._cursor, whole)
        with self._transaction() as connection:
            self._deal(connection, self._pending)
            self._jobs.finish(connection, self._job, Phase.CAPTURED, failed=any(_is_broken(d) for d in documents))

    def _pieces(self, documents: Sequence[_Document]) -> Iterator[Packed]:
        """Yield the good events behind the cursor, and line up all of them in `_pending`."""
        for document, block, prepared in self._blocks(documents, self._cursor):
            self._beat()
            done = max(0, self._cursor - document.first - block.index)
            malformed = {one.number: one for one in prepared.malformed}
            for i in range(done, block.events):
                if (one := malformed.get(i)) is not None:
                    self._pending.append(_Event(document, block, i, one.problems, one.text))
                else:
                    self._pending.append(_Event(document, block, i, prepared.warnings.get(i, ())))
                    self._good += 1
            packed = prepared.packed()
            yield packed.kept(np.array(prepared.numbers, np.int64) >= done) if done else packed
            if not self._is_long():
                continue
            if self._good:
                yield packed.split(0)[0]
            if not self._good:
                with self._transaction() as connection:
                    self._deal(connection, self._pending)
                self._pending.clear()

    def _is_long(self) -> bool:
        """Tell whether what waits to be written beside the good events has become too much."""
        letters = [event.letter for event in self._pending if event.letter is not None]
        return len(letters) >= _FLUSH or sum(map(len, letters)) >= _FLUSH_BYTES

    def _settle(self, connection: psycopg.Connection, batch: Packed, outcomes: Sequence[Appended]) -> None:
        """Deal with a batch inside its transaction, and with the malformed events among its events."""
        dealt: list[_Event] = []
        for i, outcome in enumerate(outcomes):
            while (event := self._pending.popleft()).letter is not None:
                dealt.append(event)
            event.outcome = outcome
            if outcome.outcome is Outcome.CONFLICT:
                event.letter = batch.parts(i).source
            dealt.append(event)
        self._good -= len(outcomes)
        self._deal(connection, dealt)
        if self._dealt is not None:
            names = self._job.documents
            self._committed = [
                Dealt(names[event.document.number], event.block.path_of(event.i), event.outcome)
                for event in dealt
                if event.outcome is not None
            ]

    def _deal(self, connection: psycopg.Connection, events: Sequence[_Event]) -> None:
        """Count events, write down what was found about them, and move the cursor behind them."""
        if not events:
            return
        became = Counter("malformed" if event.outcome is None else event.outcome.outcome.value for event in events)
        counts = Counts(
            recorded=became[Outcome.RECORDED],
            duplicates=became[Outcome.DUPLICATE],
            conflicts=became[Outcome.CONFLICT],
            malformed=became["malformed"],
        )
        self._write(connection, events)
        self._cursor = events[-1].number + 1
        self._jobs.advance(connection, self._job, self._cursor, counts)

    # What was found

    def _write(self, connection: psycopg.Connection, events: Sequence[_Event]) -> None:
        found: list[Finding] = []
        letters: list[Letter] = []
        for event in events:
            if event.outcome is not None and event.outcome.outcome is Outcome.RECORDED and not event.problems:
                continue
            position = None if event.outcome is None else event.outcome.position
            letter_id = None
            if event.letter:
                letter_id = next(self._ids)
                letters.append(
                    Letter(letter_id=letter_id, body=event.letter, context=event.document.context, position=position)
                )
            if event.outcome is None or event.outcome.outcome is Outcome.RECORDED:
                found += [self._finding(event.document, problem, position, letter_id) for problem in event.problems]
            else:
                path = event.block.path_of(event.i)
                repeated = outcome_finding(
                    self._origin(event.document),
                    event.outcome,
                    event_index=event.block.index + event.i,
                    path=path,
                    finding_id=next(self._ids),
                    letter_id=letter_id,
                    found_at=self._engine.clock.now_us(),
                )
                if repeated is not None:
                    found.append(repeated)
        findings.add(connection, self._engine.ledger.ledger_id, found, letters)

    def _finding(
        self, document: _Document, problem: Problem, position: int | None = None, letter_id: UUID | None = None
    ) -> Finding:
        return Finding(
            finding_id=next(self._ids),
            origin=self._origin(document),
            event_index=problem.index,
            path=problem.path,
            code=problem.code,
            severity=problem.severity,
            message=problem.message,
            found_at=self._engine.clock.now_us(),
            position=position,
            letter_id=letter_id,
        )

    def _origin(self, document: _Document) -> Origin:
        return Origin(self._job.organisation, self._job.documents[document.number], self._job.job_id)

    # The job

    def _blocks(
        self, documents: Sequence[_Document], start: int, *, check: bool = False
    ) -> Iterator[tuple[_Document, Block, PreparedBlock]]:
        """Yield the blocks, in order, that have an event with the job's number `start` or a later one."""
        blocks = [
            (document, block)
            for document in documents
            for block in document.envelope.blocks
            if document.first + block.index + block.events > start
        ]
        tasks = [self._task(document, block, check=check) for document, block in blocks]
        for (document, block), prepared in zip(blocks, self._workers.prepared(tasks), strict=True):
            yield document, block, prepared

    def _task(self, document: _Document, block: Block, *, check: bool) -> BlockTask:
        job_id, number = self._job.job_id, document.number
        # What is checked to its end first is prepared then, and waits on disk for its turn.
        twice = self._job.behaviour is ErrorBehaviour.ROLLBACK
        return BlockTask(
            document=str(self._spool.document(job_id, number)),
            block=block,
            context=document.context,
            captured_by=self._job.organisation,
            personal=self._personal,
            keep=str(self._spool.prepared(job_id, number, block.offset)) if twice else None,
            check=check,
        )

    def _beat(self) -> None:
        now = self._engine.clock.now_us()
        if now - self._renewed > LEASE_US // 6:
            self._jobs.renew(self._job)
            self._renewed = now

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        with settled(self._engine.pool) as connection, connection.transaction():
            yield connection


def _is_broken(document: _Document) -> bool:
    """Tell whether something is wrong with a document itself."""
    return any(problem.severity == "error" for problem in document.envelope.problems)


class _Watched:
    """A document that tells how far it was read."""

    def __init__(self, document: Readable, seen: Callable[[int], None]) -> None:
        self._document = document
        self._seen = seen
        self._done = 0

    def read(self, size: int, /) -> bytes:
        data = self._document.read(size)
        self._done += len(data)
        self._seen(self._done)
        return data
