"""Processes that work for this one and may be killed at any moment.

`ProcessPoolExecutor` is not enough: its processes read from one queue under one lock, so that one which is killed with
the lock in its hand leaves a pool that never ends (CPython 3.11), and they outlive a parent that is killed. Here each
process has a connection of its own, whose other end only the parent holds.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from traceability.errors import UnavailableError

WORKERS_DIED: Final = "capture.workers"
_PATIENCE: Final = 3  # deaths over one call
_AHEAD: Final = 2  # calls that a process has, so that it need not wait for the next one
_SPAWN: Final = get_context("spawn")  # a fork would inherit this process's threads half-way through what they do

_Argument = TypeVar("_Argument")
_Answer = TypeVar("_Answer")


class Processes(Generic[_Argument, _Answer]):
    """Makes calls of one function in `count` processes, started when they are needed.

    The function has no effects that must not happen twice: if the process dies, the call is made again in a new one.
    It is a module's own, and its arguments, answers and errors can be pickled.
    """

    def __init__(self, count: int, function: Callable[[_Argument], _Answer]) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._hosts = [_Host(function, self._calls) for _ in range(count)]

    def submit(self, argument: _Argument) -> Future[_Answer]:
        """Ask for a call.

        Its result raises what the function raises, and `UnavailableError` (`capture.workers`) when processes die over
        it again and again, or are ended before it is done.
        """
        call = _Call(argument)
        self._calls.put(call)
        return call.future

    def pids(self) -> list[int]:
        """Return the processes that there are."""
        return [pid for host in self._hosts if (pid := host.pid) is not None]

    def end(self) -> None:
        """Kill them; calls that are not done fail."""
        for host in self._hosts:
            host.end()
            self._calls.put(None)
        for host in self._hosts:
            host.join()
        with suppress(Empty):
            while True:
                if (call := self._calls.get_nowait()) is not None:
                    call.future.set_exception(_ended())


@dataclass(slots=True)
class _Call:
    argument: Any
    future: Future[Any] = field(default_factory=Future)
    deaths: int = 0


class _Host:
    """A thread that has a process, and the next one when that dies."""

    def __init__(self, function: Callable[[Any], Any], calls: SimpleQueue[_Call | None]) -> None:
        self._function = function
        self._calls = calls
        self._mine: deque[_Call] = deque()  # not answered
        self._sent = 0  # of these, to the process that there is now
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="capture-worker", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        with self._lock:
            return None if self._process is None else self._process.pid

    def end(self) -> None:
        """Kill the process; the thread ends."""
        with self._lock:
            self._ended = True  # it gets no successor
            if self._process is not None:
                self._process.kill()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while self._mine or self._take(wait=True):
            try:
                connection = self._connected()
                self._send(connection)
                answer = connection.recv()
            except Exception as error:  # noqa: BLE001 - it died, or what it said cannot be read
                if self._bury(error):
                    break
                continue
            future = self._mine.popleft().future
            self._sent -= 1
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._bury(EOFError())
        while self._mine:
            self._mine.popleft().future.set_exception(_ended())

    def _take(self, *, wait: bool) -> bool:
        """Take the next call; tell whether there is one."""
        try:
            call = self._calls.get(block=wait)
        except Empty:
            return False
        if call is None:
            self._calls.put(None)  # until whoever ends this one has seen that it ends
            return False
        self._mine.append(call)
        return True

    def _send(self, connection: Connection) -> None:
        while True:
            while self._sent < len(self._mine):
                connection.send(self._mine[self._sent].argument)
                self._sent += 1
            if len(self._mine) == _AHEAD or not self._take(wait=False):
                return

    def _connected(self) -> Connection:
        with self._lock:
            if self._ended:
                raise EOFError
            if self._connection is None:
                ours, theirs = _SPAWN.Pipe()
                with theirs:  # and not longer: else we would not see that the process is gone
                    process = _SPAWN.Process(target=_work, args=(theirs, self._function), daemon=True)
                    process.start()
                self._process, self._connection = process, ours
            return self._connection

    def _bury(self, error: Exception) -> bool:
        """Make room for the next process, which makes all calls again; tell whether there is to be none."""
        with self._lock:
            if self._process is not None and self._connection is not None:
                self._process.kill()
                self._process.join()
                self._connection.close()
            self._process = self._connection = None
            self._sent = 0
            if self._mine and not self._ended:
                first = self._mine[0]
                first.deaths += 1
                if first.deaths == _PATIENCE:
                    self._mine.popleft().future.set_exception(_died(error))
            return self._ended


def _died(error: Exception) -> UnavailableError:
    died = UnavailableError(
        "Worker processes were killed again and again",
        code=WORKERS_DIED,
        hint="See whether the machine ran out of memory; fewer workers need less.",
    )
    died.__cause__ = error
    return died


def _ended() -> UnavailableError:
    return UnavailableError("The worker processes were ended", code="capture.workers_ended")


def _work(connection: Connection, function: Callable[[Any], Any]) -> None:
    """Make calls until the other end is closed, which is what a parent does that dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent says when it is over
    arguments: SimpleQueue[Any] = SimpleQueue()
    # A thread reads, so that the parent can always write: each would wait for the other while both write.
    threading.Thread(target=_read, args=(connection, arguments), daemon=True).start()
    with suppress(OSError):
        while True:
            argument = arguments.get()
            try:
                answer = function(argument)
            except Exception as error:  # noqa: BLE001 - it is raised where the call was asked for
                answer = error
            connection.send(answer)


def _read(connection: Connection, arguments: SimpleQueue[Any]) -> None:
    with suppress(EOFError, OSError):
        while True:
            arguments.put(connection.recv())
    os._exit(1)
