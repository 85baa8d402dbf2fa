"""Organisations that give commands to one ledger in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import shake_256
from typing import Any

from adapters.memory.ledger import MemoryLedger
from adapters.memory.provenance import MemoryProvenance
from tests.support import happenings
from tests.support.happenings import DAY_ZERO, HOUR, hours
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.event import utc_text
from traceability.ledger.store import Ledger, LedgerRules
from traceability.supply_chain.commands.carrying_out import Desk, carry_out
from traceability.supply_chain.commands.refusal import CommandRefusedError
from traceability.supply_chain.commands.table import COMMANDS
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import ListedParties, Parties

OPENED = frozenset({"what", "where", "why", "how"})
GLNS = {"mover.example": "9521234000020", "store.example": "9521234000037"}
MOVER, STORE = (f"https://id.gs1.org/417/{gln}" for gln in GLNS.values())
PARTIES = ListedParties({gln: organisation for organisation, gln in GLNS.items()})


@dataclass
class TickingClock:
    """Goes on a second whenever it is asked."""

    now: int = DAY_ZERO + 1_000 * HOUR

    def now_us(self) -> int:
        self.now += 1_000_000
        return self.now


@dataclass
class Counter:
    """Bytes that nobody would take for random, and none twice."""

    count: int = 0

    def token(self, size: int) -> bytes:
        self.count += 1
        return shake_256(str(self.count).encode()).digest(size)


@dataclass
class World:
    """A ledger, and how much each organisation opens of what it records: all, unless it is among the `secretive`."""

    organisations: tuple[str, ...] = ("maker.example", "mover.example", "store.example")
    secretive: Collection[str] = ()
    opened: frozenset[str] = OPENED
    parties: Parties = PARTIES
    clock: TickingClock = field(default_factory=TickingClock)
    entropy: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        rules = LedgerRules(index_rows, content_digest, self.clock, self.entropy)
        self.ledger = self.opened_ledger(rules)

    def opened_ledger(self, rules: LedgerRules) -> Ledger:
        return MemoryLedger(rules, organisation="maker.example")

    def reader(self, organisation: str) -> Reader:
        opening = (one for one in self.organisations if one not in self.secretive)
        names = frozenset([organisation, GLNS.get(organisation, organisation)])
        return Reader(organisation, names, grants=tuple(Grant(one, PUBLIC, None, self.opened) for one in opening))

    def view(self, organisation: str) -> ProvenanceIndex:
        records = self.ledger.records(range(1, self.ledger.head() + 1))
        reader, head = self.reader(organisation), self.ledger.head()
        return MemoryProvenance(records, reader=reader, indexer=index_rows, known_at=head)

    def desk(self, organisation: str) -> Desk:
        view = partial(self.view, organisation)
        return Desk(organisation, self.ledger, view, lambda _: self.parties, self.clock, self.entropy)

    def do(self, name: str, *, by: str = "maker.example", at: float | None = None, **members: Any) -> int:
        """Carry a command out, `at` hours after the beginning; return the position of its event."""
        body: Mapping[str, Any] = members if at is None else {"event_time": utc_text(hours(at)), **members}
        return carry_out(
            COMMANDS[name].model_validate(body),
            self.desk(by),
            lambda event, condition: self.ledger.append([event], condition),
        )

    def record(self, what: str, *arguments: Any, **more: Any) -> None:
        """Record what somebody sends, whatever it says: a function of `tests.support.happenings`."""
        happening = getattr(happenings, what)(*arguments, **more)
        (record,) = happenings.records([happening])
        record.event.event_id = record.event.recorded_at = None
        self.ledger.append([record.event])

    def refused(self, name: str, **members: Any) -> CommandRefusedError:
        """Give a command that must be refused; nothing is recorded."""
        head = self.ledger.head()
        try:
            self.do(name, **members)
        except CommandRefusedError as error:
            assert self.ledger.head() == head
            return error
        raise AssertionError(f"{name} was not refused")

    def rules(self, name: str, **members: Any) -> list[str]:
        return [broken.rule.value for broken in self.refused(name, **members).rules]

    def history(self, thing: str, organisation: str = "maker.example") -> ItemHistory:
        return item_history(self.view(organisation), thing, self.parties)
