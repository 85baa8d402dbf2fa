"""Aircraft, engines and a pump in small worlds, and a reckoning of used life that knows no more than the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.support.happenings import (
    READER,
    STRANGERS,
    Decided,
    Happening,
    attach,
    commission,
    end,
    hours,
    index_of,
    observe,
)
from traceability.ledger.access import Reader
from traceability.supply_chain.aircraft_part.events import (
    PartLimitSet,
    PartReleased,
    ReleaseStatus,
    UtilisationStated,
)
from traceability.supply_chain.aircraft_part.part import AircraftPart
from traceability.supply_chain.aircraft_part.reading import aircraft_part
from traceability.supply_chain.aircraft_part.terms import POSITION, REASON
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.parties import Parties

PUMP = "https://id.gs1.org/01/09521301007013/21/KF-20417"
ENGINE, OTHER_ENGINE = "https://id.gs1.org/8004/9521302ENG-61044", "https://id.gs1.org/8004/9521302ENG-61045"
AIRCRAFT = "https://id.gs1.org/8004/9521302AC-117"
Said = Happening | Decided


def released(at: float, thing: str = PUMP, *, number: str = "ARC-1", document: str = "a", **more: Any) -> Decided:
    status = more.pop("status", ReleaseStatus.NEW)
    payload = PartReleased(
        things=(thing,),
        form="EASA Form 1",
        tracking_number=number,
        status=status,
        approval="UK.145.00001",
        document=document * 64,
    )
    return Decided(at, payload, **more)


def limited(
    at: float,
    thing: str = PUMP,
    *,
    name: str = "LLP",
    cycles: int | None = None,
    minutes: int | None = None,
    **more: Any,
) -> Decided:
    payload = PartLimitSet(things=(thing,), limit=name, source="CMM 73-11-01", cycles=cycles, minutes=minutes)
    return Decided(at, payload, **more)


def flew(at: float, thing: str, since: float, until: float, *, cycles: int = 0, minutes: int = 0) -> Decided:
    times = {"since": hours(since), "until": hours(until)}
    return Decided(at, UtilisationStated(things=(thing,), cycles=cycles, minutes=minutes, **times))


def installed(at: float, on: str, thing: str = PUMP, *, place: str | None = None) -> Happening:
    return attach(at, on, thing, more={POSITION: place} if place else {})


def removed(at: float, on: str, thing: str = PUMP, *, reason: str | None = None, **more: Any) -> Happening:
    made = attach(at, on, thing, action="DELETE", more={REASON: reason} if reason else {}, **more)
    return replace(made, step="removing")


def repaired(at: float, thing: str = PUMP) -> Happening:
    return observe(at, thing, step="repairing")


def seen(
    *said: Said,
    part: str = PUMP,
    at: float | None = None,
    reader: Reader = READER,
    parties: Parties = STRANGERS,
) -> AircraftPart:
    return aircraft_part(index_of(said, reader=reader), part, parties, None if at is None else hours(at))[0]


_at = st.integers(0, 8)
_children = st.sampled_from([PUMP, PUMP, ENGINE])
_assemblies = st.sampled_from([ENGINE, OTHER_ENGINE, AIRCRAFT])
_counts = st.integers(0, 3)


@st.composite
def _flown(draw: st.DrawFn) -> Decided:
    since = draw(_at)
    until, of = draw(st.integers(since + 1, 9)), draw(st.sampled_from([PUMP, ENGINE, OTHER_ENGINE, AIRCRAFT]))
    return flew(draw(_at), of, since, until, cycles=draw(_counts), minutes=draw(_counts))


_place, _document = st.sampled_from([None, "1"]), st.sampled_from("ab")
_said: st.SearchStrategy[Said] = st.one_of(
    st.builds(commission, _at, _children),
    st.builds(installed, _at, _assemblies, _children, place=_place),
    st.builds(installed, _at, _assemblies, _children, place=_place),
    st.builds(removed, _at, _assemblies, _children),
    st.builds(repaired, _at, _children),
    st.builds(end, _at, _children),
    st.builds(released, _at, _children, status=st.sampled_from(ReleaseStatus), document=_document),
    st.builds(limited, _at, _children, cycles=_counts),
    _flown(),
    _flown(),
)
worlds: st.SearchStrategy[list[Said]] = st.lists(_said, min_size=1, max_size=12)


def signature(part: AircraftPart, ids: Sequence[int]) -> object:
    """Return all that is told of a part, with the events by what they say and not by where they were recorded."""

    def who(position: int | None) -> int:
        return -1 if position is None else ids[position - 1]

    def when(interval: Interval) -> tuple[object, ...]:
        return interval.parent, interval.opened_at, interval.closed_at, who(interval.opened_by), who(interval.closed_by)

    release = part.release and (part.release.said, part.release.by, part.release.at, who(part.release.position))
    return (
        part.stage,
        part.lacks,
        part.life_is_proven,
        part.place,
        part.removed_because,
        release,
        sorted(map(when, part.installed_on)),
        [one._replace(documents=tuple(map(who, one.documents))) for one in part.stretches],
        sorted(one._replace(position=who(one.position), on=who(one.on)) for one in part.life.uses),
        [one._replace(position=who(one.position)) for one in part.life.limits],
        sorted(map(when, part.life.carried)),
        part.life.unaccounted,
        sorted((one.code, who(one.position), who(one.against)) for one in part.irregularities),
    )
