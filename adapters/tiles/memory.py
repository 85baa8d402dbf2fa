"""A log's static files in memory: the fake of `FileTileStore`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from traceability.notary.errors import DamagedLogError, StaleCheckpointError


class MemoryTileStore:
    """One log's files in a dictionary, which tests may damage."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.served: bytes | None = None

    def read(self, path: str) -> bytes | None:
        """Return a file, None when it does not exist."""
        return self.files.get(path)

    def checkpoint(self) -> bytes | None:
        """Return the served checkpoint."""
        return self.served

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write immutable files; raises `DamagedLogError` when one exists with other bytes."""
        for path, content in files.items():
            if self.files.get(path, content) != content:
                raise DamagedLogError(f"{path} exists with other bytes; a published file never changes")
        self.files.update(files)

    def replace_checkpoint(self, old: bytes | None, new: bytes) -> None:
        """Serve another checkpoint; raises `StaleCheckpointError` when `old` is not served now."""
        if self.served != old:
            raise StaleCheckpointError("another process has published a checkpoint of this log")
        self.served = new

    def discard_partials(self, paths: Iterable[str]) -> None:
        """Remove the partial tiles of full ones."""
        prefixes = tuple(f"{path}.p/" for path in paths)
        for path in [*self.files]:  # others may write meanwhile
            if path.startswith(prefixes):
                self.files.pop(path, None)

    def paths(self) -> Iterator[str]:
        """Yield the path of every file under `tile/`."""
        yield from list(self.files)
