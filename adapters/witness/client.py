"""Witnesses over HTTP (C2SP tlog-witness): asked all at the same time, and never waited for longer than is set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from traceability.errors import InvalidInputError
from traceability.notary.cosigning import ConsistencyPath, WitnessAnswer, cosignature_in
from traceability.notary.encoding import number_of, text_of
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey, text_of_note
from traceability.notary.policy import Policy, PolicyWitness
from traceability.notary.ports import SignedCheckpoint
from traceability.notary.witness import CONFLICT, MAX_REQUEST, OK, AddCheckpoint, origin_hash

_EXCHANGES: Final = 3  # the size that a witness knows may change between two of them, but not for ever
_SHORTEST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_KEEP_ALIVE: Final = 2.0
_SHOWN: Final = 200  # characters of what a witness says
_HEADERS: Final = {"Accept-Encoding": "identity", "Content-Type": "text/plain; charset=utf-8"}


class _SilentError(Exception):
    """The witness cannot be reached, or takes too long."""


class HttpWitnesses:
    """The witnesses of a policy at their addresses (`traceability.notary.cosigning.Witnesses`); a context.

    One that is silent is left alone for a second, then for two, up to half a minute: a log whose quorum is met without
    it does not wait for it at every checkpoint.
    """

    def __init__(self, policy: Policy, *, timeout: float) -> None:
        """Check the addresses; raises `InvalidInputError` (`witness.address`). `timeout` is in seconds."""
        for witness in policy.witnesses:
            if witness.url is not None:
                check_address(witness.url)
        self._policy = policy
        self._timeout = timeout
        self._sizes: dict[VerifierKey, int] = {}
        self._pauses: dict[VerifierKey, tuple[float, float]] = {}  # until when, and how long it was
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(policy.witnesses)), thread_name_prefix="witness")
        # No proxy of the environment and no redirect: the address that was checked is the one that is asked.
        # Connections are given up before servers usually do, which would look like a witness that is down.
        limits = httpx.Limits(keepalive_expiry=_KEEP_ALIVE)
        self._client = httpx.Client(trust_env=False, follow_redirects=False, headers=_HEADERS, limits=limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    @property
    def policy(self) -> Policy:
        """Whom to ask, and whose cosignatures are enough."""
        return self._policy

    def ask(
        self, witnesses: Sequence[PolicyWitness], signed: SignedCheckpoint, proof: ConsistencyPath
    ) -> Sequence[WitnessAnswer]:
        """Ask these for a cosignature, all at the same time, and give the answer of each."""
        deadline = time.monotonic() + self._timeout
        asked = [(witness, self._pool.submit(self._ask, witness, signed, proof, deadline)) for witness in witnesses]
        done, _ = wait([future for _, future in asked], timeout=self._timeout)
        return [
            future.result() if future in done else WitnessAnswer(witness, reason=self._late())
            for witness, future in asked
        ]

    def latest(self, origin: str) -> Sequence[tuple[PolicyWitness, bytes]]:
        """Return the notes that they serve as their latest of a log, those that can be had now."""
        deadline = time.monotonic() + self._timeout
        asked = [
            (witness, self._pool.submit(self._latest, witness, origin, deadline))
            for witness in self._policy.witnesses
            if witness.url is not None
        ]
        done, _ = wait([future for _, future in asked], timeout=self._timeout)
        return [(witness, note) for witness, future in asked if future in done and (note := future.result())]

    def _latest(self, witness: PolicyWitness, origin: str, deadline: float) -> bytes | None:
        try:
            status, body = self._exchange("GET", witness, f"/{origin_hash(origin)}/checkpoint", b"", deadline)
        except _SilentError:
            return None
        return body if status == OK else None

    def _ask(
        self, witness: PolicyWitness, signed: SignedCheckpoint, proof: ConsistencyPath, deadline: float
    ) -> WitnessAnswer:
        until, pause = self._pauses.get(witness.key, (0.0, 0.0))
        if time.monotonic() < until:
            return WitnessAnswer(witness, reason="it did not answer a moment ago")
        try:
            answer = self._negotiated(witness, signed, proof, deadline)
        except _SilentError as error:
            pause = min(max(2 * pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)
            self._pauses[witness.key] = (time.monotonic() + pause, pause)
            return WitnessAnswer(witness, reason=str(error))
        self._pauses.pop(witness.key, None)
        return answer

    def _negotiated(
        self, witness: PolicyWitness, signed: SignedCheckpoint, proof: ConsistencyPath, deadline: float
    ) -> WitnessAnswer:
        """Ask with a proof from the size that the witness knows, as far as we know, and again if it says another."""
        note, size = signed.note.encode(), signed.checkpoint.size
        reason = ""
        for _ in range(_EXCHANGES):
            old = min(self._sizes.get(witness.key, 0), size)
            request = AddCheckpoint(old, tuple(proof(old)), note).encode()
            status, body = self._exchange("POST", witness, "/add-checkpoint", request, deadline)
            if status == OK:
                cosignature = cosignature_in(body.decode("utf-8", "replace"), text_of_note(note), witness.key)
                if cosignature is None:
                    return WitnessAnswer(witness, reason="its answer is no cosignature by its key")
                self._sizes[witness.key] = size
                return WitnessAnswer(witness, cosignature)
            reason = f"it answers {status}: {body[:_SHOWN].decode('ascii', 'replace').strip()!a}"
            known = _size_in(body) if status == CONFLICT else None
            if known is None:
                break
            self._sizes[witness.key] = known
            if known > size:
                return WitnessAnswer(witness, ahead=known, reason=reason)
        return WitnessAnswer(witness, reason=reason)

    def _exchange(
        self, method: str, witness: PolicyWitness, path: str, content: bytes, deadline: float
    ) -> tuple[int, bytes]:
        assert witness.url is not None
        left = deadline - time.monotonic()
        if left <= 0:
            raise _SilentError(self._late())
        try:
            with self._client.stream(
                method, witness.url.rstrip("/") + path, content=content or None, timeout=left
            ) as response:
                body = b""
                # The time limit of the library is for each piece; a server could send a byte at a time for ever.
                for chunk in response.iter_raw():
                    body += chunk
                    if time.monotonic() > deadline:
                        raise _SilentError(self._late())
                    if len(body) > MAX_REQUEST:
                        raise _SilentError("it sends too much")
                return response.status_code, body
        except httpx.TimeoutException as error:
            raise _SilentError(self._late()) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _SilentError(f"it cannot be reached: {error}") from error

    def _late(self) -> str:
        return f"it did not answer within {self._timeout:g} s"


def check_address(url: str) -> None:
    """Raise `InvalidInputError` (`witness.address`) unless it is an https address, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        plain = parts.scheme == "http" and _is_loopback(host)
        good = host and (parts.scheme == "https" or plain) and not (parts.username or parts.query or parts.fragment)
        good = good and (parts.port is None or parts.port > 0) and httpx.URL(url).host != ""
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise InvalidInputError(
            f"{url!a} cannot be the address of a witness",
            code="witness.address",
            hint="It is https://host and maybe a path; plain http is for 127.0.0.1, ::1 and localhost only.",
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _size_in(body: bytes) -> int | None:
    try:
        text = text_of(body, "the size")
        return number_of(text.removesuffix("\n"), "the size") if text.endswith("\n") else None
    except VerificationError:
        return None
