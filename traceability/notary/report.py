"""What a check has looked at, and what it found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from traceability.notary.confirmed import Confirmed

MAX_FINDINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: a stable code, a sentence, and the leaf index if a leaf is bad."""

    code: str
    message: str
    leaf: int | None = None


@dataclass(slots=True)
class Report:
    """What was checked, and what was found, first things first; at most `MAX_FINDINGS` of the `found` are kept.

    `confirmed` is the largest signed tree that was seen to be good before anything was found.
    """

    leaves: int = 0
    checkpoints: int = 0
    files: int = 0
    erased: int = 0
    found: int = 0
    findings: list[Finding] = field(default_factory=list)
    confirmed: Confirmed | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def add(self, code: str, message: str, leaf: int | None = None) -> None:
        """Note a finding."""
        self.take([Finding(code, message, leaf)])

    def take(self, findings: Iterable[Finding], found: int | None = None) -> None:
        """Note findings, of which there were `found` before some were left out."""
        findings = list(findings)
        self.found += len(findings) if found is None else found
        self.findings += findings[: MAX_FINDINGS - len(self.findings)]
