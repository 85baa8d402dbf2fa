"""The readings of a session: what its device told in its time, and what is odd about it.

They come from EPCIS events with sensor elements that name the device, by whoever the session names as telling them. A
reading is never dropped for an odd time: it counts, and what is odd is told. The order of arrival does not matter: what
came first is what its event says happened first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from traceability.supply_chain.cold_chain.session import Session
from traceability.supply_chain.cold_chain.temperatures import is_temperature
from traceability.supply_chain.readings import TEMPERATURE, Reading, readings
from traceability.supply_chain.seen import SeenEvent, thing_of
from traceability.supply_chain.standing import standing

_SKEW: Final = 60_000_000  # µs by which clocks may differ

Readings = tuple[Reading, ...]


class Series(NamedTuple):
    """The temperatures of a session by time, each once; those that are odd are told again by what is odd about them.

    `counting` are those of the seal, or all so far; `repeated` were told before, with the same time and value.
    `after_seal` came later; `by_others` are by organisations that do not tell this device's readings: neither counts.
    `unseen` is how many events of the seal the reader does not see, `taken_back` those that were declared errors since.
    """

    counting: Readings
    unusable: Readings
    repeated: Readings
    clock_went_back: Readings
    clock_ahead: Readings
    after_seal: Readings
    by_others: Readings
    unseen: int
    taken_back: tuple[int, ...]

    def told_before(self, until: int) -> Readings:
        """Return the readings that were taken before an instant (µs UTC), those that a seal until then holds."""
        told = (*self.counting, *self.unusable, *self.repeated)
        return tuple(one for one in told if one.at < until)

    @property
    def last(self) -> int | None:
        """Return when the last reading was taken (µs UTC)."""
        return max((one.at for one in self.counting), default=None)


def series_of(session: Session, events: Iterable[SeenEvent]) -> Series:
    """Return the readings of a session among the events that name its device, with what takes some of them back."""
    seen = list(events)
    counting = standing(seen)
    own = [event for event in counting if event.captured_by in session.tellers]
    sealed = None if session.seal is None else frozenset(session.seal.positions)
    inside = own if sealed is None else [event for event in own if event.position in sealed]
    later = [] if sealed is None else [event for event in own if event.position not in sealed]
    told = list(_told(inside, session))
    known = {_content(one.reading) for one in told}
    others = [event for event in counting if event.captured_by not in session.tellers]
    open_ = {event.position for event in seen if event.sensor_elements and not event.declares}
    return Series(
        counting=_by_time(one.reading for one in told if is_temperature(one.reading) and not one.repeats),
        unusable=_by_time(one.reading for one in told if not is_temperature(one.reading) and not one.repeats),
        repeated=_by_time(one.reading for one in told if one.repeats),
        clock_went_back=_by_time(one.reading for one in told if one.went_back),
        clock_ahead=_by_time(one.reading for one in told if one.ahead),
        after_seal=_by_time(one for one in _of_session(later, session) if _content(one) not in known),
        by_others=_by_time(_of_session(others, session)),
        unseen=0 if sealed is None else len(sealed - open_),
        taken_back=() if sealed is None else tuple(sorted((sealed & open_) - {event.position for event in inside})),
    )


class _Told(NamedTuple):
    reading: Reading
    repeats: bool
    went_back: bool
    ahead: bool


def _told(own: Iterable[SeenEvent], session: Session) -> Iterator[_Told]:
    """Yield readings in the order in which they are told; events of one instant are told together.

    What is told again, with the same time and value, is not told late.
    """
    known: set[tuple[object, ...]] = set()
    newest: int | None = None
    for occurred_at, together in groupby(own, key=lambda event: event.occurred_at):
        before = newest
        for one in _of_session(together, session):
            repeats = _content(one) in known
            known.add(_content(one))
            newest = one.at if newest is None else max(newest, one.at)
            went_back = not repeats and before is not None and one.at < before
            yield _Told(one, repeats, went_back, ahead=one.at > occurred_at + _SKEW)


def _of_session(events: Iterable[SeenEvent], session: Session) -> list[Reading]:
    device = session.about.device
    return [
        one
        for one in readings(events)
        if one.kind == TEMPERATURE
        and one.device is not None
        and thing_of(one.device) == device
        and session.since <= one.at < session.until
    ]


def _content(one: Reading) -> tuple[object, ...]:
    return one.at, one.component or "", one.value, one.uom or ""


def _by_time(found: Iterable[Reading]) -> Readings:
    return tuple(sorted(found, key=lambda one: (*_content(one), one.position)))
