"""What was sent, as plain documents: gzip (RFC 1952) and zip archives are unpacked within limits.

A packed file says so in its first bytes, with which no text begins. A small one that would unpack to gigabytes is
refused as soon as that shows.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, FileIO, RawIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

from traceability.errors import InvalidInputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK: Final = 1 << 20
_GZIP: Final = (b"\x1f\x8b",)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")  # the latter of one without files
DOCUMENTS: Final = (".json", ".jsonld", ".xml")
"""What the names of documents end in, in letters of any size."""
_PACKED: Final = ".gz"
_MADE_BY_MACS: Final = "__MACOSX/"  # forks of files, under the names of the files
_UNSUSPECTED: Final = 1 << 24  # bytes that may come of any archive, however small
_DIRECTORY: Final = 1 << 22  # bytes of a zip file's directory, which is read whole
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the library unpacks the others without any bound
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Careful(FileIO):
    """A zip file that fills no memory with its directory; one that points outside itself is damaged, not the disk."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY:
            raise zipfile.BadZipFile("its directory is too long")
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 0 and offset < 0:
            raise zipfile.BadZipFile("it points outside itself")
        return super().seek(offset, whence)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of an upload, packed or plain; how many times its size an archive may unpack to; documents in one."""

    bytes: int
    ratio: int = 200
    documents: int = 10_000


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A document: its name, and its bytes as a file of its own or as an entry of an archive."""

    name: str
    path: Path
    entry: tuple[zipfile.ZipFile, zipfile.ZipInfo] | None
    budget: list[int]  # bytes that may still come of the whole upload

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Give the plain document to read, whatever its length; raises as `unpacked` does, also while it is read."""
        kind = "zip" if self.entry is not None else "gzip"
        try:
            if self.entry is not None:
                archive, entry = self.entry
                with archive.open(entry) as stream:
                    yield BufferedReader(_Bounded(stream, self.budget))
            elif _begins(self.path, _GZIP):
                with gzip.open(self.path) as unpacking:
                    yield BufferedReader(_Bounded(unpacking, self.budget))
            else:
                with self.path.open("rb") as plain:
                    yield plain
        except InvalidInputError:
            raise
        except (*_DAMAGED, gzip.BadGzipFile) as error:
            raise _damaged(kind, str(error)) from error

    def save(self, path: Path, take: Callable[[int], None] = lambda _size: None) -> None:
        """Put the plain document at `path`; raises as `unpacked` does.

        `take` is told of bytes before they are written, and may raise.
        """
        if self.entry is not None:
            archive, entry = self.entry
            try:
                with archive.open(entry) as stream:
                    self._copy(stream, path, take)
            except _DAMAGED as error:
                raise _damaged("zip", str(error)) from error
        elif _begins(self.path, _GZIP):
            try:
                with gzip.open(self.path) as stream:
                    self._copy(stream, path, take)
            except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                raise _damaged("gzip", str(error)) from error
        else:
            self.path.rename(path)

    def _copy(self, stream: _Readable, path: Path, take: Callable[[int], None]) -> None:
        with path.open("wb") as out:
            while piece := stream.read(_CHUNK):
                _spend(self.budget, len(piece))
                take(len(piece))
                out.write(piece)


class _Bounded(RawIOBase):
    """What is unpacked, read until it is more than its archive may hold."""

    def __init__(self, stream: _Readable, budget: list[int]) -> None:
        self._stream = stream
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        piece = self._stream.read(len(view))
        _spend(self._budget, len(piece))
        view[: len(piece)] = piece
        return len(piece)


def _spend(budget: list[int], size: int) -> None:
    budget[0] -= size
    if budget[0] < 0:
        raise InvalidInputError(
            "The archive unpacks to more than is taken from one of its size",
            code="capture.ratio",
            hint="Send the documents in several archives, or as they are.",
        )


def unpacked(path: Path, name: str, limits: Limits, kinds: tuple[str, ...] = DOCUMENTS) -> Iterator[Unpacked]:
    """Yield the documents that came as the file `path` under `name`; of an archive those whose names end in `kinds`.

    Raises `InvalidInputError`: `capture.archive` for a damaged one, or a zip file without documents or with too many;
    `capture.ratio` for one that would unpack to too much.
    """
    packed = path.stat().st_size
    budget = [min(limits.bytes, max(_UNSUSPECTED, packed * limits.ratio))]
    if not _begins(path, _ZIP):
        yield Unpacked(_plain(name[: -len(_PACKED)] if name.lower().endswith(_PACKED) else name), path, None, budget)
        return
    try:
        with _Careful(path) as stream, zipfile.ZipFile(stream) as archive:
            entries = [entry for entry in archive.infolist() if _is_one_of(entry.filename, kinds)]
            if not 0 < len(entries) <= limits.documents:
                raise _damaged("zip", f"it has {len(entries)} files named {_named(kinds)}")
            if any(entry.compress_type not in _METHODS for entry in entries):
                raise _damaged("zip", "its files are packed by another method than deflate")
            for entry in entries:
                yield Unpacked(_plain(entry.filename), path, (archive, entry), budget)
    except _DAMAGED as error:
        raise _damaged("zip", str(error)) from error


def is_packed(path: Path) -> bool:
    """Tell whether a file is one that `unpacked` unpacks."""
    return _begins(path, _GZIP) or _begins(path, _ZIP)


def begins_packed(content: bytes) -> bool:
    """Tell the same of bytes."""
    return content.startswith((*_GZIP, *_ZIP))


def _begins(path: Path, magics: tuple[bytes, ...]) -> bool:
    with path.open("rb") as stream:
        return stream.read(4).startswith(magics)


def _named(kinds: tuple[str, ...]) -> str:
    return f"{', '.join(f'*{kind}' for kind in kinds[:-1])} or *{kinds[-1]}"


def _is_one_of(name: str, kinds: tuple[str, ...]) -> bool:
    return name.lower().endswith(kinds) and not name.startswith(_MADE_BY_MACS)


def _plain(name: str) -> str:
    """Return a name as the database can hold it: a file's may be any bytes."""
    return name.encode("utf-8", "replace").decode()


def _damaged(kind: str, reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"The {kind} archive cannot be used: {reason[:200]}",
        code="capture.archive",
        hint="Pack it again; a zip archive holds 1 to 10,000 documents named *.json, *.jsonld or *.xml.",
    )
