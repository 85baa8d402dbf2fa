"""What a recall is about: the things that a trace forward reached, and who has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple
from uuid import UUID

from traceability.ledger.access import ALL_PARTS
from traceability.supply_chain.authority import judged
from traceability.supply_chain.decisions import HoldPlaced, see_decision
from traceability.supply_chain.entry import Authority, HistoryEntry
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.provenance import Trace, Walked
from traceability.supply_chain.recall.holders import held_by
from traceability.supply_chain.things import is_lot

_NO_ID: Final = UUID(int=0)


class Affected(NamedTuple):
    """An item or lot in a scope, who has it, and to whom it is under way.

    A holder is an organisation by its permanent name, else a party by its URI. Several have some of a lot: who has
    what is counted of it, while its members have holders of their own.
    """

    thing: str
    holders: tuple[str, ...]
    awaited_by: tuple[str, ...]

    @property
    def parties(self) -> tuple[str, ...]:
        """Return everybody who has to know of it, each once."""
        return tuple(dict.fromkeys((*self.holders, *self.awaited_by)))


class Entered(NamedTuple):
    """A thing that is in a scope and was not in an earlier one, and the events since that tie it to the rest."""

    affected: Affected
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Scope:
    """A walk forward, and of what it reached each item and lot, by name."""

    walked: Walked
    affected: tuple[Affected, ...]

    @cached_property
    def trace(self) -> Trace:
        """Return the answer that the walk gives."""
        return self.walked.trace()

    @cached_property
    def of_party(self) -> Mapping[str, tuple[str, ...]]:
        """Return for everybody who has to know, by name, the things that it has or is to receive."""
        found: dict[str, list[str]] = {}
        for one in self.affected:
            for party in one.parties:
                found.setdefault(party, []).append(one.thing)
        return {party: tuple(things) for party, things in sorted(found.items())}

    @property
    def lots(self) -> int:
        """Return how many of them are lots."""
        return sum(is_lot(one.thing) for one in self.affected)

    @property
    def unheld(self) -> tuple[str, ...]:
        """Return what nobody is seen to have: what has ended, and what is not known well enough."""
        return tuple(one.thing for one in self.affected if not one.parties)


class Widening(NamedTuple):
    """How a scope differs from an earlier one: what entered it, what left it, and for whom it is news.

    `parties` have something now and had nothing of it then; `positions` are the events behind it since.
    """

    entered: tuple[Entered, ...]
    left: tuple[str, ...]
    parties: Mapping[str, tuple[str, ...]]
    positions: tuple[int, ...]

    def __bool__(self) -> bool:
        """Tell whether there is anything new."""
        return bool(self.entered or self.left or self.parties)


def scope_of(walked: Walked, index: ProvenanceIndex, parties: Parties) -> Scope:
    """Tell who has the things that a walk forward reached, which read deeds too; `index` is the view that it read.

    What only carried them is not affected.
    """
    things = walked.found.affected
    held = held_by(walked.links, index, parties, things, walked.query.as_of)
    return Scope(walked, tuple(Affected(thing, *held[thing]) for thing in things))


def widening(before: Walked, parties: Collection[str], now: Scope) -> Widening:
    """Tell how a scope differs from the walk of the same question before, of which these parties had something."""
    had, has = set(before.found.affected), {one.thing for one in now.affected}
    known_at = before.known_at
    ties: dict[str, set[int]] = {}
    for edge in now.trace.edges:
        since = {position for position in edge.positions if position > known_at}
        for end in (edge.source, edge.target) if since else ():
            ties.setdefault(end, set()).update(since)
    return Widening(
        entered=tuple(
            Entered(one, tuple(sorted(ties.get(one.thing, ())))) for one in now.affected if one.thing not in had
        ),
        left=tuple(sorted(had - has)),
        parties={party: things for party, things in now.of_party.items() if party not in parties},
        positions=tuple(sorted(position for position in now.trace.events if position > known_at)),
    )


def may_recall(organisation: str, root: str, index: ProvenanceIndex, parties: Parties, at: int) -> bool:
    """Tell whether an organisation may speak of a root at an instant (µs UTC): as it may put it on hold.

    Where the register has a rule for `recall_opened`, that has to be met too. Raises `NotFoundError` when the
    organisation sees nothing of the root.
    """
    if parties.is_ruled(_ACTION, at) and not parties.authorised(organisation, _ACTION, at, None):
        return False
    told = item_history(index, root, parties, at).entries
    draft = HoldPlaced(things=(root,), hold=_ACTION, kind="recall", reason=_ACTION)
    parts = draft.event(captured_by=organisation, occurred_at=at).parts
    seen = see_decision((index.known_at + 1, _NO_ID, 0, parts.head, b"", b"", b"", b"", parts.more), ALL_PARTS)
    assert seen is not None
    return judged(root, [*told, HistoryEntry(seen, ())], parties).entries[-1].authority is not Authority.CLAIM


_ACTION: Final = "recall_opened"
