"""`traceability feed …`: what partners send, checked and recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from api.capture.blocks import BlockTask, BlockWorkers
from api.capture.receive import receiving, take_job, tidy
from api.capture.run import CaptureRun, Dealt
from api.cli.context import (
    EXIT_FALSE,
    JSON,
    As,
    LedgerName,
    counted,
    group,
    note,
    print_json,
    progress_bar,
    settings_for,
)
from api.cli.documents import Files, documents_of, receive
from api.cli.feed_convert import convert
from api.cli.feed_hash import hash_
from api.cli.opening import opened
from api.findings import findings_of
from api.wiring import Engine
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.master_data import read_header
from traceability.gs1.epcis.problems import Problem
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.capture import CaptureJob, ErrorBehaviour, Phase
from traceability.ledger.findings import DUPLICATE, Finding, FindingFilter
from traceability.ledger.store import Outcome

app = group("feed")

_SHOWN: Final = 1_000
"""Problems and events that `--json` lists of one import; the counts are always whole, and more have findings."""


@dataclass(slots=True)
class _Checked:
    """A document: its name, how many of its events are good, and the first problems of so many."""

    name: str
    events: int = 0
    errors: int = 0
    warnings: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            if problem.severity == "error":
                self.errors += 1
            else:
                self.warnings += 1
            if len(self.problems) < _SHOWN:
                self.problems.append(problem)


@app.command()
def check(files: Files, *, as_: As = None, json: JSON = False) -> None:
    """Say what is wrong with documents, event by event; record nothing, need no database. Exit 1 if anything is.

    For example:

    - `traceability feed check shipment.json`
    - `traceability feed check *.jsonld --json`
    """
    settings = settings_for(as_=as_)
    checked, warned = [], _Warned()
    with ExitStack() as stack:
        workers = stack.enter_context(BlockWorkers(settings.capture_workers))
        advance = stack.enter_context(progress_bar("Checking files"))
        for name, path in documents_of(files, settings, stack):
            one = _Checked(name)
            for problems, good in _check(path, settings.organisation, workers, advance):
                one.add(problems)
                one.events += good
                if not json:
                    for problem in problems:
                        warned.tell(name, problem)
            checked.append(one)
    if json:
        print_json({"valid": not any(one.errors for one in checked), "files": [_file_document(one) for one in checked]})
    warned.end()
    _note_checked(checked)
    if any(one.errors for one in checked):
        raise typer.Exit(EXIT_FALSE)


@app.command("import")
def import_(
    files: Files,
    *,
    proceed: Annotated[bool, typer.Option("--proceed", help="Record the good events although others are bad.")] = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Record the events of documents as an organisation. All files are checked before anything is recorded.

    One bad event keeps everything out, unless `--proceed`. Events that the organisation has recorded before are
    duplicates and are not recorded twice. An event with a recorded one's ID and other content is a conflict and is not
    recorded. Whatever is wrong is kept: `traceability finding list`. Exit 1 if an event was bad or in conflict.

    The documents are first copied to the spool. Should this command be killed, `traceability feed resume`, or a server
    of the same ledger, records the rest.

    For example:

    - `traceability feed import shipment.json --as dairy.example`
    - `traceability feed import feeds/ --proceed --json`
    - `gunzip -c day.json.gz | traceability feed import -`
    """
    behaviour = ErrorBehaviour.PROCEED if proceed else ErrorBehaviour.ROLLBACK
    with opened(ledger, as_) as engine:
        with receiving(engine, engine.settings.organisation, behaviour, held=True) as (upload, make):
            receive(files, upload)
            job = make()
        dealt = _Recorded()
        ended = _run(engine, job, dealt)
        if json:
            print_json({**_job_document(engine, ended), "events": dealt.shown, "events_not_listed": dealt.left_out})
        else:
            _print_job(engine, ended, dealt)
    _note_job(ended)
    if ended.failed:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def resume(*, ledger: LedgerName = None, json: JSON = False) -> None:
    """Bring imports and captures to their end that a killed command or server left. Exit 1 if one had a bad event.

    A server does that by itself. What is still being worked on is left alone; after a crash that is half a minute.

    For example:

    - `traceability feed resume`
    """
    ended = []
    with opened(ledger, None) as engine:
        while (job := take_job(engine)) is not None:
            ended.append(_run(engine, job, _Recorded()))
        tidy(engine)
        left, _ = engine.jobs.open_jobs()
        if json:
            print_json([_job_document(engine, job) for job in ended])
    for job in ended:
        _note_job(job)
    if left:
        note(f"Not taken up, being worked on or without their documents here: {counted(left, 'capture')}.")
    elif not ended:
        note("Nothing is unfinished.")
    if any(job.failed for job in ended):
        raise typer.Exit(EXIT_FALSE)


app.command()(convert)
app.command("hash")(hash_)


def _check(
    document: Path, organisation: str, workers: BlockWorkers, advance: Callable[[int, int], None]
) -> Iterator[tuple[list[Problem], int]]:
    """Yield the problems of a document, then those of each block of events, with the number of good events."""
    with document.open("rb") as stream:
        envelope = open_envelope(stream)
    yield [*envelope.problems, *read_header(envelope.master_data, envelope.header_context).problems], 0
    context = b"" if envelope.context is None else dumps(envelope.context)
    tasks = [
        BlockTask(str(document), block, context, organisation, (), check=True, in_xml=envelope.in_xml)
        for block in envelope.blocks
    ]
    done = 0
    for block, prepared in zip(envelope.blocks, workers.prepared(tasks), strict=True):
        found = {**prepared.warnings, **{one.number: one.problems for one in prepared.malformed}}
        yield [problem for number in sorted(found) for problem in found[number]], len(prepared.numbers)
        done += block.events
        advance(done, envelope.events)


