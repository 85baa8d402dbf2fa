"""How much of its life a part has used: what was stated of it and of what it was installed on, while it was.

The rules, each total and independent of arrival:

- Of several statements about one thing and one time the last by event time counts: the others were corrected.
- A statement about an assembly counts for what was installed on it in that time, directly or through others. It counts
  whole, and once: no share is made up for a part that was there for a part of the time (`straddles`).
- What is stated of a nearer thing goes before what is stated of a farther one: the cycles of an engine are among those
  of its aircraft. Where the nearer tells of a part of the time only, both count: rather too much than too little.
- Installed time of which nobody tells, up to the last time of which somebody does, is `unaccounted`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from traceability.supply_chain.aircraft_part.events import PartLimitSet, UtilisationStated
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.windows import ALWAYS, END, Window, are_covering, merged

DEEPEST: Final = 16
"""Assemblies within assemblies that are followed; a deeper one is a mistake in the data."""


class Told(NamedTuple):
    """What counts for a thing: its judged history, and when it was installed on what."""

    entries: Sequence[HistoryEntry]
    installations: Sequence[Interval]


class Use(NamedTuple):
    """A statement about `thing` that counts for a part; `on` is the position of the event that installed the part.

    None where it is about the part itself. Times are in microseconds UTC, `until` is not included.
    """

    thing: str
    since: int
    until: int
    cycles: int
    minutes: int
    position: int
    on: int | None
    straddles: bool


class Left(NamedTuple):
    """A limit, and what is left under it; below zero it was exceeded."""

    limit: str
    cycles: int | None
    minutes: int | None
    source: str
    cycles_left: int | None
    minutes_left: int | None
    position: int

    @property
    def is_left(self) -> bool:
        """Tell whether there is life left under it."""
        return all(left is None or left > 0 for left in (self.cycles_left, self.minutes_left))


class SetAt(NamedTuple):
    """A limit as it was set at an instant (µs UTC)."""

    at: int
    position: int
    said: PartLimitSet


@dataclass(frozen=True, slots=True)
class Life:
    """What a part has used, in the order of time; `overlaps` are pairs of positions that tell of one time twice.

    `limits` are those that hold, `limits_set` all there were. `carried` are the installations of what the part was on,
    meanwhile: by these it flew with what is farther.
    """

    uses: tuple[Use, ...]
    carried: tuple[Interval, ...]
    limits: tuple[Left, ...]
    limits_set: tuple[SetAt, ...]
    unaccounted: tuple[Window, ...]
    overlaps: tuple[tuple[int, int], ...]

    @property
    def cycles(self) -> int:
        """Return the cycles used."""
        return _flown(self.uses)[0]

    @property
    def minutes(self) -> int:
        """Return the minutes flown."""
        return _flown(self.uses)[1]

    @property
    def expired(self) -> bool:
        """Tell whether a limit is reached."""
        return not all(limit.is_left for limit in self.limits)

    def on(self, position: int | None) -> tuple[int, int]:
        """Return the cycles and minutes of one installation, or (None) those stated of the part itself."""
        return _flown(use for use in self.uses if use.on == position)

    def expired_by(self, at: int) -> bool:
        """Tell whether a limit as it was set at an instant was reached by what was flown since before then."""
        cycles, minutes = _flown(use for use in self.uses if use.since < at)
        return not all(one.is_left for one in _left(self.limits_set, cycles, minutes, until=at))


class _Stay(NamedTuple):
    """The part was on `thing` during `window`, since it was installed by the event at `root`."""

    thing: str
    window: Window
    root: int | None


def life_of(part: str, told: Mapping[str, Told]) -> Life:
    """Add up the life of a part; `told` has the part and what it was installed on, and that in turn, and so on."""
    counted: dict[int, tuple[Window, Use]] = {}
    covered: list[Window] = []
    running: list[Window] = []
    carried: dict[tuple[str, int], Interval] = {}
    for stays in _outward(part, told):
        near, found = merged(covered), list[Window]()
        for stay in sorted(stays, key=lambda stay: (stay.window, stay.thing)):
            for position, said in _stated(stay.thing, told).items():
                window = Window(said.since, said.until - 1)
                clip = window.meet(stay.window)
                if clip is None:
                    continue
                found.append(clip)
                if position not in counted and not are_covering(near, clip):
                    use = Use(
                        stay.thing,
                        said.since,
                        said.until,
                        said.cycles,
                        said.minutes,
                        position,
                        stay.root,
                        not stay.window.covers(window),
                    )
                    counted[position] = clip, use
            if stay.root is None:
                continue
            if not _installations(stay.thing, told):
                running.append(stay.window)
            for one in _installations(stay.thing, told):
                if one.window.meet(stay.window):
                    carried[one.child, one.opened_by] = one
        covered += found
    ordered = sorted(counted.values(), key=lambda one: (one[1].since, one[1].until, one[0], one[1].thing))
    uses, limits_set = tuple(use for _, use in ordered), tuple(_limits_set(part, told))
    return Life(
        uses,
        tuple(sorted(carried.values(), key=lambda one: (one.opened_at, one.child, one.parent))),
        tuple(_left(limits_set, *_flown(uses))),
        limits_set,
        tuple(_unaccounted(merged(running), merged(covered))),
        tuple(_overlaps([(clip, use.position) for clip, use in ordered])),
    )


def _outward(part: str, told: Mapping[str, Told]) -> Iterator[list[_Stay]]:
    """Yield the part itself, then where it was directly, then where that was meanwhile, and so on."""
    level = [_Stay(part, ALWAYS, None)]
    for _ in range(DEEPEST):
        yield level
        outward: dict[tuple[str, int | None], list[Window]] = {}
        for stay in level:
            for installed in _installations(stay.thing, told):
                window = installed.window.meet(stay.window)
                if window is not None and installed.parent != part:
                    root = installed.opened_by if stay.root is None else stay.root
                    outward.setdefault((installed.parent, root), []).append(window)
        level = [_Stay(thing, window, root) for (thing, root), windows in outward.items() for window in merged(windows)]
        if not level:
            return


def _installations(thing: str, told: Mapping[str, Told]) -> Sequence[Interval]:
    known = told.get(thing)
    return () if known is None else known.installations


def _stated(thing: str, told: Mapping[str, Told]) -> dict[int, UtilisationStated]:
    """Return the utilisation that counts for a thing, by position."""
    last: dict[tuple[int, int], tuple[int, UtilisationStated]] = {}
    for entry in told[thing].entries if thing in told else ():
        said = entry.event.payload if isinstance(entry.event, SeenDecision) else None
        if isinstance(said, UtilisationStated) and entry.counts and entry.via is None:
            last[said.since, said.until] = entry.event.position, said
    return dict(last.values())


def _limits_set(part: str, told: Mapping[str, Told]) -> Iterator[SetAt]:
    for entry in told[part].entries if part in told else ():
        said = entry.event.payload if isinstance(entry.event, SeenDecision) else None
        if isinstance(said, PartLimitSet) and entry.counts and entry.via is None:
            yield SetAt(entry.event.occurred_at, entry.event.position, said)


def _left(limits_set: Iterable[SetAt], cycles: int, minutes: int, *, until: int = END) -> Iterator[Left]:
    """Yield what is left under the limits as they were set last, each by its name."""
    last = {one.said.limit: one for one in limits_set if one.at <= until}
    for name, (_, position, said) in sorted(last.items()):
        yield Left(
            name,
            said.cycles,
            said.minutes,
            said.source,
            None if said.cycles is None else said.cycles - cycles,
            None if said.minutes is None else said.minutes - minutes,
            position,
        )


def _flown(uses: Iterable[Use]) -> tuple[int, int]:
    told = [(use.cycles, use.minutes) for use in uses]
    return sum(cycles for cycles, _ in told), sum(minutes for _, minutes in told)


def _unaccounted(running: Sequence[Window], covered: Sequence[Window]) -> Iterator[Window]:
    for window in running:
        last = window.last
        if last == END:  # utilisation is stated afterwards, so the last stretch is always open
            last = max((min(one.last, END - 1) for one in covered if one.meet(window)), default=window.first - 1)
        start = window.first
        for one in covered:
            if one.last < start or one.first > last:
                continue
            if one.first > start:
                yield Window(start, one.first - 1)
            start = one.last + 1
        if start <= last:
            yield Window(start, last)


def _overlaps(ordered: Sequence[tuple[Window, int]]) -> Iterator[tuple[int, int]]:
    longest: tuple[Window, int] | None = None
    for clip, position in ordered:
        if longest is not None and clip.first <= longest[0].last and clip.last >= longest[0].first:
            yield position, longest[1]
        if longest is None or clip.last > longest[0].last:
            longest = clip, position
