"""The witness as a small web application of its own (C2SP tlog-witness): it needs no database and no ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.durable import replace_file
from adapters.system import SystemClock, SystemEntropy
from adapters.witness import FileWitnessStore, cosigning_key
from api.settings import Settings
from traceability.errors import ConflictError, TraceabilityError, UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.log_list import ListedLog, encode_log_list, keys_by_origin, read_log_list
from traceability.notary.note import CosigningKey, VerifierKey
from traceability.notary.witness import MAX_REQUEST, TEXT_TYPE, Witness
from traceability.ports import Clock

_TOO_LARGE: Final = 413
_NOT_FOUND: Final = 404
_FAILED: Final = 503
_CLOCK: Final = SystemClock()
_OPEN: Final = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=2"}
_log: Final = structlog.stdlib.get_logger("api.witness")


class KnownLogs:
    """The logs of the witness's own list, which may not be there yet, and of other files, read again after changes."""

    def __init__(self, own: Path, others: Sequence[Path] = ()) -> None:
        self._own = own
        self._files = (own, *others)
        self._seen: list[tuple[int, int] | None] = []
        self._keys: Mapping[str, tuple[VerifierKey, ...]] = {}

    def __call__(self) -> Mapping[str, tuple[VerifierKey, ...]]:
        """Return the keys that count for each origin; a change that cannot be read is not taken over."""
        seen = [_version(file) for file in self._files]
        if seen != self._seen:
            try:
                self._keys = keys_by_origin(self.listed())
            except TraceabilityError as error:
                if not self._seen:
                    raise
                _log.error("list of logs not read", code=error.code, reason=error.message)
            self._seen = seen
        return self._keys

    def listed(self) -> list[ListedLog]:
        """Read the files; raises `UnavailableError` (`witness.logs`)."""
        logs = []
        for file in self._files:
            if file == self._own and not file.exists():
                continue
            try:
                logs += read_log_list(file.read_bytes())
            except (OSError, VerificationError) as error:
                raise UnavailableError(
                    f"{file} is no list of logs: {error}",
                    code="witness.logs",
                    hint="It is a list of the witness network (logs/v0), or a tlog-policy file with log lines.",
                ) from error
        return logs


def witness_folder(settings: Settings) -> Path:
    """Return where this machine's witness keeps its key, its list of logs and what it remembers."""
    return settings.data / "witness"


def witness_key(settings: Settings, name: str | None = None) -> CosigningKey:
    """Return the witness's key, made when a name is given and there is none; raises `UnavailableError`."""
    key = cosigning_key(witness_folder(settings) / "key", name, SystemEntropy())
    if name not in (None, key.name):
        raise ConflictError(
            f"This witness is {key.name} and cannot be {name} as well",
            code="witness.name",
            hint="Each witness has a key and a folder of its own: set TRACEABILITY_DATA for another one.",
        )
    return key


def witness_store(settings: Settings) -> FileWitnessStore:
    """Return what the witness remembers."""
    return FileWitnessStore(witness_folder(settings) / "logs")


def list_file(settings: Settings) -> Path:
    """Return the file of the logs that were added one by one."""
    return witness_folder(settings) / "logs.v0"


def add_log(settings: Settings, log: ListedLog) -> bool:
    """Add a log to the witness's list; False when it is there already."""
    file = list_file(settings)
    logs = KnownLogs(file).listed()
    if any((log.origin, log.key) == (known.origin, known.key) for known in logs):
        return False
    replace_file(file, encode_log_list([*logs, log]))
    return True


def create_witness(settings: Settings, files: Sequence[Path] = (), clock: Clock = _CLOCK) -> Witness:
    """Return the witness of this machine, for the logs of its own list and of `files`."""
    logs = KnownLogs(list_file(settings), files)
    logs()
    return Witness(witness_key(settings), logs, witness_store(settings), clock)


def create_witness_app(witness: Witness) -> Starlette:
    """Return the application: `POST /add-checkpoint`, and `GET /{origin hash}/checkpoint` for monitors."""

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_REQUEST:
                return Response("the request is too long\n", _TOO_LARGE, headers={"Content-Type": TEXT_TYPE})
        # The lock on a log may have to be waited for, and files are synced: neither is for the event loop.
        answer = await run_in_threadpool(witness.add_checkpoint, body)
        return Response(answer.text, answer.status, headers={"Content-Type": answer.content_type})

    async def checkpoint(request: Request) -> Response:
        note = await run_in_threadpool(witness.checkpoint, request.path_params["origin_hash"])
        if note is None:
            return Response("no checkpoint\n", _NOT_FOUND, headers={**_OPEN, "Content-Type": TEXT_TYPE})
        return Response(note, headers={**_OPEN, "Content-Type": TEXT_TYPE})

    async def failed(_: Request, error: Exception) -> Response:
        assert isinstance(error, TraceabilityError)
        _log.error("not answered", code=error.code, reason=error.message)
        return Response(f"{error.code}\n", _FAILED, headers={"Content-Type": TEXT_TYPE, "Retry-After": "5"})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", checkpoint, methods=["GET"]),
        ],
        exception_handlers={TraceabilityError: failed},
    )


def _version(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size
