"""Processes that read the blocks of documents, killed at any moment: nothing is left out, repeated or mixed up."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import islice
from pathlib import Path

import pytest
from msgspec import structs

from api.capture.blocks import BlockTask, BlockWorkers
from api.capture.run import CaptureRun
from tests.benchmarks.generate import HEAD, TAIL, feed
from tests.faults.conftest import Undisturbed
from tests.support.captures import SENDER, Site, is_alive, left_by, moments, put, wait_until
from traceability.errors import UnavailableError
from traceability.gs1.epcis.blocks import Block
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.strict_json import dumps


def workers_of(workers: BlockWorkers) -> list[int]:
    processes = workers._processes
    return [] if processes is None else [pid for pid in processes.pids() if is_alive(pid)]


def kill(pids: Sequence[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, pids)))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> list[BlockTask]:
    """Give the blocks of a document, cut small so that there are many."""
    path = tmp_path_factory.mktemp("blocks") / "document"
    path.write_bytes(HEAD + b",".join(feed(400, large=0)) + TAIL)
    with path.open("rb") as stream:
        envelope = open_envelope(BytesIO(stream.read()))
    (whole,) = {block.path for block in envelope.blocks}
    context = dumps(envelope.context)
    at, found = len(HEAD), []
    for number, event in enumerate(feed(400, large=0)):
        block = Block(at, len(event), 1, number, whole, number, envelope.blocks[0].place)
        found.append(BlockTask(str(path), block, context, SENDER, ()))
        at += len(event) + 1
    return found


def in_order(blocks: Iterator[tuple[BlockTask, bytes]]) -> None:
    for task, source in blocks:
        with Path(task.document).open("rb") as stream:
            stream.seek(task.block.offset)
            assert source == stream.read(task.block.size)


def sources(tasks: Sequence[BlockTask], workers: BlockWorkers) -> Iterator[tuple[BlockTask, bytes]]:
    for task, prepared in zip(tasks, workers.prepared(tasks), strict=True):
        yield task, prepared.packed().parts(0).source


def test_deaths_of_all_between_two_blocks_change_no_block(tasks: list[BlockTask]) -> None:
    with BlockWorkers(2) as workers:
        prepared = sources(tasks[:40], workers)
        for _ in range(3):
            in_order(islice(prepared, 3))
            kill(workers_of(workers))
        in_order(prepared)


def test_deaths_at_any_moment_change_no_block(tasks: list[BlockTask]) -> None:
    with BlockWorkers(2) as workers:
        for number, (task, source) in enumerate(sources(tasks, workers)):
            in_order(iter([(task, source)]))
            if number % 80 == 79:
                kill(workers_of(workers)[:1])


def test_workers_that_die_again_and_again_end_the_run(tasks: list[BlockTask]) -> None:
    with BlockWorkers(2) as workers, killing(workers, 0), pytest.raises(UnavailableError) as caught:
        list(workers.prepared(tasks))
    assert caught.value.code == "capture.workers"


@contextmanager
def killing(workers: BlockWorkers, most: float) -> Iterator[None]:
    """Kill workers, with pauses of a random part of `most` seconds between."""
    over = threading.Event()
    pause = moments(7)

    def kill_on() -> None:
        while not over.is_set():
            pause(most)
            for pid in workers_of(workers)[:1]:
                with suppress(ProcessLookupError):  # it may have been buried meanwhile
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_an_import_whose_workers_are_killed_is_like_any_other(site: Site, rollback: Undisturbed) -> None:
    with site.engine() as engine:
        put(engine, rollback.documents, rollback.behaviour)
        job = engine.jobs.claim(engine.spool.jobs())
        assert job is not None
        killed: list[int] = []
        with BlockWorkers(2) as workers:
            # One more death, and all might be over one block.
            def kill_one(*_: object) -> None:
                if len(killed) < 2 and (pids := workers_of(workers)) and pids[0] not in killed:
                    killed.append(pids[0])
                    with suppress(ProcessLookupError):
                        os.kill(pids[0], signal.SIGKILL)

            CaptureRun(engine, workers, job, progress=kill_one).run()
        assert len(killed) == 2
        assert left_by(engine, site.database) == rollback.left
        assert engine.spool.jobs() == set()


def test_what_a_worker_raises_is_raised(tasks: list[BlockTask]) -> None:
    lost = [structs.replace(task, document="/nowhere") for task in tasks]
    with BlockWorkers(2) as workers:
        with pytest.raises(FileNotFoundError):
            list(workers.prepared(lost))
        in_order(sources(tasks[:40], workers))


def test_workers_end_in_the_middle_of_their_work_and_begin_again(tasks: list[BlockTask]) -> None:
    with BlockWorkers(2) as workers:
        for _ in range(2):
            prepared = sources(tasks, workers)
            in_order(islice(prepared, 20))
            pids = workers_of(workers)
            workers.rest()
            assert not any(map(is_alive, pids))
