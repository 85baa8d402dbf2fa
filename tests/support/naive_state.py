"""The state of a thing in its plainest form: each member is asked of all that counts, the last first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from adapters.memory.provenance import MemoryProvenance
from tests.support.naive_custody import REASONS, naive_custody
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import Role, SeenEvent
from traceability.supply_chain.standing import ordered

Answer = TypeVar("Answer")
OF_THE_CONTAINER = {"container_closed", "container_open"}
ENDS = {
    "dispensing": "supplied", "retail_selling": "supplied", "dispensed": "supplied", "retail_sold": "supplied",
    "decommissioning": "decommissioned", "destroying": "destroyed", "destroyed": "destroyed",
    "stolen": "lost_or_stolen",
}  # fmt: skip


class NaiveState(NamedTuple):
    """What is compared, under the names of `ItemState`; `settled` is that of the verdicts on claims."""

    settled: bool
    lifecycle: str
    commissioned_at: int | None
    disposition: str | None
    place: str | None
    place_since: int | None
    last_step: str | None
    last_seen_at: int | None
    lot: str | None


def naive_state(index: MemoryProvenance, thing: str, parties: Parties) -> NaiveState:
    """Tell the state of a serial or logistic unit that the reader of an index sees something of."""
    verdicts = naive_custody(index, thing, parties)
    counts = {position for position, said in verdicts.said.items() if said is not None and said not in REASONS}
    told = [one for one in ordered(index.all()) if one.position in counts and not isinstance(one, SeenDecision)]
    own = [one for one in told if _roles(thing, one)]
    at_places = [(n, one) for n, one in enumerate(told) if one.place is not None]
    place = at_places[-1][1].place if at_places else None
    elsewhere = [n for n, one in at_places if one.place != place]
    arrived = [one.occurred_at for n, one in at_places if n > max(elsewhere, default=-1)]
    made = [one.occurred_at for one in own if _makes(thing, one)]
    return NaiveState(
        verdicts.settled,
        _lifecycle(thing, own),
        made[0] if made else None,
        _disposition(thing, told),
        place,
        arrived[0] if arrived else None,
        _last(told, lambda one: one.head.bizStep),
        told[-1].occurred_at if told else None,
        _last(own, lambda one: one.lot_of(thing)),
    )


def _last(told: Sequence[SeenEvent], ask: Callable[[SeenEvent], Answer | None]) -> Answer | None:
    return next((answer for one in reversed(told) if (answer := ask(one)) is not None), None)


def _roles(thing: str, one: SeenEvent) -> set[Role]:
    return {mention.role for mention in one.mentions if mention.thing == thing}


def _makes(thing: str, one: SeenEvent) -> bool:
    return ("object" in one.type and one.action == "ADD") or Role.OUTPUT in _roles(thing, one)


def _end(thing: str, one: SeenEvent) -> str | None:
    """Return how an event ends a thing: what became of it goes before what was done, and that before a mere end."""
    if Role.INPUT in _roles(thing, one):
        return "consumed"
    step, disposition = one.head.bizStep, one.head.disposition
    done = None if disposition == "partially_dispensed" else ENDS.get(step or "")
    gone = "decommissioned" if "object" in one.type and one.action == "DELETE" else None
    return ENDS.get(disposition or "") or done or gone


def _lifecycle(thing: str, own: Sequence[SeenEvent]) -> str:
    """Return the last beginning or end; what is seen again after it was lost is there."""
    turns = [n for n, one in enumerate(own) if _makes(thing, one) or _end(thing, one)]
    if not turns:
        return "active" if own else "unknown"
    last = own[turns[-1]]
    if _makes(thing, last):
        return "active"
    end = _end(thing, last) or ""
    return "active" if end == "lost_or_stolen" and turns[-1] + 1 < len(own) else end


def _disposition(thing: str, told: Sequence[SeenEvent]) -> str | None:
    for n in reversed(range(len(told))):
        one, before = told[n], [other for other in told[:n] if _roles(thing, other)]
        if one.head.disposition is None or (_roles(thing, one) == {Role.INPUT}):
            continue
        ended = _lifecycle(thing, before) not in ("active", "unknown")
        if _roles(thing, one) or not (ended or one.head.disposition in OF_THE_CONTAINER):
            return one.head.disposition
    return None
