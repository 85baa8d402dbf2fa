"""The provenance index over an audit export: positions from arrays in memory, events from the encrypted file.

Nothing decrypted goes to the disk. Memory holds 16 bytes a tag that may be asked for (40 while they are sorted) and
12 an event; of the events only those that a question has looked at.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from traceability.errors import InvalidInputError
from traceability.ledger.access import ITEM, Reader, redact
from traceability.ledger.event import read_foreign
from traceability.ledger.index import Indexer, MarkKind, TagHash, Visibility, tag_hash
from traceability.ledger.register.stated import Stated, stated_in
from traceability.ledger.register.statements import STATEMENTS
from traceability.notary.export import AuditExport
from traceability.notary.note import VerifierKey
from traceability.notary.ports import StoredEvent
from traceability.supply_chain.containment import nesting, surrounding
from traceability.supply_chain.decisions import DECISION_TYPES, SeenDecision, see_decision
from traceability.supply_chain.index import PlainIndex, first_of
from traceability.supply_chain.seen import EPCIS_TYPES, MARK_KINDS, Role, SeenEvent, Subjects, see_row
from traceability.supply_chain.standing import counting, with_declarations
from traceability.supply_chain.windows import Windows

_ASKED_FOR: Final = ("item:", "lot:", "transformation:")
_EVERY: Final = 1_000  # events between two words about progress


class ExportedEvents:
    """The events of an export whose leaves, roots and checkpoints were verified, and what finds them.

    `keys` are those of its logs; `progress` is told the events that were read and how many there are. Raises
    `VerificationError`, and `InvalidInputError` (`ledger.unreadable_parts`).
    """

    def __init__(
        self,
        export: AuditExport,
        keys: Sequence[VerifierKey],
        indexer: Indexer,
        *,
        hash_of: TagHash = tag_hash,
        progress: Callable[[int, int], None] = lambda _done, _whole: None,
    ) -> None:
        self.hash_of = hash_of
        self._export = export
        self._starts = array("q")
        self._visibility = array("i")
        self.visibilities: dict[Visibility, int] = {}
        self.declarations: list[int] = []
        """Positions of error declarations."""
        self.decisions: set[int] = set()
        """Positions of decisions about things."""
        self.registered: list[int] = []
        """Positions of statements of the register."""
        tags, tagged = array("q"), array("q")
        for start, event in export.verified(*keys):
            self._starts.append(start)
            self._visibility.append(self._take_in(event, indexer, tags, tagged))
            if len(self._starts) % _EVERY == 0:
                progress(len(self._starts), export.size)
        self.headers = export.headers
        given = np.frombuffer(tags, np.int64) if tags else np.empty(0, np.int64)
        order = np.argsort(given, kind="stable")
        self._tags = given[order]
        self._tagged: npt.NDArray[np.int64] = (np.frombuffer(tagged, np.int64) if tagged else given)[order]

    @property
    def last_position(self) -> int:
        """The last position that the export holds."""
        return self.first_position + len(self._starts) - 1

    @property
    def first_position(self) -> int:
        """The first position that the export may hold."""
        return self._export.header.first_position

    def under(self, tags: Iterable[str]) -> set[int]:
        """Return the positions of events under any of these tags, and perhaps some under others of the same hash."""
        hashes = np.array([self.hash_of(tag) for tag in tags], np.int64)
        firsts = np.searchsorted(self._tags, hashes, "left").tolist()
        lasts = np.searchsorted(self._tags, hashes, "right").tolist()
        return set(chain.from_iterable(self._tagged[a:b].tolist() for a, b in zip(firsts, lasts, strict=True)))

    def visibility_at(self, position: int) -> int:
        """Return the number of an event's visibility, its place among `visibilities`."""
        return self._visibility[position - self.first_position]

    def at(self, position: int) -> StoredEvent:
        """Return an event, read again."""
        return self._export.event_at(self._starts[position - self.first_position], position)

    def register(self, reader: Reader, known_at: int) -> Iterator[Stated]:
        """Yield the statements of the register that a reader may see of those recorded up to a position."""
        extents = [reader.extent(visibility) for visibility in self.visibilities]
        for position in self.registered:
            extent = extents[self.visibility_at(position)]
            if position <= known_at and extent is not None:
                event = self.at(position)
                stated = stated_in(redact(event.parts, extent, ()), position, event.event_id, event.recorded_at)
                if stated is not None:
                    yield stated

    def _take_in(self, event: StoredEvent, indexer: Indexer, tags: array[int], tagged: array[int]) -> int:
        event_type, index = read_foreign(event.position, event.parts, indexer)
        if event_type in EPCIS_TYPES or event_type in DECISION_TYPES:
            hashes = {self.hash_of(tag) for tag in index.tags if tag.startswith(_ASKED_FOR)}
            tags.extend(hashes)
            tagged.extend([event.position] * len(hashes))
            if event_type in DECISION_TYPES:
                self.decisions.add(event.position)
            elif index.retracts:
                self.declarations.append(event.position)
        elif event_type in STATEMENTS:
            self.registered.append(event.position)
        return self.visibilities.setdefault(index.visibility, len(self.visibilities))


