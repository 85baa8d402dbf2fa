"""`traceability log fsck`: which checks are made, from where on, and what is kept of them for the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from adapters.postgres.index_check import IndexCheck, IndexFault
from adapters.postgres.index_stored import WINDOW, StoredSums, TableWindow, table_windows
from adapters.tiles import FileTileStore
from api.confirmed import KeptChecks
from api.fsck_tasks import Checkers, Task
from api.notary import PublishedLog
from api.timestamps import roots_of
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.notary.confirmed import NOTHING, Trusted
from traceability.notary.fsck import DatabaseCheck, check_files
from traceability.notary.outside import check_copy, check_kept
from traceability.notary.records import Block, windows_of
from traceability.notary.report import Report
from traceability.notary.timestamp import check_timestamps

RECORDS: Final = "records"
INDEX: Final = "index"
FILES: Final = "files"
SCOPES: Final = (RECORDS, INDEX, FILES)
LAST: Final = "last"
Progress = Callable[[int, int], None]
Show = Callable[[str], Progress]
_KEY_SIZE: Final = 32


@dataclass(frozen=True)
class Asked:
    """What to check: which scopes, from where on (`LAST`, or a position; None for everything), and what others kept."""

    scopes: frozenset[str] = frozenset(SCOPES)
    since: str | int | None = None
    copies: Sequence[Path] = ()
    checkpoints: Sequence[Path] = ()
    restart: bool = False


@dataclass
class Checked:
    """What came of it: a report for each scope, and for each thing that is kept outside, by its name.

    `since` is the position that the records were checked from; `resumed` says that an interrupted check had come there.
    """

    since: int
    resumed: bool
    scopes: dict[str, Report] = field(default_factory=dict)
    outside: dict[str, Report] = field(default_factory=dict)
    problem: str | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return all(report.clean for report in (*self.scopes.values(), *self.outside.values()))


def nothing_confirmed() -> NotFoundError:
    """Return the error of a check that shall build on an earlier one, when none was good."""
    return NotFoundError(
        "No check of everything was good yet", code="log.nothing_confirmed", hint="Run: traceability log fsck"
    )


class LogCheck:
    """One run over a log. `show` is told what is being done, and gives whom to tell how far it is.

    Every `window` records it is kept how far it came, if all was good: a run of everything that is interrupted goes on
    from there.
    """

    def __init__(
        self,
        engine: Engine,
        log: PublishedLog,
        asked: Asked,
        show: Show = lambda _what: lambda _done, _whole: None,
        *,
        workers: int | None = None,
        window: int = WINDOW,
    ) -> None:
        self._engine = engine
        self._log = log
        self._asked = asked
        self._show = show
        self._workers = workers
        self._window = window
        self._first = log.database.identity.first_position
        self._from_start = asked.since is None
        self._kept = KeptChecks(engine.settings.data / "fsck" / f"{log.name}.json", log.key)

    @property
    def builds_on_another(self) -> bool:
        """Whether an earlier check was good of all that is asked for."""
        return self._kept.confirmed(self._asked.scopes) is not None

    def run(self) -> Checked:
        """Make the check to its end.

        Raises as `check` does, and `NotFoundError` (`log.nothing_confirmed`) when it shall build on a check of
        everything and none was good before.
        """
        if self._asked.since is not None and not self.builds_on_another:
            raise nothing_confirmed()
        checked = self.check()
        self.finish()
        return checked

    def check(self) -> Checked:
        """Make the check, and keep how far it came: if it is made again before `finish`, it goes on from there.

        One that shall build on an earlier check begins with the first entry when none was good. Raises
        `VerificationError` when the earlier one had not come so far, `DamagedLogError` when the files cannot prove that
        position.
        """
        trusted, resumed = self._start()
        checked = Checked(self._first + trusted.size, resumed)
        self._check_earlier(checked)
        if self._asked.scopes - {FILES}:
            self._check_records(trusted, checked)
        if FILES in self._asked.scopes:
            # Quick to check: after an interruption all of them are looked at again.
            checked.scopes[FILES] = self._check_files(NOTHING if resumed else trusted)
        self._check_outside(checked)
        checked.problem = self._kept.problem
        return checked

    def finish(self) -> None:
        """Forget how far the check came: the next one begins at the beginning."""
        if self._from_start and self._asked.scopes - {FILES}:
            self._kept.finish()

    def _start(self) -> tuple[Trusted, bool]:
        """Return what need not be checked again, and whether that is what an interrupted run saw."""
        asked = self._asked
        confirmed = None if asked.since is None else self._kept.confirmed(asked.scopes)
        self._from_start = confirmed is None
        if confirmed is None:
            of_records = asked.scopes - {FILES}
            unfinished = self._kept.unfinished(of_records) if of_records and not asked.restart else None
            return (unfinished.trusted, True) if unfinished is not None else (NOTHING, False)
        if not isinstance(asked.since, int):
            return confirmed.trusted, False
        size, final = max(asked.since - self._first, 0), self._log.database.identity.final_size
        return confirmed.cut(size if final is None else min(size, final), self._log.tiles), False

    def _check_records(self, trusted: Trusted, checked: Checked) -> None:
        """Check the records and, if it is asked for, the index with them: what is read once is enough for both."""
        engine, log = self._engine, self._log.database
        check = DatabaseCheck(log, self._log.tiles, trusted)
        checked.scopes["database"] = check.report
        index_report = Report()
        index = IndexCheck(engine.pool, log.ids[0], self._first + trusted.size) if INDEX in self._asked.scopes else None
        if index is not None:
            checked.scopes[INDEX] = index_report
        progress = self._show("Reading records")
        kept = trusted.size
        with Checkers(engine.pool, self._workers) as checkers:
            for answer in checkers.answers(self._tasks(check, with_index=index is not None)):
                if isinstance(answer, StoredSums):
                    assert index is not None
                    index.take(answer)
                    continue
                block, expected = answer
                check.add(block)
                done = block.block.end
                progress(done, check.end)
                complete = done - kept >= self._window
                if index is not None and expected is not None:
                    self._note_misfiled(expected.misfiled, index_report)
                    index_report.leaves += done - block.block.start
                    if complete := index.expect(expected):
                        self._note_faults(index.compare(), index_report)
                if complete:
                    kept = done
                    self._keep(check, index_report)
        if index is not None and check.end <= trusted.size:
            self._note_faults(index.compare(), index_report)
        report = check.finished()
        self._keep(check, index_report)
        if report.confirmed is not None and report.clean:
            now = engine.clock.now_us()
            self._kept.confirm(RECORDS, report.confirmed, now)
            if index is not None and index_report.clean:
                self._kept.confirm(INDEX, report.confirmed, now)

    def _tasks(self, check: DatabaseCheck, *, with_index: bool) -> Iterator[Task]:
        """Yield what is to be done: for each window what the index holds in it, then its blocks."""
        log = self._log.database
        key = self._engine.entropy.token(_KEY_SIZE) if with_index else None

        def task(work: Block | TableWindow) -> Task:
            return Task(self._engine.urls.runtime, log.ids, log.identity, work, key)

        def tables(start: int, end: int) -> list[Task]:
            if key is None:
                return []
            first, last = self._first + start, end == check.end and log.identity.last_position is None
            return [*map(task, table_windows(self._engine.pool, first, self._first + end, last=last, key=key))]

        window = None
        for window in windows_of(check.blocks(), self._window):
            yield from tables(window[0].start, window[-1].end)
            yield from map(task, window)
        if window is None:
            # Nothing is new, and still nothing may be beyond the head.
            yield from tables(check.end, check.end)

    def _keep(self, check: DatabaseCheck, index_report: Report) -> None:
        """Keep how far a run of everything came, unless something was found: then the next one finds it again."""
        confirmed = check.report.confirmed
        good = check.report.clean and index_report.clean
        if good and confirmed is not None and self._from_start:
            self._kept.note_progress(self._asked.scopes - {FILES}, confirmed, self._engine.clock.now_us())

    def _note_misfiled(self, positions: Sequence[int], report: Report) -> None:
        for position in positions:
            message = f"position {position} is stored under a visibility that is not its own"
            report.add("log.column", message, position - self._first)

    def _note_faults(self, faults: Sequence[IndexFault], report: Report) -> None:
        for fault in sorted(faults, key=lambda fault: fault.position):
            message = f"position {fault.position}: the index ({fault.table}) is not what its record says"
            report.add("log.index", message, fault.position - self._first)

    def _check_files(self, trusted: Trusted) -> Report:
        report = check_files(self._log.database, self._log.tiles, trusted, self._show("Reading files"))
        if report.confirmed is not None:
            self._kept.confirm(FILES, report.confirmed, self._engine.clock.now_us())
        return report

    def _check_earlier(self, checked: Checked) -> None:
        """See whether what an earlier check confirmed is still on the history."""
        if (earlier := self._kept.last()) is not None:
            name = "an earlier check"
            report = check_kept(self._log.database, self._log.tiles, earlier.note.encode(), name)
            checked.outside[name] = report
            if not report.clean:
                # A log that was rolled back is good in itself: the memory of what it was must outlive this run.
                self._kept.freeze()

    def _check_outside(self, checked: Checked) -> None:
        database, tiles = self._log.database, self._log.tiles
        for folder in self._asked.copies:
            progress = self._show(f"Comparing {folder}")
            checked.outside[str(folder)] = check_copy(database, tiles, FileTileStore(folder), str(folder), progress)
        for path in self._asked.checkpoints:
            checked.outside[str(path)] = check_kept(database, tiles, path.read_bytes(), str(path))
        if (witnesses := self._engine.witnesses) is not None:
            for witness, note in witnesses.latest(database.identity.origin):
                name = f"witness {witness.name!a}"
                checked.outside[name] = check_kept(database, tiles, note, name)
        if (roots := self._engine.settings.timestamp_roots) is not None:
            checked.outside["timestamps"] = self._check_timestamps(roots)

    def _check_timestamps(self, roots: Path) -> Report:
        report, database = Report(), self._log.database
        stored = list(database.timestamps.all())
        report.checkpoints = len({one.size for one in stored})
        for finding in check_timestamps(stored, database.signed_at_size, self._log.key, roots_of(roots)):
            report.add(finding.code, finding.message)
        return report
