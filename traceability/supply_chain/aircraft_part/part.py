"""An aircraft part as one reader sees it: a fold over its judged history, in the order of event time.

It is the same for every order of arrival and never raises. At one instant parts are removed first, then made, released
or worked on, and installed last. What breaks a rule is irregular and told with the event: it happened all the same.

The life of a part is split, without gaps, into stretches in which it was installed, in a shop, or lay somewhere. A
stretch that is not documented is a gap, and a part with a gap is not serviceable.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from traceability.supply_chain.aircraft_part.certificates import Certificate, certificates_in
from traceability.supply_chain.aircraft_part.events import PartReleased, ReleaseStatus
from traceability.supply_chain.aircraft_part.life import Life, Told, life_of
from traceability.supply_chain.aircraft_part.terms import (
    GAPS_OF_LIFE,
    OVER,
    POSITION,
    REASON,
    SUSPECTED,
    Code,
    Gap,
    Irregularity,
    Lack,
    Release,
    Stage,
    Stretch,
    Where,
)
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.custody import Hold
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.item import ENDED, Lifecycle, ending, makes
from traceability.supply_chain.seen import ASSOCIATION_EVENT, Role, SeenEvent
from traceability.supply_chain.windows import BEGIN, END, Window

_SHOP_STEP: Final = "repairing"
_INSPECTION: Final = "inspecting"  # of what was removed; what arrives is inspected too and needs no release for it
_EXPORTING: Final = "exporting"  # no word of the CBV: the end of a private URI


@dataclass(frozen=True, slots=True)
class AircraftPart:
    """A part: its `stage`, the release that holds, where it is installed, and its life from birth to the present.

    `installations` are all there ever were, `certificates` all releases, claims too; `removed_because` is the reason of
    the last removal, or its disposition.
    """

    part: str
    stage: Stage
    release: Release | None
    installed_on: tuple[Interval, ...]
    installations: tuple[Interval, ...]
    place: str | None
    removed_because: str | None
    stretches: tuple[Stretch, ...]
    life: Life
    certificates: tuple[Certificate, ...]
    irregularities: tuple[Irregularity, ...]
    holds: tuple[Hold, ...]

    @property
    def lacks(self) -> tuple[Lack, ...]:
        """Return why it is not serviceable: nothing for one that is."""
        told = {
            Lack.OVER: self.stage in OVER,
            Lack.NOT_RELEASED: self.stage not in OVER and self.release is None,
            Lack.GAP: any(stretch.gap is not None for stretch in self.stretches),
            Lack.SUSPECTED: any(hold.kind == SUSPECTED for hold in self.holds),
            Lack.HELD: bool(self.holds),
            Lack.LIFE_EXPIRED: self.life.expired,
        }
        return tuple(lack for lack, holds in told.items() if holds)

    @property
    def life_is_proven(self) -> bool:
        """Tell whether its life is known from its birth on; of what is not, nothing is left under any limit."""
        return not any(stretch.gap in GAPS_OF_LIFE for stretch in self.stretches)


def part_of(part: str, told: Mapping[str, Told], holds: Sequence[Hold] = ()) -> AircraftPart:
    """Fold what is told of a part and of what it was installed on; both include nothing after the time asked for."""
    life = life_of(part, told)
    fold = _Fold(life)
    own = told.get(part, Told((), ()))
    fold.live(own)
    irregularities = [*fold.irregularities, *_of_life(life)]
    return AircraftPart(
        part=part,
        stage=fold.stage,
        release=fold.release,
        installed_on=tuple(fold.installed),
        installations=tuple(own.installations),
        place=fold.place,
        removed_because=fold.removed_because,
        stretches=tuple(_with_gaps(fold.stretches(), life)),
        life=life,
        certificates=tuple(certificates_in(own.entries)),
        irregularities=tuple(dict.fromkeys(irregularities)),
        holds=tuple(holds),
    )


def _of_life(life: Life) -> Iterator[Irregularity]:
    for position, against in life.overlaps:
        yield Irregularity(Code.USED_TWICE, position, against)
    for use in life.uses:
        if use.straddles:
            yield Irregularity(Code.STRADDLES, use.position, use.on)


def _with_gaps(stretches: Iterable[Stretch], life: Life) -> Iterator[Stretch]:
    for one in stretches:
        missing = one.gap is None and one.where is Where.INSTALLED and bool(life.limits)
        time = Window(BEGIN if one.since is None else one.since, END if one.until is None else one.until - 1)
        if missing and any(window.meet(time) for window in life.unaccounted):
            yield one._replace(gap=Gap.NO_UTILISATION)
        else:
            yield one


@dataclass(slots=True)
class _Open:
    """A stretch that goes on."""

    where: Where
    since: int | None
    documents: list[int] = field(default_factory=list)
    on: str | None = None
    place: str | None = None
    gap: Gap | None = None

    def until(self, at: int | None) -> Stretch:
        documents = tuple(dict.fromkeys(self.documents))
        return Stretch(self.where, self.since, at, self.on, self.place, documents, self.gap)


class _Fold:
    def __init__(self, life: Life) -> None:
        self.stage = Stage.UNKNOWN
        self.release: Release | None = None
        self.installed: list[Interval] = []
        self.place: str | None = None
        self.removed_because: str | None = None
        self.irregularities: list[Irregularity] = []
        self._life = life
        self._ended: SeenEvent | None = None
        self._removed: tuple[tuple[str, ...], int] | None = None
        self._documents: dict[tuple[str, str, str], Release] = {}
        self._done: list[Stretch] = []
        self._open: _Open | None = None

    def live(self, told: Told) -> None:
        """Hear everything, instant by instant."""
        entries = [entry for entry in told.entries if entry.counts and entry.via is None]
        events = {entry.event.position: entry.event for entry in entries}
        others: dict[int, list[HistoryEntry]] = {}
        paired = {position for one in told.installations for position in (one.opened_by, one.closed_by)}
        for entry in entries:
            if entry.event.position not in paired:
                others.setdefault(entry.event.occurred_at, []).append(entry)
        opened: dict[int, list[Interval]] = {}
        closed: dict[int, list[Interval]] = {}
        for interval in told.installations:
            opened.setdefault(interval.opened_at, []).append(interval)
            if interval.closed_at is not None:
                closed.setdefault(interval.closed_at, []).append(interval)
        for at in sorted({*others, *opened, *closed}):
            for interval in closed.get(at, ()):
                self._remove(at, interval, events)
            for entry in others.get(at, ()):
                self._hear(entry)
            for interval in opened.get(at, ()):
                self._install(at, interval, events)

    def stretches(self) -> list[Stretch]:
        """Return the life as far as it is known, the last stretch without an end."""
        return self._done if self._open is None else [*self._done, self._open.until(None)]

    def _hear(self, entry: HistoryEntry) -> None:
        event = entry.event
        roles = {mention.role for mention in entry.mentions if not mention.class_level}
        if isinstance(event, SeenDecision):
            if isinstance(event.payload, PartReleased):
                self._be_released(event, event.payload)
        elif event.type != ASSOCIATION_EVENT:
            self._happen(event, roles)
        elif Role.CHILD in roles and not self._over(event):
            self._move_nothing(event)

    def _happen(self, event: SeenEvent, roles: Collection[Role]) -> None:
        ends = _end_of(event, roles)
        if makes(event, roles):
            self._be_made(event)
        elif ends is not None:
            self._end(event, ends)
        elif not roles or self._over(event):
            return
        elif self._goes_to_the_shop(event):
            self.stage, self.release = Stage.IN_SHOP, None
            if self._open is None or self._open.where is not Where.SHOP:
                self._begin(Where.SHOP, event.occurred_at, event.position)
        elif self._open is None:
            self._begin(Where.STORED, event.occurred_at, event.position)

    def _move_nothing(self, event: SeenEvent) -> None:
        """Hear of an installation where the part is already, or of a removal from where it is not known to be."""
        at = event.occurred_at
        if event.action == "ADD":
            there = [one for one in self.installed if one.parent in event.parents and one.opened_at < at]
            for one in there[:1]:
                self._tell(Code.INSTALLED_TWICE, event.position, one.opened_by)
        elif event.action == "DELETE" and (event.parents, at) != self._removed:  # else another tells of it too
            self._tell(Code.NOT_INSTALLED, event.position, None)
            again = self.stage is Stage.REMOVED and self._removed is not None and self._removed[0] == event.parents
            if not self.installed and not again:
                self._be_removed_from_somewhere(event)

    def _be_removed_from_somewhere(self, event: SeenEvent) -> None:
        if self._open is not None:
            self._open.gap = Gap.NO_INSTALLATION
        self.stage, self.release = Stage.REMOVED, None
        self.removed_because = _extension(event, REASON) or event.head.disposition
        self._begin(Where.STORED, event.occurred_at, event.position)

    def _goes_to_the_shop(self, event: SeenEvent) -> bool:
        inspected = event.head.bizStep == _INSPECTION and self.stage is Stage.REMOVED
        return (event.head.bizStep == _SHOP_STEP or inspected) and not self.installed

    def _be_made(self, event: SeenEvent) -> None:
        # Made again is a fault that evaluations tell of; its life goes on.
        if self.stage is Stage.UNKNOWN and self._open is None:
            self.stage = Stage.MANUFACTURED
            self._begin(Where.STORED, event.occurred_at, event.position)

    def _be_released(self, event: SeenDecision, said: PartReleased) -> None:
        if self._over(event):
            return
        release = Release(said, event.captured_by, event.occurred_at, event.position)
        known = self._documents.setdefault((said.form, said.tracking_number, said.approval), release)
        if known.said.document != said.document:
            self._tell(Code.ANOTHER_DOCUMENT, event.position, known.position)
        if self.installed:
            self._tell(Code.RELEASED_WHILE_INSTALLED, event.position, self.installed[0].opened_by)
            return
        fit = said.status is not ReleaseStatus.PROTOTYPE
        if self._open is None or (fit and self._open.where is Where.SHOP):
            self._begin(Where.STORED, event.occurred_at, event.position)
        else:
            self._open.documents.append(event.position)
        if fit:
            self.stage, self.release = Stage.RELEASED, release

    def _install(self, at: int, interval: Interval, events: Mapping[int, SeenEvent]) -> None:
        event = events.get(interval.opened_by)
        if self._ended is not None:
            self._tell(Code.AFTER_THE_END, interval.opened_by, self._ended.position)
            return
        place = None if event is None else _extension(event, POSITION)
        if self.installed:
            self._tell(Code.INSTALLED_TWICE, interval.opened_by, self.installed[0].opened_by)
        else:
            if self.release is None:
                self._tell(Code.NOT_RELEASED, interval.opened_by, None)
            self._begin(Where.INSTALLED, at, interval.opened_by)
            self._set_installed(interval, place)
        if self._life.expired_by(at):
            self._tell(Code.NO_LIFE_LEFT, interval.opened_by, None)
        self.installed.append(interval)
        self.stage = Stage.INSTALLED

    def _set_installed(self, interval: Interval, place: str | None) -> None:
        assert self._open is not None
        self._open.on, self._open.place = interval.parent, place
        self.place = place
        if self.release is None:
            self._open.gap = Gap.NO_RELEASE
        else:
            self._open.documents.append(self.release.position)

    def _remove(self, at: int, interval: Interval, events: Mapping[int, SeenEvent]) -> None:
        if interval not in self.installed:
            return
        self.installed.remove(interval)
        self._removed = (interval.parent,), at
        if self.installed:
            return
        event = None if interval.closed_by is None else events.get(interval.closed_by)
        self.stage, self.release, self.place = Stage.REMOVED, None, None
        self.removed_because = None if event is None else _extension(event, REASON) or event.head.disposition
        if interval.closed_by is not None:
            self._begin(Where.STORED, at, interval.closed_by)

    def _end(self, event: SeenEvent, stage: Stage) -> None:
        if self._over(event):
            return
        self.stage, self.release, self._ended = stage, None, event
        self.installed, self.place = [], None
        if self._open is None:
            self._begin(Where.STORED, event.occurred_at, event.position)
        if self._open is not None and self._open.since != event.occurred_at:
            self._done.append(self._open.until(event.occurred_at))
        self._open = None

    def _over(self, event: SeenEvent) -> bool:
        if self._ended is not None:
            self._tell(Code.AFTER_THE_END, event.position, self._ended.position)
        return self._ended is not None

    def _begin(self, where: Where, at: int, document: int) -> None:
        """Begin a stretch; one that began at the same instant lasted for nothing and is none."""
        if self._open is not None and self._open.since != at:
            self._done.append(self._open.until(at))
        elif self._open is None and self.stage is not Stage.MANUFACTURED:
            self._done.append(_Open(Where.UNKNOWN, None, gap=Gap.NO_BIRTH).until(at))
        self._open = _Open(where, at, [document])

    def _tell(self, code: Code, position: int, against: int | None) -> None:
        self.irregularities.append(Irregularity(code, position, against))


def _end_of(event: SeenEvent, roles: Collection[Role]) -> Stage | None:
    if (event.head.bizStep or "").replace(":", "/").rpartition("/")[2] == _EXPORTING:
        return Stage.EXPORTED
    return Stage.SCRAPPED if ending(event, roles) in ENDED - {Lifecycle.LOST_OR_STOLEN} else None


def _extension(event: SeenEvent, name: str) -> str | None:
    said = (event.view.extensions or {}).get(name)
    return said if isinstance(said, str) else None
