"""The zip of a bundle: the plainest kind, read in one way only (docs/guide/bundles.md, "The zip").

Readers of zips differ in which of two headers they believe, in what they skip and in what they take for the start. A
bundle that one verifier reads as one answer and the next as another proves nothing, so whatever leaves a choice is
refused. `zipfile` writes such archives and is too forgiving to read them.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, Final

from traceability.notary.errors import VerificationError

MAX_PACKED: Final = 256 << 20
MAX_UNPACKED: Final = 1 << 30
MAX_FILES: Final = 64
MAX_RATIO: Final = 100
_FREE: Final = 1 << 16  # bytes that are not counted in the ratio: a few repeated lines pack well
_NAME: Final = re.compile(rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_LOCAL: Final = Struct("<4s5H3L2H")
_CENTRAL: Final = Struct("<4s6H3L5H2L")
_END: Final = Struct("<4s4H2LH")
_MEANING: Final = Struct("<2H3L2H")  # flags, method, CRC, packed and full size, length of the name and of extra fields
_STORED, _DEFLATED = 0, 8
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
MARK: Final = _LOCAL_MARK
"""What a bundle begins with, and no other text that this project verifies."""
_LEVEL: Final = 1  # most of a bundle are salts and hashes, which nothing makes smaller


def write_archive(out: BinaryIO, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Write files, each a name and its bytes in pieces, into `out`, which is empty and seekable.

    The same files give the same archive wherever zlib is the same.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, pieces in files:
            # By name, which takes the first day of the format for the time and asks no clock.
            with archive.open(name, "w") as file:
                for piece in pieces:
                    file.write(piece)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as the directory lists it: its content is `content_at` … `content_at + packed_size` of the archive."""

    name: bytes
    method: int
    crc: int
    packed_size: int
    size: int
    content_at: int

    @property
    def header(self) -> bytes:
        """The local header as far as it means anything: whoever reads from the front sees the same file."""
        return _MEANING.pack(0, self.method, self.crc, self.packed_size, self.size, len(self.name), 0) + self.name


def read_archive(data: bytes) -> dict[str, bytes]:
    """Read the files by name, in their order; raises `VerificationError` for whatever is not the plainest kind."""
    if len(data) > MAX_PACKED:
        raise VerificationError(f"a bundle has at most {MAX_PACKED} bytes", code="bundle.too_large")
    entries = list(_directory(data))
    if sum(entry.size for entry in entries) > MAX_UNPACKED:
        raise VerificationError(f"a bundle has at most {MAX_UNPACKED} bytes unpacked", code="bundle.too_large")
    files: dict[str, bytes] = {}
    for entry in entries:
        name = entry.name.decode()
        if name in files:
            raise _malformed("a file of the zip comes twice")
        if entry.size > _FREE + MAX_RATIO * entry.packed_size:
            raise VerificationError("a file of the bundle is packed too well", code="bundle.too_large")
        files[name] = _content(data, entry)
    return files


def _directory(data: bytes) -> Iterator[_Entry]:
    at = len(data) - _END.size
    if at < 0 or not data.startswith((_LOCAL_MARK, _END_MARK)):
        raise _malformed("this is not a zip")
    mark, disk, first_disk, here, count, size, start, comment = _END.unpack_from(data, at)
    if mark != _END_MARK or (disk, first_disk, here, comment, start + size) != (0, 0, count, 0, at):
        raise _malformed("the zip does not end with its directory")
    if count > MAX_FILES:
        raise VerificationError(f"a bundle has at most {MAX_FILES} files", code="bundle.too_large")
    entry, local = start, 0
    for _ in range(count):
        if entry + _CENTRAL.size > at:
            raise _malformed("the zip's directory is cut off")
        mark, _, _, flags, method, _, _, crc, packed, full, length, *more, _, _, offset = _CENTRAL.unpack_from(
            data, entry
        )
        name = data[entry + _CENTRAL.size : entry + _CENTRAL.size + length]
        entry += _CENTRAL.size + length
        if mark != _CENTRAL_MARK or flags or any(more) or offset != local or entry > at:
            raise _malformed("the zip's directory is not of the plainest kind")
        if not _NAME.fullmatch(name):
            raise _malformed("the name of a file is not plain")
        content_at = local + _LOCAL.size + length
        local = content_at + packed
        yield _Entry(name, method, crc, packed, full, content_at)
    if entry != at or local != start:
        raise _malformed("the zip holds more than its directory says")


def _content(data: bytes, entry: _Entry) -> bytes:
    at = entry.content_at - _LOCAL.size - len(entry.name)
    mark, _, flags, method, _, _, crc, packed, full, length, extra = _LOCAL.unpack_from(data, at)
    header = _MEANING.pack(flags, method, crc, packed, full, length, extra) + data[at + _LOCAL.size : entry.content_at]
    if mark != _LOCAL_MARK or header != entry.header:
        raise _malformed("the two headers of a file do not say the same")
    content = _unpacked(entry.method, data[entry.content_at : entry.content_at + entry.packed_size], entry.size)
    if zlib.crc32(content) != entry.crc:
        raise _malformed("a file of the zip does not have its checksum")
    return content


def _unpacked(method: int, packed: bytes, size: int) -> bytes:
    if method == _STORED:
        content, ended = packed, True
    elif method == _DEFLATED:
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than announced is enough to see that more would come.
            content = inflating.decompress(packed, size + 1)
        except zlib.error as error:
            raise _malformed("a file of the zip cannot be unpacked") from error
        ended = inflating.eof and not inflating.unused_data
    else:
        raise _malformed("a file of the zip is packed in a way that bundles do not use")
    if not ended or len(content) != size:
        raise _malformed("a file of the zip does not have the size that it says")
    return content


def _malformed(reason: str) -> VerificationError:
    return VerificationError(reason, code="bundle.zip")
