"""When a checkpoint existed at the latest, as an authority outside says (RFC 3161 time-stamp responses).

What is stamped is the checkpoint with the log's own signature and no other: its text, a blank line, the signature line
of the log's key. Whoever holds a receipt can make these bytes from its checkpoint, whichever witnesses signed that
copy, and an Ed25519 signature is the same each time. The imprint is their SHA-256: `openssl ts -verify` checks it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography.x509 import Certificate, load_der_x509_certificate, load_pem_x509_certificates
from rfc3161_client import TimeStampResponse, VerifierBuilder, decode_timestamp_response
from rfc3161_client import VerificationError as TheirVerificationError

from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.ports import SignedCheckpoint, StoredTimestamp
from traceability.notary.report import Finding

MAX_RESPONSE: Final = 65_536
MAX_ROOTS: Final = 1_000_000
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_GRANTED: Final = 0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What a verified response says: `authority` saw the stamped bytes at `at` (µs UTC), give or take `accuracy` (µs).

    `accuracy` is None when the authority does not state one; `authority` is the subject of its certificate (RFC 4514).
    """

    at: int
    accuracy: int | None
    authority: str
    policy: str
    serial: int

    def line(self) -> str:
        """Say it in plain words."""
        accuracy = "" if self.accuracy is None else f", accurate to {self.accuracy} µs"
        return (
            f"said by the time-stamping authority {self.authority}: this checkpoint existed at {self.at} µs since 1970"
            f" (UTC){accuracy}"
        )


def stamped_bytes(note: bytes, key: VerifierKey) -> bytes:
    """Return the bytes of a signed checkpoint that are stamped; raises `VerificationError` when it does not verify."""
    _, opened = open_checkpoint(note, key)
    signature = dict(opened.verified)[key]
    return f"{opened.text}\n{signature.line()}".encode()


def read_roots(pem: bytes) -> list[Certificate]:
    """Read the certificates of authorities that are trusted; raises `VerificationError` (`timestamp.roots`)."""
    if len(pem) > MAX_ROOTS:
        raise VerificationError(f"trusted certificates have at most {MAX_ROOTS} bytes", code="timestamp.roots")
    try:
        return load_pem_x509_certificates(pem)
    except ValueError as error:
        raise VerificationError(f"these are no PEM certificates: {error}", code="timestamp.roots") from error


def verify_timestamp(
    response: bytes, stamped: bytes, roots: Sequence[Certificate], nonce: int | None = None
) -> Timestamp:
    """Check a response over `stamped` (RFC 3161 §2.4.2): status, imprint, nonce, signature, chain up to a root.

    Certificates must have been valid at the time that the response states, not now: a timestamp outlives them. That a
    key was revoked since is not looked at. Raises `VerificationError` with one of `timestamp.malformed`,
    `timestamp.refused`, `timestamp.imprint`, `timestamp.nonce`, `timestamp.certificate`, whatever the bytes are.
    """
    if len(response) > MAX_RESPONSE:
        raise VerificationError(f"a time-stamp response has at most {MAX_RESPONSE} bytes", code="timestamp.malformed")
    try:
        return _verify(decode_timestamp_response(response), stamped, roots, nonce)
    except TheirVerificationError as error:
        raise VerificationError(f"the timestamp does not verify: {error}", code="timestamp.certificate") from error
    except (ValueError, TypeError, OverflowError) as error:
        # The library decodes lazily: what is not ASN.1 may show only when a field is asked for.
        raise VerificationError(f"this is no time-stamp response: {error}", code="timestamp.malformed") from error


def _verify(response: TimeStampResponse, stamped: bytes, roots: Sequence[Certificate], nonce: int | None) -> Timestamp:
    if response.status != _GRANTED:
        said = "; ".join(response.status_string)
        raise VerificationError(
            f"the authority did not grant the timestamp (status {response.status}) {said}".rstrip(),
            code="timestamp.refused",
        )
    info, digest = response.tst_info, sha256(stamped).digest()
    # The library compares the digest and not its algorithm.
    if info.message_imprint.hash_algorithm.dotted_string != _SHA256 or info.message_imprint.message != digest:
        raise VerificationError("the timestamp is not of this checkpoint", code="timestamp.imprint")
    if nonce is not None and info.nonce != nonce:
        raise VerificationError("the timestamp answers another request", code="timestamp.nonce")
    if not roots:
        raise VerificationError("no trusted certificates are given", code="timestamp.roots")
    _verify_chain(response, digest, roots, nonce)
    accuracy = info.accuracy
    return Timestamp(
        at=(info.gen_time - _EPOCH) // _MICROSECOND,
        accuracy=None
        if accuracy is None
        else (accuracy.seconds or 0) * 1_000_000 + (accuracy.millis or 0) * 1_000 + (accuracy.micros or 0),
        authority=_signer(response).subject.rfc4514_string(),
        policy=info.policy.dotted_string,
        serial=info.serial_number,
    )


def _verify_chain(response: TimeStampResponse, digest: bytes, roots: Sequence[Certificate], nonce: int | None) -> None:
    # Of several certificates of one name the library takes any, and no other when that one did not sign.
    for root in roots:
        chosen = [root, *(other for other in roots if other.subject != root.subject)]
        try:
            VerifierBuilder(roots=chosen, nonce=nonce).build().verify(response, digest)
        except TheirVerificationError:
            if root is roots[-1]:
                raise
        else:
            return


def _signer(response: TimeStampResponse) -> Certificate:
    """Return the certificate that the verified response was signed with: the one that its only signer info names."""
    (info,) = response.signed_data.signer_infos
    certificates = map(load_der_x509_certificate, response.signed_data.certificates)
    return next(one for one in certificates if (one.issuer, one.serial_number) == (info.issuer, info.serial_number))


def verify_stored(
    row: StoredTimestamp, signed: SignedCheckpoint | None, key: VerifierKey, roots: Sequence[Certificate]
) -> Timestamp:
    """Check a stored timestamp over the checkpoint that was signed for its size, None when there is none.

    A database that was rolled back or rewritten shows here: its timestamps are of checkpoints that it does not know
    (`timestamp.unknown_checkpoint`) or that have other bytes (`timestamp.imprint`). Raises `VerificationError`.
    """
    if signed is None:
        raise VerificationError(
            f"the timestamp of size {row.size} is of a checkpoint that is not there",
            code="timestamp.unknown_checkpoint",
        )
    return verify_timestamp(row.response, stamped_bytes(signed.note.encode(), key), roots)


def check_timestamps(
    stored: Iterable[StoredTimestamp],
    signed_at_size: Callable[[int], SignedCheckpoint | None],
    key: VerifierKey,
    roots: Sequence[Certificate],
) -> Iterator[Finding]:
    """Yield what is wrong with a log's stored timestamps, as `verify_stored` says; roots must be given."""
    for row in stored:
        try:
            verify_stored(row, signed_at_size(row.size), key, roots)
        except VerificationError as error:
            yield Finding(error.code, f"size {row.size}, from {row.authority}: {error.message}")
