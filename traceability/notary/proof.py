"""A leaf's proof as one text (C2SP tlog-proof): index, audit path, signed checkpoint, and the log's own `extra`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from traceability.notary.encoding import base64_of, bytes_of_base64, hash_of_base64, number_of, text_of
from traceability.notary.errors import VerificationError

MAX_PATH: Final = 63
_HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class LogProof:
    """A proof as it is handed over; `checkpoint` is the signed note, byte for byte.

    The format does not authenticate `extra`: it counts only as far as a leaf hash is rebuilt from it.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof; raises `VerificationError`."""
        head, blank, checkpoint = text_of(data, "the proof").partition("\n\n")
        header, *lines = head.split("\n")
        if header != _HEADER or not blank:
            raise VerificationError("this is not a tlog-proof of version 1")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = bytes_of_base64(lines.pop(0).removeprefix("extra "), "the extra line")
        if not lines or not lines[0].startswith("index "):
            raise VerificationError("the proof has no index line where it belongs")
        index = number_of(lines.pop(0).removeprefix("index "), "the leaf index")
        if len(lines) > MAX_PATH:
            raise VerificationError(f"the proof has more than {MAX_PATH} hashes")
        path = tuple(hash_of_base64(line, "a hash of the proof") for line in lines)
        return cls(index, path, checkpoint, extra)

    def text(self) -> str:
        """Return the proof as it is handed over."""
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64_of(self.extra)}")
        lines += [f"index {self.index}", *map(base64_of, self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint
