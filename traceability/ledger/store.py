"""The ledger as a port: what the domain and the faces ask of an event store.

It is the library's `DCBRecorder` (read, conditional append, subscribe) and three things more: a bulk append that
recognises duplicates, reading by position or id, and the head.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from eventsourcing.dcb.api import DCBEvent, DCBQuery, DCBQueryItem, DCBRecorder
from eventsourcing.persistence import IntegrityError

from traceability.errors import ConflictError, InvalidInputError
from traceability.ledger.commitment import SALT_SIZE, commit
from traceability.ledger.event import LedgerEvent, plain_event
from traceability.ledger.identifiers import event_id
from traceability.ledger.index import ContentDigest, Indexer, IndexRows, TagHash, Visibility, tag_hash
from traceability.ledger.parts import ITEM_LIMIT
from traceability.ports import Clock, Entropy

ATOMIC_LIMIT: Final = 10_000
RANDOM_SIZE: Final = SALT_SIZE + SALT_SIZE + 10
"""Unpredictable bytes that an event needs: its salts and the random part of its id."""


class AppendConflictError(ConflictError, IntegrityError):
    """An event that matches the append condition was recorded after the position that the condition names."""

    code = "ledger.append_conflict"


class Outcome(StrEnum):
    """What became of one event of a bulk append."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Appended:
    """Event `index` of a bulk append: where it is, or where the event is that it repeats or contradicts."""

    index: int
    outcome: Outcome
    position: int
    event_id: UUID


@dataclass(frozen=True, slots=True)
class Record:
    """A recorded event with its coordinates."""

    position: int
    leaf_hash: bytes
    visibility: int
    event: LedgerEvent


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event with everything computed that does not depend on its position."""

    event: LedgerEvent
    index: IndexRows
    event_id: UUID
    salt: bytes
    personal_salt: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """What a store does not know of its events: how they are indexed, compared, timed, salted and hashed."""

    indexer: Indexer
    content_digest: ContentDigest
    clock: Clock
    entropy: Entropy
    tag_hash: TagHash = tag_hash


def prepare(event: DCBEvent, rules: LedgerRules, *, captured_by: str, random: bytes | None = None) -> Prepared:
    """Cut, index, salt and commit an event; `captured_by` is for events that do not name their organisation.

    An event that brings its index rows is not indexed again. `random` is RANDOM_SIZE bytes of `rules.entropy` that
    nothing else uses, for a caller who draws those of many events at once.

    Raises `InvalidInputError`: `ledger.too_many_items` above 100,000 items, `ledger.unprintable_name` for a control
    character in the type, or in what the right to see the event depends on.
    """
    ledger_event = plain_event(event, captured_by)
    parts = ledger_event.parts
    if len(parts.what) > ITEM_LIMIT:
        raise InvalidInputError(
            f"an event may name {ITEM_LIMIT} items, this one names {len(parts.what)}",
            code="ledger.too_many_items",
            hint="Split it into several events.",
        )
    index = ledger_event.index or rules.indexer(parts)
    check_names(ledger_event.type, index.visibility)
    if random is None:
        random = rules.entropy.token(RANDOM_SIZE)
    assert len(random) == RANDOM_SIZE
    salt, personal_salt, rest = random[:SALT_SIZE], random[SALT_SIZE : 2 * SALT_SIZE], random[2 * SALT_SIZE :]
    return Prepared(
        event=ledger_event,
        index=index,
        event_id=event_id(rules.clock.now_us(), rest),
        salt=salt,
        personal_salt=personal_salt,
        commitment=commit(parts, salt, personal_salt),
    )


def check_names(event_type: str, seen: Visibility) -> None:
    """Raise `InvalidInputError` (`ledger.unprintable_name`) for names that the store could not give back as they are.

    A party that held a line break would be read back as two, and open the event to the second.
    """
    if not "".join((event_type, seen.captured_by, seen.biz_step or "", *seen.parties)).isprintable():
        raise InvalidInputError(
            "a type, organisation, step or party holds a control character", code="ledger.unprintable_name"
        )


class Ledger(DCBRecorder):
    """A recorder whose positions are gapless, in commit order, and the leaf order of its log."""

    @abstractmethod
    def head(self) -> int:
        """Return the last position, 0 for an empty ledger."""

    @abstractmethod
    def append_all(self, events: Iterable[LedgerEvent]) -> Iterator[list[Appended]]:
        """Append any number of events in batches; one list of outcomes a batch, in the order of `events`.

        An event whose identity is recorded already is not recorded again: same content is a duplicate, other
        content a conflict. Each batch is atomic; memory is bounded by the batch.
        """

    @abstractmethod
    def records(self, positions: Sequence[int]) -> list[Record]:
        """Return the records at these positions that exist, in order of position."""

    @abstractmethod
    def record_of(self, event_id: UUID) -> Record | None:
        """Return the record of an event, or None."""


def matches(query: DCBQuery, event_type: str, tags: Iterable[str]) -> bool:
    """Tell whether an event of this type and these tags matches a query (an empty query matches everything)."""
    have = set(tags)
    return not query.items or any(_item_matches(item, event_type, have) for item in query.items)


def _item_matches(item: DCBQueryItem, event_type: str, tags: set[str]) -> bool:
    return (not item.types or event_type in item.types) and tags.issuperset(item.tags)
