"""Who has the things of a trace, and whose the places are that they were seen at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from api.provenance import custody_members
from api.trace_models import Include, TraceIn
from traceability.errors import NotFoundError
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.provenance import TraceNode, TraceQuery
from traceability.supply_chain.seen import is_class, is_lot

_ROOTS_TOLD: Final = 100
"""Roots whose custody is told unasked."""
_TOLD: Final = 1_000
"""Things whose custody is told when it is asked for: the nearest to the roots."""


def holders_of(index: ProvenanceIndex, parties: Parties, question: TraceIn, query: TraceQuery) -> Holders:
    """Return who can tell who has the things of a trace, as far as a question asks for it."""
    return Holders(index, parties, query, Include.CUSTODY in question.include)


@dataclass(frozen=True)
class Holders:
    """Who has the things of a trace, and whose the places are that they were seen at."""

    index: ProvenanceIndex
    parties: Parties
    query: TraceQuery
    asked: bool

    def custody(self, nodes: Iterable[TraceNode]) -> list[dict[str, Any]]:
        """Return who had the roots that are single things, and, if asked, the first things of all.

        Of a lot the whole history has to be read, which may be longer than the trace.
        """
        if self.asked:
            things = sorted((node.depth, node.id) for node in nodes if node.reach is not None)
            told = [name for _, name in things[:_TOLD]]
        else:
            told = [root for root in self.query.roots if not is_lot(root) and not is_class(root)][:_ROOTS_TOLD]
        return [
            {"id": name, **{member: [one.model_dump() for one in those] for member, those in members.items()}}
            for name in told
            if (members := self._members(name)) is not None
        ]

    def _members(self, name: str) -> Mapping[str, Sequence[BaseModel]] | None:
        with suppress(NotFoundError):
            return custody_members(item_history(self.index, name, self.parties, self.query.as_of))
        return None

    def organisation_at(self, place: str | None) -> str | None:
        """Return the organisation that a place belongs to, None for a stranger's."""
        return None if place is None else self.parties.organisation_of(place)
