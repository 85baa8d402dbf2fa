"""What a monitor remembers, in a folder that outlives it: `state.json`, and the evidence against a log."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from adapters.durable import make_folders, sync_file, sync_folder
from traceability.errors import UnavailableError
from traceability.notary.monitor import InconsistentLogError, Watched

SEEN: Final = "seen.checkpoint"
SHOWN: Final = "shown.checkpoint"
_STATE: Final = "state.json"
_EVIDENCE: Final = "evidence"


class MonitorFolder:
    """One log's folder. Everything is durable before the call that wrote it returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out; raises `UnavailableError` (`monitor.busy`) when one is in."""
        for folder in make_folders(self.folder):
            sync_folder(folder)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise UnavailableError(
                f"Another process watches this log with {self.folder}",
                code="monitor.busy",
                hint="Take another folder with --state.",
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)

    def load(self) -> Watched | None:
        """Return what was saved last, None at first; raises `VerificationError` (`monitor.state`)."""
        try:
            return Watched.parse((self.folder / _STATE).read_bytes())
        except FileNotFoundError:
            return None

    def save(self, watched: Watched) -> None:
        """Replace what was saved."""
        self._write(self.folder / _STATE, watched.encode())

    def keep(self, error: InconsistentLogError) -> Path:
        """Keep both checkpoints for ever, and return their folder; the same pair has the same one."""
        name = sha256(len(error.seen).to_bytes(8, "big") + error.seen + error.shown).hexdigest()[:16]
        folder = self.folder / _EVIDENCE / name
        gained = make_folders(folder)
        self._write(folder / SEEN, error.seen)
        self._write(folder / SHOWN, error.shown)
        for parent in gained:
            sync_folder(parent)
        return folder

    def evidence(self) -> list[Path]:
        """Return the folders of everything that was ever kept."""
        # A folder of which one file is missing was cut off by a crash before anything was told of it.
        return sorted(path.parent for path in self.folder.glob(f"{_EVIDENCE}/*/{SHOWN}"))

    def _write(self, path: Path, content: bytes) -> None:
        staged = path.with_name(f".{path.name}")
        staged.write_bytes(content)
        sync_file(staged)
        staged.rename(path)
        sync_folder(path.parent)
