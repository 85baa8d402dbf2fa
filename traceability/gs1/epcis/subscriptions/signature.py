"""`GS1-Signature` of what a repository sends to its subscribers (EPCIS 2.0 §12.8, which leaves the scheme to us).

The header is `t=<seconds since 1970>,sha256=<hex>`: HMAC-SHA256 with the UTF-8 bytes of the signatureToken as the key,
over the digits of `t`, a full stop and the body as it is sent. The time is signed with the body, so that what was
overheard is of no use later.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from hashlib import sha256
from typing import Final

from traceability.errors import ForbiddenError

HEADER: Final = "GS1-Signature"
TOLERANCE_SECONDS: Final = 300
_SIGNATURE: Final = re.compile(r"t=(\d{1,12}),sha256=([0-9a-f]{64})", re.ASCII).fullmatch


class SignatureError(ForbiddenError):
    """The body does not come from whoever holds the token, or is not fresh."""

    code = "signature.wrong"


def sign(body: bytes, token: str, *, now_us: int) -> str:
    """Return the header for a body that is sent now; `now_us` in microseconds since 1970."""
    seconds = now_us // 1_000_000
    return f"t={seconds},sha256={_mac(body, token, str(seconds))}"


def check_signature(header: str, body: bytes, token: str, *, now_us: int, tolerance: int = TOLERANCE_SECONDS) -> None:
    """Raise `SignatureError` unless the body was signed with the token within `tolerance` seconds of now."""
    read = _SIGNATURE(header)
    if read is None or not hmac.compare_digest(read[2], _mac(body, token, read[1])):
        raise SignatureError("The GS1-Signature is not one of this body with this token")
    if abs(now_us // 1_000_000 - int(read[1])) > tolerance:
        raise SignatureError(
            "The GS1-Signature is not of now", code="signature.old", hint="The clocks of both sides must agree."
        )


def check_untimed_signature(header: str, body: bytes, token: str) -> None:
    """Raise `SignatureError` unless `header` is the HMAC-SHA256 of the body alone, in hex or base64.

    So do other repositories. It says nothing of when: whoever takes it has to make repeating a body useless.
    """
    mac = hmac.new(token.encode(), body, sha256).digest()
    given = header.removeprefix("sha256=").encode()
    if not any(hmac.compare_digest(given, written) for written in (mac.hex().encode(), b64encode(mac))):
        raise SignatureError("The GS1-Signature is not one of this body with this token")


def _mac(body: bytes, token: str, seconds: str) -> str:
    return hmac.new(token.encode(), b".".join((seconds.encode(), body)), sha256).hexdigest()
