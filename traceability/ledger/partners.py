"""Partners: where the events of an organisation come from, and how far each source has been read.

A partner is asked (`epcis`), sends (`webhook`) or leaves files (`folder`). What comes is captured as its
organisation's. An event that this organisation can see in the ledger already, with the same eventID and content, is not
captured again: two ledgers that feed each other would otherwise hand their own events back and forth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from traceability.errors import InvalidInputError

OVERLAP_US: Final = 10_000_000
"""How far before the last recordTime a partner is asked again: what it committed late has an earlier one."""
REMEMBERED: Final = 2_000
"""Events that a source remembers to have had, whatever became of them, so that none of the overlap is told of twice."""
LONGEST_PAUSE_US: Final = 3600 * 1_000_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}").fullmatch


class Kind(StrEnum):
    """How a partner's events come."""

    EPCIS = "epcis"
    WEBHOOK = "webhook"
    FOLDER = "folder"


class Accept(StrEnum):
    """In which format a partner's repository is asked to answer."""

    JSON = "json"
    XML = "xml"


@dataclass(frozen=True, slots=True)
class Partner:
    """A source of events.

    `address` is that of the repository's events, or a folder's path; a webhook has none. `mapping` says what the
    columns of its CSV are, None when it sends none. `header` names the header that carries its secret, which is kept
    apart and never shown. Times are microseconds UTC.
    """

    name: str
    organisation: str
    kind: Kind
    address: str
    created_at: int
    accept: Accept = Accept.JSON
    overlap_us: int = OVERLAP_US
    mapping: str | None = None
    header: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a repository has been read.

    Everything recorded there before `cursor` is here, in its microseconds UTC. `next` is the query of the page that
    comes now, None when the next request begins anew at the cursor. Of the pages since it did so, at `began` by our
    clock, with the cursor at `start`: `seen` is the latest recordTime, `ordered` whether they came in its order. `had`
    are digests of the last events, whatever became of them.
    """

    cursor: int | None = None
    next: str | None = None
    began: int | None = None
    start: int | None = None
    seen: int | None = None
    ordered: bool = True
    had: tuple[str, ...] = ()

    def since(self, overlap_us: int) -> int | None:
        """Return the recordTime to ask from, None for everything."""
        return None if self.cursor is None else self.cursor - overlap_us

    def begun(self, now: int) -> Progress:
        """Note when the pages began."""
        return self if self.began is not None else replace(self, began=now, start=self.cursor)

    def restarted(self) -> Progress:
        """Return where to go on when a page's token has expired: at the cursor."""
        return Progress(cursor=self.cursor, had=self.had)

    def after(self, times: list[int], digests: list[str], following: str | None) -> Progress:
        """Return the progress behind a page: its recordTimes as they came, its events' digests, the next page's query.

        While pages are sorted by recordTime, as was asked for, the cursor follows each of them, so that little is read
        again when a token expires. As soon as one is not, it goes back, and moves at the end.
        """
        sorted_here = times == sorted(times) and (self.seen is None or not times or times[0] >= self.seen)
        seen = max([*times, *([] if self.seen is None else [self.seen])], default=None)
        # The overlap goes back behind the cursor.
        reached = self.cursor if seen is None else max(seen, self.cursor or seen)
        had = (*self.had, *digests)[-REMEMBERED:]
        if following is None:
            return Progress(cursor=reached, had=had)
        ordered = self.ordered and sorted_here
        cursor = reached if ordered else self.start
        return Progress(cursor, following, self.began, self.start, seen, ordered, had)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source could not be read the last time."""

    at: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source stands.

    `received` events came, of which `known` were here already. `failures` are those since the last success. Of the last
    pull that brought events: how many, and the microseconds that it took.
    """

    progress: Progress
    received: int
    known: int
    working: bool
    next_at: int
    failures: int
    succeeded_at: int | None
    failure: Failure | None
    last_events: int | None
    last_us: int | None

    @property
    def rate(self) -> float | None:
        """Return the events a second of the last pull that brought any, None before."""
        if self.last_events is None or not self.last_us:
            return None
        return self.last_events * 1_000_000 / self.last_us


def partner_name(text: str) -> str:
    """Return a name; raises `InvalidInputError` (`partner.name`) for what cannot be one."""
    if _NAME(text) is None:
        raise InvalidInputError(
            "A partner's name has 1 to 63 lower-case letters, digits, dots and hyphens",
            code="partner.name",
            hint="It begins with a letter or a digit, such as dairy.example.",
        )
    return text


def pause_us(interval_us: int, failures: int) -> int:
    """Return how long to wait after so many failures in a row: twice as long each time, an hour at most."""
    return min(interval_us << min(failures, 16), max(LONGEST_PAUSE_US, interval_us))
