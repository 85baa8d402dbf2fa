"""Trust policies: which logs and witnesses count, and how many witnesses must have cosigned (C2SP tlog-policy).

The file is lines of `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, `group <name> all|any|<k> <name>…` and one
`quorum <name>|none`. Names of witnesses and groups mean nothing outside the file. They are octets to the standard, so
octets that are not UTF-8 are kept as surrogates (PEP 383) and written back as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from traceability.notary.encoding import number_of
from traceability.notary.errors import VerificationError
from traceability.notary.note import Algorithm, VerifierKey

MAX_SIZE: Final = 1_000_000
NONE: Final = "none"
_SPACE: Final = re.compile(r"[ \t]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints count; the key's name is its origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness under its name in the policy; the URL is its submission prefix."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """A group, which has witnessed what at least `threshold` of its members (witnesses or groups) have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as `parse` has checked it; a group's members come before it. `quorum` is a name or `none`."""

    logs: tuple[PolicyLog, ...] = ()
    witnesses: tuple[PolicyWitness, ...] = ()
    groups: tuple[PolicyGroup, ...] = ()
    quorum: str = NONE

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a policy file; raises `VerificationError`, which names the line."""
        if len(data) > MAX_SIZE:
            raise VerificationError(f"a policy has at most {MAX_SIZE} bytes")
        text = data.decode("utf-8", "surrogateescape")
        if _CONTROL.search(text) or (text and not text.endswith("\n")):
            raise VerificationError("a policy is lines that each end with a newline, without other control characters")
        reading = _Reading()
        for number, line in enumerate(text.split("\n"), start=1):
            # Space and tab only: to the standard no other character, of Unicode or not, separates words.
            words = _SPACE.split(line.strip(" \t"))
            if not words[0] or words[0].startswith("#"):
                continue
            try:
                reading.take(words[0], words[1:])
            except VerificationError as error:
                raise VerificationError(f"line {number} of the policy: {error.message}", code=error.code) from error
        if reading.quorum is None:
            raise VerificationError("the policy has no quorum line")
        return cls(tuple(reading.logs), tuple(reading.witnesses), tuple(reading.groups), reading.quorum)

    def encode(self) -> bytes:
        """Return the policy file."""
        lines = [_line("log", log.key.text, log.url) for log in self.logs]
        lines += [_line("witness", witness.name, witness.key.text, witness.url) for witness in self.witnesses]
        lines += [_line("group", group.name, _threshold(group), *group.members) for group in self.groups]
        lines.append(_line("quorum", self.quorum))
        return "".join(lines).encode("utf-8", "surrogateescape")

    @property
    def witness_keys(self) -> list[VerifierKey]:
        """The keys of all witnesses."""
        return [witness.key for witness in self.witnesses]

    def satisfied_by(self, cosigners: Iterable[VerifierKey]) -> bool:
        """Tell whether these keys, whose cosignatures of one checkpoint were verified, are the quorum."""
        cosigned = set(cosigners)
        witnessed = {witness.name for witness in self.witnesses if witness.key in cosigned}
        for group in self.groups:
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return self.quorum == NONE or self.quorum in witnessed


@dataclass
class _Reading:
    """What the lines up to here have defined."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[PolicyGroup] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    def take(self, keyword: str, words: list[str]) -> None:
        match keyword, words:
            case "log", [vkey, *url] if len(url) <= 1:
                key = _key(vkey, self.logs)
                if key.algorithm is Algorithm.COSIGNATURE:
                    raise VerificationError("the key of a log does not sign cosignatures")
                self.logs.append(PolicyLog(key, *url))
            case "witness", [name, vkey, *url] if len(url) <= 1:
                key = _key(vkey, self.witnesses)
                if key.algorithm is not Algorithm.COSIGNATURE:
                    raise VerificationError("the key of a witness signs cosignatures (signature type 4)")
                self._define(name)
                self.witnesses.append(PolicyWitness(name, key, *url))
            case "group", [name, threshold, _, *_]:
                self.groups.append(self._group(name, threshold, words[2:]))
                self._define(name)
            case "quorum", [name]:
                if self.quorum is not None:
                    raise VerificationError("there is one quorum line")
                if name != NONE:
                    self._check_defined(name)
                self.quorum = name
            case _:
                raise VerificationError("it is no line of a policy: log, witness, group or quorum with their words")

    def _group(self, name: str, threshold: str, members: list[str]) -> PolicyGroup:
        for member in members:
            self._check_defined(member)
            # Else a witness would count twice towards the quorum.
            if member in self.members:
                raise VerificationError("a name is the member of one group, and once")
            self.members.add(member)
        words = {"any": 1, "all": len(members)}
        least = words[threshold] if threshold in words else number_of(threshold, "the number of a group")
        if not 1 <= least <= len(members):
            raise VerificationError(f"a group of {len(members)} cannot ask for {least}")
        return PolicyGroup(name, least, tuple(members))

    def _define(self, name: str) -> None:
        if name == NONE or name in self.names:
            raise VerificationError("a name is defined once, and never none")
        self.names.add(name)

    def _check_defined(self, name: str) -> None:
        if name not in self.names:
            raise VerificationError("it names what no line before it defines")


def _key(vkey: str, others: Iterable[PolicyLog | PolicyWitness]) -> VerifierKey:
    try:
        vkey.encode()
    except UnicodeEncodeError as error:
        raise VerificationError("the verifier key is not UTF-8") from error
    key = VerifierKey.parse(vkey)
    # The standard compares the keys themselves: under two names one key would count twice.
    if any(key.public_key == other.key.public_key for other in others):
        raise VerificationError("the same public key is listed twice")
    return key


def _threshold(group: PolicyGroup) -> str:
    if group.threshold == len(group.members):
        return "all"
    return "any" if group.threshold == 1 else str(group.threshold)


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None) + "\n"
