"""The logs that a witness knows: a list of the witness network (`logs/v0`), or the log lines of a policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from traceability.notary.encoding import number_of, text_of
from traceability.notary.errors import VerificationError
from traceability.notary.note import Algorithm, VerifierKey
from traceability.notary.policy import Policy

HEADER: Final = "logs/v0"
DEFAULT_QPD: Final = 86_400
_MAX_QPD: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ListedLog:
    """A log with its origin, which in old logs is not the name of the key.

    `qpd` is how many checkpoints a day it may send; `contact` is for people.
    """

    key: VerifierKey
    origin: str
    qpd: int = DEFAULT_QPD
    contact: str = "-"

    def check(self) -> None:
        """Raise `VerificationError` unless it can stand in a list."""
        if self.key.algorithm is not Algorithm.ED25519:
            raise VerificationError("the key of a listed log is of signature type 1")
        if not 1 <= self.qpd <= _MAX_QPD:
            raise VerificationError("the checkpoints a day are from 1 to 2^31-1")
        for text in (self.origin, self.contact):
            if not text or text != text.strip() or not text.isprintable():
                raise VerificationError("origin and contact are one line of text each")


def read_log_list(data: bytes) -> list[ListedLog]:
    """Read a list of the witness network, or else a policy; raises `VerificationError`."""
    lines = [line.strip() for line in data.decode("utf-8", "surrogateescape").split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lines[:1] != [HEADER]:
        return [ListedLog(log.key, log.key.name) for log in Policy.parse(data).logs]
    text_of(data, "the list of logs")
    logs, rest = [], lines[1:]
    while rest:
        key = VerifierKey.parse(_value(rest, "vkey"))
        origin = _value(rest, "origin") if rest and rest[0].startswith("origin ") else key.name
        qpd = number_of(_value(rest, "qpd"), "the checkpoints a day")
        log = ListedLog(key, origin, qpd, _value(rest, "contact"))
        log.check()
        logs.append(log)
    return logs


def encode_log_list(logs: Iterable[ListedLog]) -> bytes:
    """Write a list of the witness network."""
    text = HEADER + "\n"
    for log in logs:
        origin = "" if log.origin == log.key.name else f"origin {log.origin}\n"
        text += f"\nvkey {log.key.text}\n{origin}qpd {log.qpd}\ncontact {log.contact}\n"
    return text.encode()


def keys_by_origin(logs: Iterable[ListedLog]) -> Mapping[str, tuple[VerifierKey, ...]]:
    """Return the keys that count for each origin; two lines of one origin are a log with two keys."""
    keys: dict[str, tuple[VerifierKey, ...]] = {}
    for log in logs:
        keys[log.origin] = (*keys.get(log.origin, ()), log.key)
    return keys


def _value(lines: list[str], name: str) -> str:
    keyword, _, value = lines.pop(0).partition(" ") if lines else ("", "", "")
    if keyword != name or not value.strip():
        raise VerificationError(f"a listed log has a {name} line here: vkey, maybe origin, qpd, contact")
    return value.strip()
