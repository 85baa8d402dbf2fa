"""Processes that work for this one and may be killed at any moment.

`ProcessPoolExecutor` is not enough: its processes read from one queue under one lock, so that one which is killed with
the lock in its hand leaves a pool that never ends (CPython 3.11), and they outlive a parent that is killed. Here each
process has a connection of its own, whose other end only the parent holds.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

from traceability.errors import UnavailableError

WORKERS_DIED: Final = "capture.workers"
_PATIENCE: Final = 3  # deaths over one call
_SPAWN: Final = get_context("spawn")  # a fork would inherit this process's threads half-way through what they do

_Argument = TypeVar("_Argument")
_Answer = TypeVar("_Answer")


class Processes(Generic[_Argument, _Answer]):
    """Makes calls of one function in `count` processes, started when they are needed.

    The function has no effects that must not happen twice: if the process dies, the call is made again in a new one.
    It is a module's own, and its arguments, answers and errors can be pickled.
    """

    def __init__(self, count: int, function: Callable[[_Argument], _Answer]) -> None:
        # A thread for each process: it waits while the process works.
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="capture-worker")
        self._processes = [_Process(function) for _ in range(count)]
        self._idle: SimpleQueue[_Process[_Argument, _Answer]] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)

    def submit(self, argument: _Argument) -> Future[_Answer]:
        """Ask for a call.

        Its result raises what the function raises, and `UnavailableError` (`capture.workers`) when processes die over
        it again and again.
        """
        return self._threads.submit(self._call, argument)

    def pids(self) -> list[int]:
        """Return the processes that there are."""
        return [pid for process in self._processes if (pid := process.pid) is not None]

    def end(self) -> None:
        """Kill them; calls that are not done fail."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.end()
        self._threads.shutdown()

    def _call(self, argument: _Argument) -> _Answer:
        process = self._idle.get()  # there are as many as threads
        try:
            return process.call(argument)
        finally:
            self._idle.put(process)


class _Process(Generic[_Argument, _Answer]):
    """A process, and its successors when it dies; calls come from one thread at a time, `end` from any."""

    def __init__(self, function: Callable[[_Argument], _Answer]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._running: tuple[SpawnProcess, Connection] | None = None
        self._ended = False

    @property
    def pid(self) -> int | None:
        with self._lock:
            return None if self._running is None else self._running[0].pid

    def call(self, argument: _Argument) -> _Answer:
        for _ in range(_PATIENCE):
            connection = self._connection()
            try:
                connection.send(argument)
                answer: _Answer | Exception = connection.recv()
            except (EOFError, OSError):
                self._bury()
                continue
            if isinstance(answer, Exception):
                raise answer
            return answer
        raise UnavailableError(
            "Processes that read the documents were killed again and again",
            code=WORKERS_DIED,
            hint="See whether the machine ran out of memory; fewer workers need less.",
        )

    def end(self) -> None:
        self._ended = True  # before it is killed, so that it gets no successor
        self._bury()

    def _connection(self) -> Connection:
        with self._lock:
            if self._ended:
                raise UnavailableError("The processes that read documents were ended", code=WORKERS_DIED)
            if self._running is None:
                ours, theirs = _SPAWN.Pipe()
                process = _SPAWN.Process(target=_work, args=(theirs, self._function), daemon=True)
                process.start()
                theirs.close()  # else we would not see that the process is gone
                self._running = process, ours
            return self._running[1]

    def _bury(self) -> None:
        with self._lock:
            if self._running is not None:
                process, connection = self._running
                process.kill()
                process.join()
                if not self._ended:  # else a thread may be about to read from it: it ends with the object
                    connection.close()
                self._running = None


def _work(connection: Connection, function: Callable[[_Argument], _Answer]) -> None:
    """Make calls until the other end is closed, which is what a parent does that dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent says when it is over
    with suppress(EOFError, OSError):
        while True:
            argument = connection.recv()
            try:
                answer: _Answer | Exception = function(argument)
            except Exception as error:  # noqa: BLE001 - it is raised where the call was asked for
                answer = error
            connection.send(answer)
