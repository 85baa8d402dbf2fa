"""Witnesses for tests: fixed keys, logs that fork, and real servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from adapters.durable import create_secret
from api.settings import Settings
from api.witness import add_log, witness_folder
from tests.support.logs import KEY
from traceability.merkle import root_of
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.log_list import ListedLog
from traceability.notary.note import CosigningKey, SigningKey, VerifierKey
from traceability.notary.witness import AddCheckpoint

WITNESS_KEYS = [CosigningKey(f"witness.example/w{number}", bytes((number + 40,)) * 32) for number in range(3)]


class Branch:
    """A log's leaves, known all at once; branches made with another `salt` agree up to leaf `fork` and no further."""

    def __init__(self, size: int, fork: int = 0, salt: bytes = b"", key: SigningKey = KEY) -> None:
        self.leaves = [sha256(b"%d" % index + (salt if index >= fork else b"")).digest() for index in range(size)]
        self.key = key

    def root(self, size: int) -> bytes:
        return root_of(self.leaves[:size])

    def note(self, size: int) -> bytes:
        return self.key.sign(Checkpoint(self.key.name, size, self.root(size)).text()).encode()

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """Return the consistency proof, by the recursion of RFC 6962 §2.1.2."""
        return tuple(_subproof(old, self.leaves[:size], whole=True)) if 0 < old < size else ()

    def request(self, old: int, size: int) -> bytes:
        return AddCheckpoint(old, self.proof(old, size), self.note(size)).encode()


def _subproof(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= middle:
        return [*_subproof(old, leaves[:middle], whole=whole), root_of(leaves[middle:])]
    return [*_subproof(old - middle, leaves[middle:], whole=False), root_of(leaves[:middle])]


def witness_settings(folder: Path, number: int, log: VerifierKey = KEY.verifier) -> Settings:
    """Set up witness `number` for a log in a folder of its own."""
    settings = Settings(data=folder / f"w{number}")
    create_secret(witness_folder(settings) / "key", WITNESS_KEYS[number].text.encode())
    add_log(settings, ListedLog(log, log.name))
    return settings


def policy_text(quorum: str, addresses: Mapping[int, str]) -> bytes:
    """Write a policy of witnesses at these addresses; the quorum is `none`, `all`, `any` or a number."""
    lines = [f"witness w{number} {WITNESS_KEYS[number].verifier.text} {url}" for number, url in addresses.items()]
    if quorum != "none":
        lines.append(f"group ours {quorum} " + " ".join(f"w{number}" for number in addresses))
    lines.append(f"quorum {'none' if quorum == 'none' else 'ours'}")
    return "".join(f"{line}\n" for line in lines).encode()