class ExportProvenance(PlainIndex):
    """One reader's view of an export for one question; raises `InvalidInputError` for a `known_at` that it lacks."""

    def __init__(self, events: ExportedEvents, *, reader: Reader, known_at: int | None = None) -> None:
        last, first = events.last_position, events.first_position
        if known_at is not None and not first - 1 <= known_at <= last:
            raise InvalidInputError(
                f"The export holds positions {first} to {last}: what was known at {known_at} is not in it",
                code="provenance.known_at",
                hint="Make an export that reaches that far.",
            )
        self._events = events
        self._known_at = last if known_at is None else known_at
        self._extents = [reader.extent(visibility) for visibility in events.visibilities]
        self._asked: set[str] = set()
        self._seen: dict[int, SeenEvent | None] = {}
        self._decisions: dict[int, SeenDecision] = {}
        self._partly_open: dict[int, tuple[tuple[Any, ...], frozenset[str]]] = {}

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        return self._known_at

    def events(self, asked: Subjects, during: Mapping[str, Windows] | None = None) -> list[SeenEvent]:
        """Return the events that concern what is asked for, and what retracts them."""
        asked = asked._replace(things={*asked.things, *(during or ())})
        self._asked.update(asked.things, asked.lots)
        found = self._see(self._events.under(asked.tags))
        return self._with_declarations([event for event in found if event.concerns(asked)])

    def decisions(self, things: Collection[str]) -> list[SeenDecision]:
        """Return the decisions about these things."""
        self._see(self._events.under(f"item:{thing}" for thing in things) & self._events.decisions)
        return [one for one in self._decisions.values() if not one.decided_about.isdisjoint(things)]

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go, at most `most`."""
        return nesting(self._tied(things, Role.CHILD, most), things, most)

    def surrounding(self, things: Collection[str], most: int) -> dict[str, int]:
        """Return how many containers may be around each of these things, at most `most`."""
        return surrounding(self._tied(things, Role.PARENT, most), things, most)

    def _tied(self, things: Collection[str], role: Role, most: int) -> Collection[SeenEvent]:
        """Return the events of things, of what has a role in them, and so on: inward by CHILD, outward by PARENT."""
        found: dict[int, SeenEvent] = {}
        level = set(things)
        for _ in range(most):
            read = self._see(self._events.under(f"item:{thing}" for thing in level))
            found.update((event.position, event) for event in read)
            level = {m.thing for event in read for m in event.mentions if m.role is role}
        return found.values()

    def emptyings(self, kind: MarkKind, after: Collection[tuple[str, int]]) -> list[SeenEvent]:
        """Return what emptied parents first after an instant: the events that count and close everything."""
        parents = {parent for parent, _ in after}
        self._asked.update(parents)
        read = self._see(self._events.under(f"item:{parent}" for parent in parents))
        emptyings = [e for e in counting(self._with_declarations(read)) if e.empties and MARK_KINDS[e.type] is kind]
        return first_of(emptyings, after)

    def _with_declarations(self, events: list[SeenEvent]) -> list[SeenEvent]:
        # One event in a thousand is a declaration: all are looked at, and kept for the question.
        return with_declarations(events, self._see(self._events.declarations))

    def _see(self, positions: Iterable[int]) -> list[SeenEvent]:
        found = []
        for position in positions:
            if position > self._known_at:
                continue
            if position not in self._seen:
                self._read(position)
            if position in self._partly_open:
                # An event of which only named items are shown looks different after the next name.
                self._seen[position] = see_row(*self._partly_open[position], self._asked)
            if (event := self._seen[position]) is not None:
                found.append(event)
        return found

    def _read(self, position: int) -> None:
        extent = self._extents[self._events.visibility_at(position)]
        if extent is None:
            self._seen[position] = None
            return
        event = self._events.at(position)
        parts = event.parts
        what = b"\n".join(parts.what)
        rest = (parts.where, parts.why, parts.how, parts.more)
        row = (position, event.event_id, event.recorded_at, parts.head, what, *rest)
        if position in self._events.decisions:
            self._seen[position] = None
            if (decision := see_decision(row, extent)) is not None:
                self._decisions[position] = decision
        elif ITEM in extent and "what" not in extent:
            self._partly_open[position] = row, extent
        else:
            self._seen[position] = see_row(row, extent, self._asked)
