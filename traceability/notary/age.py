"""Files encrypted under a passphrase, in the format of age (age-encryption.org/v1, C2SP age), recipient type scrypt.

A header wraps a random file key; the payload is cut into chunks of 64 KiB, each sealed with ChaCha20-Poly1305 under a
nonce that holds its number and whether it is the last. So a chunk cannot be changed, moved or left out, the file
cannot be cut short, and any chunk can be read without those before it. Every age tool opens such a file.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from traceability.notary.errors import VerificationError
from traceability.ports import Entropy

CHUNK: Final = 65_536
TAG: Final = 16
WORK: Final = 18
"""log₂ of scrypt's cost: 256 MiB and about a second."""
MOST_WORK: Final = 20
_VERSION: Final = b"age-encryption.org/v1\n"
_LABEL: Final = b"age-encryption.org/v1/scrypt"
_KEY: Final = 16
_NONCE: Final = 16
_SEALED: Final = CHUNK + TAG
_MOST_HEADER: Final = 1_024
_BASE64: Final = rb"[A-Za-z0-9+/]"
_HEADER: Final = re.compile(
    rb"age-encryption\.org/v1\n-> scrypt (%b{22}) ([1-9][0-9]?)\n(%b{43})\n---(?: (%b{43})\n)" % ((_BASE64,) * 3)
)

ReadAt = Callable[[int, int], bytes]
"""Return bytes start … end−1 of a file."""


def encrypt(plain: Iterable[bytes], passphrase: str, entropy: Entropy, *, work: int = WORK) -> Iterator[bytes]:
    """Yield the encrypted file of `plain`, piece by piece; memory is bounded by the largest piece and a chunk."""
    file_key, salt, nonce = entropy.token(_KEY), entropy.token(_KEY), entropy.token(_NONCE)
    wrapped = ChaCha20Poly1305(_wrapping_key(passphrase, salt, work)).encrypt(bytes(12), file_key, None)
    header = _VERSION + b"-> scrypt %b %d\n%b\n---" % (_base64(salt), work, _base64(wrapped))
    yield header + b" " + _base64(_mac(file_key, header)) + b"\n" + nonce
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    number, waiting = 0, bytearray()
    for piece in plain:
        waiting += piece
        # A chunk is only known not to be the last once a byte follows it.
        whole = (len(waiting) - 1) // CHUNK if waiting else 0
        for i in range(whole):
            yield cipher.encrypt(_chunk_nonce(number, last=False), bytes(waiting[i * CHUNK : (i + 1) * CHUNK]), None)
            number += 1
        del waiting[: whole * CHUNK]
    yield cipher.encrypt(_chunk_nonce(number, last=True), bytes(waiting), None)


class Decrypted:
    """An encrypted file of `size` bytes, read through `read`; what is returned was authenticated.

    The end is checked when it is opened. Raises `VerificationError`, whatever the bytes are: `age.format` for what is
    no such file, `age.passphrase` for another passphrase (or a header that was changed), `age.header`,
    `age.damaged`, which names the chunk, and `age.truncated`.
    """

    def __init__(self, read: ReadAt, size: int, passphrase: str) -> None:
        header = read(0, min(size, _MOST_HEADER))
        file_key, start = _opened(header, passphrase)
        nonce = header[start : start + _NONCE]
        self._read, self._first = read, start + _NONCE
        sealed = size - self._first
        if len(nonce) < _NONCE or sealed < TAG:
            raise VerificationError("the file is cut off before its first chunk", code="age.truncated")
        self._cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
        self._chunks = -(-sealed // _SEALED)
        self._end = size
        self.size = sealed - TAG * self._chunks
        """Bytes of the plain text."""
        self._kept: tuple[int, bytes] = (-1, b"")
        last = self._chunk(self._chunks - 1)
        if self._chunks > 1 and not last:
            raise VerificationError("the last chunk is empty", code="age.format")

    def read(self, start: int, end: int) -> bytes:
        """Return bytes start … end−1 of the plain text, as far as there are."""
        end = min(end, self.size)
        if start >= end:
            return b""
        first = start // CHUNK
        data = b"".join(self._chunk(number) for number in range(first, (end - 1) // CHUNK + 1))
        return data[start - first * CHUNK : end - first * CHUNK]

    def __iter__(self) -> Iterator[bytes]:
        """Yield the plain text chunk by chunk."""
        for number in range(self._chunks):
            yield self._chunk(number)

    def _chunk(self, number: int) -> bytes:
        # The one last read is kept: neighbours are often asked for one after the other.
        if self._kept[0] == number:
            return self._kept[1]
        start, last = self._first + number * _SEALED, number == self._chunks - 1
        end = self._end if last else start + _SEALED
        sealed = self._read(start, end)
        try:
            plain = self._cipher.decrypt(_chunk_nonce(number, last=last), sealed, None)
        except InvalidTag:
            if last and self._opens(_chunk_nonce(number, last=False), sealed):
                raise VerificationError(
                    f"the file is cut off after chunk {number}, which is not the last", code="age.truncated"
                ) from None
            raise VerificationError(
                f"chunk {number} (bytes {start} to {end - 1} of the file) was changed"
                f"{', or the file is cut off in it' if last else ''}",
                code="age.damaged",
            ) from None
        self._kept = number, plain
        return plain

    def _opens(self, nonce: bytes, sealed: bytes) -> bool:
        try:
            self._cipher.decrypt(nonce, sealed, None)
        except InvalidTag:
            return False
        return True


def _opened(data: bytes, passphrase: str) -> tuple[bytes, int]:
    """Return the file key that a header wraps, and the header's length."""
    found = _HEADER.match(data)
    if found is None:
        raise VerificationError(
            "this is not a file that age encrypted under one passphrase",
            code="age.format",
            hint="It may be cut off, or be encrypted to a key instead.",
        )
    salt, work_text, body, mac = found.groups()
    if (work := int(work_text)) > MOST_WORK:
        raise VerificationError(f"the passphrase costs 2^{work}, more than 2^{MOST_WORK}", code="age.format")
    key = _wrapping_key(passphrase, _bytes(salt), work)
    try:
        file_key = ChaCha20Poly1305(key).decrypt(bytes(12), _bytes(body), None)
    except InvalidTag:
        raise VerificationError(
            "the passphrase is not that of the file, or the file's first lines were changed", code="age.passphrase"
        ) from None
    if not compare_digest(_mac(file_key, data[: found.start(4) - 1]), _bytes(mac)):
        raise VerificationError("the file's first lines were changed", code="age.header")
    return file_key, found.end()


def _wrapping_key(passphrase: str, salt: bytes, work: int) -> bytes:
    return Scrypt(salt=_LABEL + salt, length=32, n=1 << work, r=8, p=1).derive(passphrase.encode())


def _derived(file_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(file_key)


def _mac(file_key: bytes, header: bytes) -> bytes:
    return hmac_digest(_derived(file_key, b"", b"header"), header, sha256)


def _chunk_nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))


def _base64(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")


def _bytes(text: bytes) -> bytes:
    data = b64decode(text + b"=" * (-len(text) % 4))
    if _base64(data) != text:
        raise VerificationError("the file's first lines have base64 in another spelling", code="age.format")
    return data
