"""A witness of logs: it cosigns a checkpoint when the tree extends the one that it cosigned last (C2SP tlog-witness).

Of each log it remembers one note, its latest checkpoint with the log's signature and its own. The order of a request
is what the promise rests on: under the log's lock, read the note, check, write the new one durably, only then answer.
Whoever dies in between has promised nothing that is forgotten; at worst a cosignature is remembered and never used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol, Self

from traceability.merkle import EMPTY_ROOT
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.encoding import base64_of, hash_of_base64, number_of, text_of
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.evidence import Contradiction, Evidence, contradiction_of
from traceability.notary.note import CosigningKey, Note, VerifierKey, open_note, text_of_note
from traceability.ports import Clock

MAX_PROOF: Final = 63
MAX_REQUEST: Final = 131_072  # a proof and a note with its signatures, the largest of which have 5 kB
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
OK, MALFORMED, UNTRUSTED, UNKNOWN_LOG, CONFLICT, INCONSISTENT = 200, 400, 403, 404, 409, 422
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the signed checkpoint in `note` extends the tree of `old_size` leaves, as `proof` shows."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body of a request; raises `VerificationError`."""
        if len(body) > MAX_REQUEST:
            raise VerificationError(f"a request has at most {MAX_REQUEST} bytes")
        head, blank, note = text_of(body, "the request").partition("\n\n")
        old, *proof = head.split("\n")
        if not blank or not old.startswith("old "):
            raise VerificationError("a request is an old size line, proof lines, an empty line and a checkpoint")
        if len(proof) > MAX_PROOF:
            raise VerificationError(f"a proof has at most {MAX_PROOF} hashes")
        size = number_of(old.removeprefix("old "), "the old size")
        return cls(size, tuple(hash_of_base64(line, "a hash of the proof") for line in proof), note.encode())

    def encode(self) -> bytes:
        """Return the body of the request."""
        lines = [f"old {self.old_size}", *map(base64_of, self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: an HTTP status and a text."""

    status: int
    text: str
    content_type: str = TEXT_TYPE


class LogMemory(Protocol):
    """What a witness remembers of one log; who has it has it alone."""

    def checkpoint(self) -> bytes | None:
        """Return the note that was remembered last."""
        ...

    def replace(self, note: bytes) -> None:
        """Remember another note, durable on return."""
        ...

    def keep(self, evidence: Evidence) -> None:
        """Keep evidence, durable on return; of one name it is kept once, and of unproven ones a bounded number."""
        ...


class WitnessStore(Protocol):
    """Where a witness remembers."""

    def hold(self, origin: str) -> AbstractContextManager[LogMemory]:
        """Give a log's memory to one caller at a time, of all threads and processes."""
        ...

    def served(self, origin_hash: str) -> bytes | None:
        """Return the note of a log by the hex SHA-256 of its origin, without waiting."""
        ...

    def evidence(self) -> Sequence[Evidence]:
        """Return all evidence, the oldest first."""
        ...


class Witness:
    """Cosigns the checkpoints of the logs that `logs` gives by origin, each with the keys that count for it."""

    def __init__(
        self,
        key: CosigningKey,
        logs: Callable[[], Mapping[str, tuple[VerifierKey, ...]]],
        store: WitnessStore,
        clock: Clock,
    ) -> None:
        self._key = key
        self._logs = logs
        self._store = store
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request with a cosignature line, or with the reason why not.

        Raises what the store raises when it cannot remember, and then nothing was cosigned.
        """
        try:
            request = AddCheckpoint.parse(body)
            submitted = Checkpoint.parse(text_of_note(request.note))
        except VerificationError as error:
            return _refusal(MALFORMED, error.message)
        keys = self._logs().get(submitted.origin)
        if keys is None:
            return _refusal(UNKNOWN_LOG, "unknown log: this witness was not told of its origin")
        try:
            note = open_note(request.note, keys)
        except VerificationError as error:
            # Malformed signature lines come here too: a line that was spoilt is no signature of a trusted key.
            return _refusal(UNTRUSTED, f"invalid signature: {error.message}")
        if request.old_size > submitted.size:
            return _refusal(MALFORMED, "the old size is beyond the size of the checkpoint")
        with self._store.hold(submitted.origin) as memory:
            return self._judge(request, submitted, note, memory)

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """Return for a monitor the latest checkpoint of a log with its cosignature, None when there is none."""
        return self._store.served(origin_hash)

    def _judge(self, request: AddCheckpoint, submitted: Checkpoint, note: Note, memory: LogMemory) -> Answer:
        known_note = memory.checkpoint()
        known = Checkpoint(submitted.origin, 0, EMPTY_ROOT)
        if known_note is not None:
            known = self._open(known_note, submitted.origin)
        proof = request.proof if request.old_size == known.size else None
        contradiction = contradiction_of(known, submitted, proof)
        if contradiction and known_note is not None:
            now = self._clock.now_us()
            memory.keep(Evidence(contradiction, known_note, request.note, request.proof, now))
        if proof is None:
            return Answer(CONFLICT, f"{known.size}\n", SIZE_TYPE)
        if submitted.size == 0 and submitted.root != EMPTY_ROOT:
            return _refusal(INCONSISTENT, "a tree of size 0 has the hash of nothing as its root")
        if contradiction is Contradiction.UNPROVEN:
            return _refusal(INCONSISTENT, f"the consistency proof from size {known.size} does not verify")
        if contradiction:
            return _refusal(
                INCONSISTENT,
                f"the log has signed another tree of {known.size} leaves ({contradiction});"
                " both checkpoints are kept as evidence",
            )
        if proof and known.size in (0, submitted.size):
            return _refusal(INCONSISTENT, "a consistency proof from size 0, or to the same size, is empty")
        seconds = self._clock.now_us() // _MICROSECONDS
        cosignature = self._key.cosign(note.text, seconds).line()
        signatures = "".join(signature.line() for _, signature in note.verified)
        memory.replace(f"{note.text}\n{signatures}{cosignature}".encode())
        return Answer(OK, cosignature)

    def _open(self, note: bytes, origin: str) -> Checkpoint:
        # Keys may have changed since, ours or the log's, but not all at once.
        try:
            opened = Checkpoint.parse(open_note(note, (self._key.verifier, *self._logs()[origin])).text)
        except VerificationError as error:
            raise DamagedLogError(
                f"what this witness remembers of {origin} does not verify: {error.message}",
                code="witness.memory",
                hint="Restore its folder from a copy; to forget a checkpoint would be to sign against it.",
            ) from error
        if opened.origin != origin:
            raise DamagedLogError(f"what this witness remembers of {origin} is of another log", code="witness.memory")
        return opened


def origin_hash(origin: str) -> str:
    """Return the name of a log in a witness's URLs: the hex SHA-256 of its origin."""
    return sha256(origin.encode()).hexdigest()


def _refusal(status: int, reason: str) -> Answer:
    return Answer(status, f"{reason}\n")
