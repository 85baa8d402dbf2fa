"""Base64, hexadecimal and decimal as the formats of the log want them: one spelling for one value.

The decoders of the standard library accept several spellings (unused bits, white space, signs, underscores). A proof
that can be spelled in two ways can be changed without anyone noticing, so everything but the one spelling is refused.
Values may come as they were in JSON: what is no text where base64 or hexadecimal belongs is refused like the rest.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from typing import Final

from traceability.merkle import HASH_SIZE
from traceability.notary.errors import VerificationError

MAX_NUMBER: Final = 2**63 - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def base64_of(data: bytes) -> str:
    """Encode in standard base64 with padding (RFC 4648 §4)."""
    return b2a_base64(data, newline=False).decode("ascii")


def bytes_of_base64(text: str, what: str) -> bytes:
    """Decode standard base64; `what` names the value in the error."""
    try:
        data = a2b_base64(text)
    except (ValueError, TypeError) as error:
        raise VerificationError(f"{what} is not base64") from error
    # Whatever the decoder has skipped or guessed does not come back.
    if base64_of(data) != text:
        raise VerificationError(f"{what} is not base64 in its only spelling")
    return data


def hash_of_base64(text: str, what: str) -> bytes:
    """Decode a hash of 32 bytes."""
    return hash_sized(bytes_of_base64(text, what), what)


def bytes_of_hex(text: str, what: str) -> bytes:
    """Decode lower-case hexadecimal."""
    try:
        data = bytes.fromhex(text)
    except (ValueError, TypeError) as error:
        raise VerificationError(f"{what} is not hexadecimal") from error
    if data.hex() != text:
        raise VerificationError(f"{what} is not lower-case hexadecimal")
    return data


def hash_of_hex(text: str, what: str) -> bytes:
    """Decode a hash or salt of 32 bytes."""
    return hash_sized(bytes_of_hex(text, what), what)


def hash_sized(data: bytes, what: str) -> bytes:
    """Return `data` when it is 32 bytes long."""
    if len(data) != HASH_SIZE:
        raise VerificationError(f"{what} has {len(data)} bytes, not {HASH_SIZE}")
    return data


def number_of(text: str, what: str) -> int:
    """Read a decimal number from 0 to 2⁶³−1 without sign or leading zeros."""
    if not _DECIMAL.fullmatch(text) or (number := int(text)) > MAX_NUMBER:
        raise VerificationError(f"{what} is not a decimal number from 0 to 2^63-1")
    return number


def text_of(data: bytes, what: str) -> str:
    """Decode UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError(f"{what} is not UTF-8") from error
