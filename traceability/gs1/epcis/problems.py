"""What is wrong with a document: one problem a rule and place, all of them collected before anything is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]

MAX_PROBLEMS: Final = 100
"""Problems told of one event; a document made to be wrong everywhere must not become a larger answer."""

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule.

    `index` counts the document's events from 0 and is None for the document itself; `path` is a JSONPath of names
    and indices (RFC 9535 §2.7) from the document's root. An event with an error is not captured; a warning tells of
    something that was kept as written although it could not be understood.
    """

    index: int | None
    path: str
    code: str
    severity: Severity
    message: str


class Findings:
    """The problems of one event, or of the document around the events when `index` is None."""

    __slots__ = ("_problems", "_told", "base", "failed", "index")

    def __init__(self, index: int | None, base: str) -> None:
        self.index = index
        self.base = base
        self.failed = False
        self._problems: list[Problem] = []
        self._told: set[tuple[str, str]] = set()

    def error(self, path: str, code: str, message: str) -> None:
        """Note a rule whose breach keeps the event out; `path` continues the event's own."""
        self.failed = True
        self._add(path, code, "error", message)

    def warn(self, path: str, code: str, message: str) -> None:
        """Note something kept as written."""
        self._add(path, code, "warning", message)

    def warn_once(self, path: str, code: str, about: str, message: str) -> None:
        """Note something kept as written, at the first of the places where `about` stands."""
        if (code, about) not in self._told:
            self._told.add((code, about))
            self.warn(path, code, message)

    def take(self, other: Findings) -> None:
        """Note what was noted about the same event elsewhere."""
        self.failed = self.failed or other.failed
        self._problems += other._problems
        self._told |= other._told

    @property
    def problems(self) -> list[Problem]:
        """The problems in the order found; when there are too many, the errors first and what was left out last."""
        if len(self._problems) <= MAX_PROBLEMS:
            return self._problems
        kept = sorted(self._problems, key=lambda problem: problem.severity)[: MAX_PROBLEMS - 1]
        more = len(self._problems) - len(kept)
        last = Problem(self.index, self.base, "epcis.more_problems", "warning", f"{more} more problems are not listed.")
        return [*kept, last]

    def _add(self, path: str, code: str, severity: Severity, message: str) -> None:
        # Beyond twice the limit only the first errors matter, and those are kept.
        if len(self._problems) < 2 * MAX_PROBLEMS or (severity == "error" and len(self._problems) < 3 * MAX_PROBLEMS):
            self._problems.append(Problem(self.index, self.base + path, code, severity, message))


def member(name: str) -> str:
    """Return the JSONPath segment of a member: `.name`, or `['name']` where the short form would not parse."""
    if _PLAIN(name):
        return f".{name}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"


def shown(value: object) -> str:
    """Return `value` short enough for a sentence."""
    if type(value) is str:
        text = repr(value)
    elif isinstance(value, str) or type(value) is int:  # a number, in its own characters
        text = str(value)
    else:
        text = _kind(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _kind(value: object) -> str:
    """Return what JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a string"