# What becomes of it


@dataclass(slots=True)
class _Recorded:
    """The positions that an import recorded, as runs, and the first of its events."""

    runs: list[tuple[int, int]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0

    def __call__(self, batch: list[Dealt]) -> None:
        for one in batch:
            position = one.appended.position
            if one.appended.outcome is Outcome.RECORDED:
                first, last = self.runs.pop() if self.runs else (position, position - 1)
                if last != position - 1:  # others append beside an import
                    self.runs.append((first, last))
                    first = position
                self.runs.append((first, position))
            if len(self.shown) == _SHOWN:
                self.left_out += 1
                continue
            self.shown.append({
                "file": one.document,
                "path": one.path,
                "outcome": one.appended.outcome,
                "position": position,
                "event_id": one.appended.event_id,
            })  # fmt: skip


def _run(engine: Engine, job: CaptureJob, dealt: _Recorded) -> CaptureJob:
    """Run a job to its end, with a bar for each phase."""
    with ExitStack() as stack:
        workers = stack.enter_context(BlockWorkers(engine.settings.capture_workers))
        checking = stack.enter_context(progress_bar("Checking files"))
        appending = stack.enter_context(progress_bar("Recording events"))

        def progress(phase: Phase, done: int, whole: int) -> None:
            (checking if phase is Phase.CHECKING else appending)(done, whole)

        return CaptureRun(engine, workers, job, progress=progress, dealt=dealt).run()


def _findings(engine: Engine, job: CaptureJob) -> Iterator[Finding]:
    """Yield what was found about a job, the oldest first."""
    after = None
    while found := findings_of(engine).page(
        job.organisation, FindingFilter(job_id=job.job_id), after=after, limit=_SHOWN, oldest_first=True
    ):
        yield from found
        after = found[-1].finding_id


def _file_document(one: _Checked) -> dict[str, Any]:
    left_out = one.errors + one.warnings - len(one.problems)
    return {"file": one.name, "events": one.events, "problems": one.problems, "problems_not_listed": left_out}


def _job_document(engine: Engine, job: CaptureJob) -> dict[str, Any]:
    files: dict[str, list[dict[str, Any]]] = {name: [] for name in job.documents}
    for finding in islice(_findings(engine, job), _SHOWN):
        files.setdefault(finding.origin.document, []).append({
            "index": finding.event_index,
            "path": finding.path,
            "code": finding.code,
            "severity": finding.severity,
            "message": finding.message,
            "position": finding.position,
            "finding_id": finding.finding_id,
        })  # fmt: skip
    return {
        "job_id": job.job_id,
        "success": job.success,
        "recorded": job.counts.recorded,
        "duplicates": job.counts.duplicates,
        "conflicts": job.counts.conflicts,
        "malformed": job.counts.malformed,
        "master_data": job.elements,
        "files": [{"file": name, "problems": problems} for name, problems in files.items()],
    }


def _print_job(engine: Engine, job: CaptureJob, dealt: _Recorded) -> None:
    warned = _Warned()
    for found in _findings(engine, job):
        if found.code != DUPLICATE:  # a feed that is sent again is all duplicates: they are counted
            warned.tell(found.origin.document, found)
    warned.end()
    for first, last in dealt.runs:
        typer.echo(f"recorded positions {first} to {last}")


class _Warned:
    """Tells errors as they come, and warnings at the end: one that says the same in many places once, with how often.

    A word that a partner writes its own way stands in every event of a feed.
    """

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], str] = {}
        self._times: Counter[tuple[str, str]] = Counter()

    def tell(self, document: str, problem: Problem | Finding) -> None:
        """Print a problem, or keep it until the end."""
        line = f"{document}: {problem.path}: {problem.severity} {problem.code}: {problem.message}"
        said = problem.code, problem.message
        if problem.severity == "error" or (said not in self._lines and len(self._lines) == _SHOWN):
            typer.echo(line)
            return
        self._lines.setdefault(said, line)
        self._times[said] += 1

    def end(self) -> None:
        """Print the warnings that were kept, in the order of their first places."""
        for said, line in self._lines.items():
            times = self._times[said]
            typer.echo(line if times == 1 else f"{line} ({times} times; this is the first)")


def _note_checked(checked: list[_Checked]) -> None:
    found = (
        counted(sum(one.events for one in checked), "good event"),
        counted(sum(one.errors for one in checked), "error"),
        counted(sum(one.warnings for one in checked), "warning"),
    )
    note(f"Checked {counted(len(checked), 'file')}: {', '.join(found)}.")


def _note_job(job: CaptureJob) -> None:
    counts = job.counts
    if job.phase is Phase.REFUSED:
        note(
            "Nothing was recorded. Correct what is said above, or record the good events with --proceed."
            " What was found: traceability finding list"
        )
        return
    words = [counted(counts.duplicates, "duplicate"), counted(counts.conflicts, "conflict")]
    if counts.malformed:
        words.append(f"{counts.malformed} malformed")
    if job.elements.dealt_with:
        new, known = job.elements.recorded, job.elements.unchanged
        words.append(f"master data: {new} recorded, {known} unchanged, {job.elements.malformed} left out")
    note(f"{counts.recorded} recorded, {', '.join(words)}.")
