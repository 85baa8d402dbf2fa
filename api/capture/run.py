"""One capture job from its documents to the ledger, from wherever the last runner left it.

The documents are outlined and, under rollback, checked to their end; that part can be done again. Then their events
are appended in order: each batch commits together with what was found about its events and with the cursor, so that
after a crash the next runner goes on behind the last batch, and no event is recorded, counted or told of twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from adapters.postgres import bulk, findings
from adapters.postgres.capture_jobs import LostLeaseError
from adapters.postgres.ledgers import personal_members
from adapters.postgres.outcome import settled
from adapters.postgres.packed import Packed
from api.capture.blocks import BlockTask, BlockWorkers, Malformed, PreparedBlock
from api.capture.documents import JobDocument, open_documents
from api.capture.found import BlockFindings, finding_of
from api.capture.headers import header_problems, state_headers
from api.capture.processes import WORKERS_DIED
from api.wiring import Engine
from traceability.errors import UnavailableError
from traceability.gs1.epcis.blocks import Block
from traceability.gs1.epcis.problems import Problem
from traceability.ledger.capture import LISTED, Captured, CaptureJob, Counts, ErrorBehaviour, Phase
from traceability.ledger.findings import MORE_MALFORMED, Finding, Origin, more_malformed_sentence
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

_HOLDS: Final = 10
"""Holds of a job after which deaths of workers, and what nobody expected, are put down to its documents."""
_log: Final = structlog.stdlib.get_logger("api.capture")
_KEPT_SIZE: Final = 3
"""Bytes of prepared blocks for each of their documents, at most about."""
_MOST_WAITING: Final = 5_000  # malformed events, and
_MOST_BYTES: Final = 1 << 23  # bytes of theirs, that wait at most for good events to fill a batch


@dataclass(slots=True)
class _Line:
    """A block on its way: `settled` of its good events are appended, `told` of all its events are dealt with."""

    document: JobDocument
    block: Block
    prepared: PreparedBlock
    settled: int
    told: int
    malformed: Mapping[int, Malformed]


class _Share(NamedTuple):
    """What a batch has of a line: `good` events, which are its own from `first` on; all up to `until` are told of."""

    line: _Line
    good: Sequence[int]
    first: int
    until: int


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
        self._malformed = job.counts.malformed
        self._most_told = engine.settings.capture_max_malformed
        self._lines: deque[_Line] = deque()
        self._committed: list[Dealt] = []  # of the batch that is being committed
        self._listed = job.counts.recorded + job.counts.duplicates if job.listing else LISTED
        self._ids = ordered_ids(engine.clock.now_us(), engine.entropy.token(10))

    def run(self) -> CaptureJob:
        """Bring the job to its end and return how it ended."""
        try:
            documents = list(open_documents(self._spool, self._job, self._seen))
            if self._job.phase is Phase.APPENDING or self._check(documents):
                self._append(documents)
        except FileNotFoundError:
            if all(self._spool.document(self._job.job_id, i).exists() for i in range(len(self._job.documents))):
                raise
            self._give_up("capture.document_lost", "The document is no longer in the spool; send it again.")
        except UnavailableError as error:
            # Workers die for want of memory, which may be there next time, or because of what is in the documents.
            if error.code != WORKERS_DIED or self._job.lease < _HOLDS:
                raise
            self._give_up(error.code, f"{error.message}.")
        except (LostLeaseError, psycopg.Error, PoolTimeout, OSError):
            raise
        except Exception:
            # What nobody expected may be over next time, or never.
            if self._job.lease < _HOLDS:
                raise
            _log.exception("capture job given up", job=str(self._job.job_id))
            self._give_up("capture.failed", "Something went wrong here, again and again; tell the operator.")
        self._spool.remove(self._job.job_id)
        return self._jobs.get(self._job.organisation, self._job.job_id)

    def _give_up(self, code: str, message: str) -> None:
        """End a job that no runner can bring to its end."""
        with self._transaction() as connection:
            self._tell_of_job(connection, code, message)
            self._finish(connection, Phase.CAPTURED if self._cursor else Phase.REFUSED, failed=True)

    def _finish(self, connection: psycopg.Connection, phase: Phase, *, failed: bool) -> None:
        """End the job, and tell how many malformed events were only counted."""
        malformed = self._jobs.finish(connection, self._job, phase, failed=failed)
        if malformed > self._most_told:
            self._tell_of_job(connection, MORE_MALFORMED, more_malformed_sentence(malformed - self._most_told))

    def _tell_of_job(self, connection: psycopg.Connection, code: str, message: str) -> None:
        """Tell what is wrong with the job as a whole, as of its first document."""
        finding = self._finding(0, Problem(None, "$", code, "error", message))
        findings.add(connection, self._engine.ledger.ledger_id, [finding], [])

    # Checking

    def _seen(self, size: int) -> None:
        self._beat()
        self._progress(Phase.CHECKING, size, self._job.size)

    def _check(self, documents: Sequence[JobDocument]) -> bool:
        """Tell whether the job may be appended; what keeps it out is written down."""
        most, events = self._engine.settings.capture_max_events, sum(one.envelope.events for one in documents)
        if most is not None and events > most:
            self._give_up("capture.too_many_events", f"A capture has at most {most} events, and this one has {events}.")
            return False
        around = [self._finding(one.number, problem) for one in documents for problem in one.envelope.problems]
        around += [self._finding(number, problem) for number, problem in header_problems(documents)]
        broken = any(document.is_broken for document in documents)
        self._forget()
        with self._transaction() as connection:
            findings.add(connection, self._engine.ledger.ledger_id, around, [])
            self._jobs.renew_on(connection, self._job)
            if self._job.behaviour is ErrorBehaviour.PROCEED:
                self._jobs.begin_appending(connection, self._job)
                return True
        self._check_events(documents)
        with self._transaction() as connection:
            if not broken and not self._malformed:
                self._jobs.begin_appending(connection, self._job)
                return True
            self._jobs.advance(connection, self._job, 0, Counts(malformed=self._malformed))
            self._finish(connection, Phase.REFUSED, failed=True)
        return False

    def _forget(self) -> None:
        """Remove what a check that ended half-way has found."""
        more = True
        while more:
            with self._transaction() as connection:
                more = findings.forget_job(connection, self._engine.ledger.ledger_id, self._job.job_id)
                self._jobs.renew_on(connection, self._job)

    def _check_events(self, documents: Sequence[JobDocument]) -> None:
        done = 0
        whole = sum(document.envelope.events for document in documents)
        for document, block, prepared in self._blocks(documents, 0, check=True):
            self._beat()
            found = self._block_findings(document, block)
            for one in prepared.malformed:
                self._tell_malformed(found, one)
            if found.findings:
                with self._transaction() as connection:
                    self._jobs.advance(connection, self._job, 0, Counts())  # or another runner has it
                    findings.add(connection, self._engine.ledger.ledger_id, found.findings, found.letters)
            done += block.events
            self._progress(Phase.CHECKING, done, whole)

    # Appending

    def _append(self, documents: Sequence[JobDocument]) -> None:
        state_headers(self._engine, self._job, documents, self._transaction)
        whole = sum(document.envelope.events for document in documents)
        batches = bulk.append_all(self._ledger, self._pieces(documents), self._settle, lock_seconds=self._lock_seconds)
        for _ in batches:
            if self._dealt is not None:
                self._dealt(self._committed)
            self._progress(Phase.APPENDING, self._cursor, whole)
        with self._transaction() as connection:
            self._tell_rest(connection)
            self._finish(connection, Phase.CAPTURED, failed=any(document.is_broken for document in documents))

    def _pieces(self, documents: Sequence[JobDocument]) -> Iterator[Packed]:
        """Yield the good events behind the cursor, a block at a time, and line the blocks up."""
        for document, block, prepared in self._blocks(documents, self._cursor):
            self._beat()
            told = max(0, self._cursor - document.first - block.index)
            settled = bisect_left(prepared.numbers, told)
            packed = prepared.packed()
            malformed = {one.number: one for one in prepared.malformed}
            self._lines.append(_Line(document, block, prepared, settled, told, malformed))
            yield packed.split(settled)[1] if settled else packed
            if not self._is_long():
                continue
            if self._has_good:
                yield packed.split(0)[0]  # which ends the batch
            if not self._has_good:
                with self._transaction() as connection:
                    self._tell_rest(connection)

    @property
    def _has_good(self) -> bool:
        return any(line.settled < len(line.prepared.numbers) for line in self._lines)

    def _is_long(self) -> bool:
        """Tell whether what waits to be written beside the good events has become too much."""
        waiting = [len(one.text) for line in self._lines for one in line.malformed.values()]
        return len(waiting) >= _MOST_WAITING or sum(waiting) >= _MOST_BYTES

    def _settle(self, connection: psycopg.Connection, outcomes: bulk.Outcomes) -> None:
        """Deal with a batch in its transaction, and with the malformed events that stand among its events."""
        first = 0  # of the batch's events, those that the lines so far account for
        self._committed = []
        each = outcomes.of_each() if self._dealt is not None or self._listed < LISTED else []
        found: list[BlockFindings] = []
        malformed = self._malformed
        while first < len(outcomes):
            line = self._lines[0]
            good = line.prepared.numbers[line.settled : line.settled + len(outcomes) - first]
            last = line.settled + len(good) == len(line.prepared.numbers)
            share = _Share(line, good, first, line.block.events if last else good[-1] + 1)
            telling = self._findings_of(line)
            about_malformed = partial(self._tell_malformed, telling)
            # A partner is asked for a little again each time: its duplicates are counted, and nobody is told of them.
            quiet = self._job.partner is not None
            for _, tell in sorted(_told(share, outcomes, telling, about_malformed, quiet=quiet), key=itemgetter(0)):
                tell()
            found.append(telling)
            if each:
                name = self._job.documents[line.document.number]
                self._committed += [
                    Dealt(name, line.block.path_of(number), appended)
                    for number, appended in zip(good, each[first:], strict=False)
                ]
            first += len(good)
            line.settled += len(good)
            line.told = share.until
            self._cursor = line.document.first + line.block.index + share.until
            if last:
                self._lines.popleft()
        self._commit(connection, found, outcomes, self._malformed - malformed)

    def _tell_rest(self, connection: psycopg.Connection) -> None:
        """Deal with lines that have no good event left."""
        found, malformed = [], self._malformed
        for line in self._lines:
            telling = self._findings_of(line)
            for number, one in line.malformed.items():
                if number >= line.told:
                    self._tell_malformed(telling, one)
            found.append(telling)
            self._cursor = line.document.first + line.block.index + line.block.events
        self._lines.clear()
        if found:
            self._commit(connection, found, None, self._malformed - malformed)

    def _tell_malformed(self, telling: BlockFindings, one: Malformed) -> None:
        """Tell of a malformed event, or only count it when so many of the job's were told of."""
        if self._malformed < self._most_told:
            telling.malformed(one)
        self._malformed += 1

    def _commit(
        self,
        connection: psycopg.Connection,
        found: Sequence[BlockFindings],
        outcomes: bulk.Outcomes | None,
        malformed: int,
    ) -> None:
        """Write down what was found, count, and move the cursor."""
        findings.add(
            connection,
            self._engine.ledger.ledger_id,
            [finding for telling in found for finding in telling.findings],
            [letter for telling in found for letter in telling.letters],
        )
        captured = [] if outcomes is None or self._listed >= LISTED else self._captured()
        self._listed += len(captured)
        repeats = Counter(repeat.outcome for repeat in outcomes.repeats.values()) if outcomes else Counter[Outcome]()
        counts = Counts(
            recorded=len(outcomes) - len(outcomes.repeats) if outcomes else 0,
            duplicates=repeats[Outcome.DUPLICATE],
            conflicts=repeats[Outcome.CONFLICT],
            malformed=malformed,
        )
        self._jobs.advance(connection, self._job, self._cursor, counts, captured)

    def _captured(self) -> list[Captured]:
        """Return the events of the batch that are recorded, now or before, as many as whoever waits is told of."""
        recorded = (one for one in self._committed if one.appended.outcome is not Outcome.CONFLICT)
        return [
            Captured(one.document, one.path, one.appended.outcome, one.appended.position, one.appended.event_id)
            for one in islice(recorded, LISTED - self._listed)
        ]

    def _findings_of(self, line: _Line) -> BlockFindings:
        return self._block_findings(line.document, line.block)

    def _block_findings(self, document: JobDocument, block: Block) -> BlockFindings:
        now = self._engine.clock.now_us()
        return BlockFindings(self._origin(document.number), document.context_of_letters, block, ids=self._ids, now=now)

    def _finding(self, number: int, problem: Problem) -> Finding:
        """Return the finding of a problem of a document itself."""
        return finding_of(problem, self._origin(number), next(self._ids), self._engine.clock.now_us())

    def _origin(self, number: int) -> Origin:
        return Origin(self._job.organisation, self._job.documents[number], self._job.job_id)

    # The job

    def _blocks(
        self, documents: Sequence[JobDocument], start: int, *, check: bool = False
    ) -> Iterator[tuple[JobDocument, Block, PreparedBlock]]:
        """Yield the blocks, in order, that have an event with the job's number `start` or a later one."""
        blocks = [
            (document, block)
            for document in documents
            for block in document.envelope.blocks
            if document.first + block.index + block.events > start
        ]
        # What is checked to its end first is prepared then, and waits on disk for its turn if there is room: the
        # database may be on the same disk.
        keep = self._job.behaviour is ErrorBehaviour.ROLLBACK
        if check:
            keep = self._spool.has_room(_KEPT_SIZE * self._job.size)
        tasks = [self._task(document, block, check=check, keep=keep) for document, block in blocks]
        for (document, block), prepared in zip(blocks, self._workers.prepared(tasks), strict=True):
            assert len(prepared.numbers) + len(prepared.malformed) == block.events
            yield document, block, prepared

    def _task(self, document: JobDocument, block: Block, *, check: bool, keep: bool) -> BlockTask:
        job_id, number = self._job.job_id, document.number
        return BlockTask(
            document=str(self._spool.document(job_id, number)),
            block=block,
            context=document.context,
            captured_by=self._job.organisation,
            personal=self._personal,
            keep=str(self._spool.prepared(job_id, number, block.offset)) if keep else None,
            check=check,
            in_xml=document.envelope.in_xml,
        )

    def _beat(self) -> None:
        now = self._engine.clock.now_us()
        if now - self._renewed > self._jobs.lease_us // 6:
            self._jobs.renew(self._job)
            self._renewed = now

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        with settled(self._engine.pool) as connection, connection.transaction():
            yield connection


def _told(
    share: _Share,
    outcomes: bulk.Outcomes,
    telling: BlockFindings,
    about_malformed: Callable[[Malformed], None],
    *,
    quiet: bool,
) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield the events of which there is something to tell, and how it is told."""
    line, good, first, until = share
    for number, one in line.malformed.items():
        if line.told <= number < until:
            yield number, partial(about_malformed, one)
    for number, problems in line.prepared.warnings.items():
        if line.told <= number < until and (i := first + bisect_left(good, number)) not in outcomes.repeats:
            yield number, partial(telling.warned, problems, outcomes.position(i))
    for i, repeat in outcomes.repeats.items():
        if 0 <= i - first < len(good) and not (quiet and repeat.outcome is Outcome.DUPLICATE):
            # What a duplicate says is in the recorded event.
            text = outcomes.batch.parts(i).source if repeat.outcome is Outcome.CONFLICT else b""
            yield good[i - first], partial(telling.repeated, good[i - first], repeat, text)
