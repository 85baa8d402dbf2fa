"""A pump step by step: what is told late, twice or taken back, beside a log book that is kept hour by hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.arrivals import Arrivals
from tests.support.happenings import READER, STRANGERS, Decided, Happening, attach, commission, end, hours, observe
from tests.support.parts import (
    AIRCRAFT,
    ENGINE,
    OTHER_ENGINE,
    PUMP,
    flew,
    installed,
    limited,
    released,
    removed,
)
from traceability.errors import NotFoundError
from traceability.ledger.store import Outcome
from traceability.supply_chain.aircraft_part.events import (
    PartLimitSet,
    PartReleased,
    ReleaseStatus,
    UtilisationStated,
)
from traceability.supply_chain.aircraft_part.reading import aircraft_part

EXPORTING = "https://maker.example/steps/exporting"
LAST = 12
HOURS = st.integers(0, LAST)
ON = st.sampled_from([ENGINE, OTHER_ENGINE])
STATUS = st.sampled_from([ReleaseStatus.NEW, ReleaseStatus.REPAIRED, ReleaseStatus.PROTOTYPE])
Told = Happening | Decided


class Page(NamedTuple):
    """A stretch of the life: where it was, since when, and what is missing."""

    where: str
    since: float | None
    gap: str | None


class LogBook:
    """The stages of the guide, one event after the other; how much it flew is asked of every hour."""

    def __init__(self, told: Iterable[tuple[int, Told]]) -> None:
        self.told = sorted(told, key=lambda one: one[1].at)
        self.stage = "unknown"
        self.release: int | None = None
        self.on: list[str] = []
        self.emptied_from: str | None = None
        self.pages: list[Page] = []
        self.ended: float | None = None
        self.codes: list[tuple[str, int]] = []
        self.documents: dict[str, str] = {}
        self.ties: dict[tuple[str, str], list[tuple[float, bool]]] = {}
        self.note_ties()
        for position, one in self.told:
            match one:
                case Decided(payload=PartReleased() as said):
                    self.be_released(position, one.at, said)
                case Happening(kind="association") if one.items[0][1] in (ENGINE, OTHER_ENGINE):
                    self.be_moved(position, one)
                case Happening() if PUMP in [item[1] for item in one.items]:
                    self.happen(position, one)

    def turn(self, where: str, at: float) -> None:
        if not self.pages and self.stage != "manufactured":
            self.pages.append(Page("unknown", None, "no_birth"))
        self.pages.append(Page(where, at, None))

    def happen(self, position: int, one: Happening) -> None:
        if one.step == "commissioning":
            if not self.pages and self.stage == "unknown":
                self.stage = "manufactured"
                self.turn("stored", one.at)
        elif self.ended is not None:
            self.codes.append(("after_the_end", position))
        elif one.action == "DELETE" or one.step == EXPORTING:
            if not self.pages:
                self.turn("stored", one.at)
                self.pages.pop()  # it lasted for nothing
            self.stage = "scrapped" if one.action == "DELETE" else "exported"
            self.release, self.on, self.ended = None, [], one.at
        elif (one.step == "repairing" or (one.step == "inspecting" and self.stage == "removed")) and not self.on:
            self.stage, self.release = "in_shop", None
            if not self.pages or self.pages[-1].where != "shop":
                self.turn("shop", one.at)
        elif not self.pages:
            self.turn("stored", one.at)

    def be_released(self, position: int, at: float, said: PartReleased) -> None:
        if self.ended is not None:
            self.codes.append(("after_the_end", position))
            return
        if self.documents.setdefault(said.tracking_number, said.document) != said.document:
            self.codes.append(("another_document", position))
        if self.on:
            self.codes.append(("released_while_installed", position))
            return
        fit = said.status is not ReleaseStatus.PROTOTYPE
        if not self.pages or (fit and self.pages[-1].where == "shop"):
            self.turn("stored", at)
        if fit:
            self.stage, self.release = "released", position

    def be_moved(self, position: int, one: Happening) -> None:
        parent, there = one.items[0][1], self.is_tied(PUMP, one.items[0][1], one.at)
        if one.action == "ADD":
            self.be_installed(position, parent, one.at)
        elif there:
            self.be_removed(parent, one.at)
        elif len(one.items) > 1:
            if self.ended is not None:
                self.codes.append(("after_the_end", position))
                return
            self.codes.append(("not_installed", position))
            if not self.on and (self.stage, self.emptied_from) != ("removed", parent):
                if self.pages:
                    self.pages[-1] = self.pages[-1]._replace(gap="no_installation")
                self.stage, self.release = "removed", None
                self.turn("stored", one.at)

    def be_installed(self, position: int, parent: str, at: float) -> None:
        if self.ended is not None:
            self.codes.append(("after_the_end", position))
        elif parent in self.on:
            self.codes.append(("installed_twice", position))
        else:
            if self.on:
                self.codes.append(("installed_twice", position))
            else:
                self.turn("installed", at)
                if self.release is None:
                    self.codes.append(("not_released", position))
                    self.pages[-1] = self.pages[-1]._replace(gap="no_release")
            if self.used_up(at):
                self.codes.append(("no_life_left", position))
            self.on.append(parent)
            self.stage = "installed"

    def be_removed(self, parent: str, at: float) -> None:
        """What was on when it was scrapped comes off: no fault, and nothing that is told."""
        if parent in self.on:
            self.on.remove(parent)
            self.emptied_from = parent
            if not self.on:
                self.stage, self.release = "removed", None
                self.turn("stored", at)

    def is_tied(self, child: str, parent: str, before: float) -> bool:
        said = [on for at, on in self.ties.get((child, parent), ()) if at < before]
        return bool(said) and said[-1]

    def note_ties(self) -> None:
        """Write down when each was put on another, and taken off."""
        for _, one in self.told:
            if isinstance(one, Happening) and one.kind == "association":
                parent, *children = [item[1] for item in one.items]
                for child in children or [child for child, of in self.ties if of == parent]:
                    self.ties.setdefault((child, parent), []).append((one.at, one.action == "ADD"))

    def outward(self, hour: float) -> Iterator[set[str]]:
        """Yield the pump, what it was on, and what that was on, in the hour that begins then."""
        yield {PUMP}
        engines = {engine for engine in (ENGINE, OTHER_ENGINE) if self.is_tied(PUMP, engine, hour + 0.5)}
        yield engines
        yield {AIRCRAFT for engine in engines if self.is_tied(engine, AIRCRAFT, hour + 0.5)}

    def flown(self) -> dict[tuple[str, float], int]:
        """Return the cycles by thing and hour; the last word counts."""
        stated = [one.payload for _, one in self.told if isinstance(one, Decided)]
        return {
            (said.things[0], (said.since - hours(0)) // (hours(1) - hours(0))): said.cycles
            for said in stated
            if isinstance(said, UtilisationStated)
        }

    def cycles(self, until: float = LAST + 1) -> int:
        flown, total = self.flown(), 0
        for hour in range(LAST + 1):
            nearest = next((level for level in self.outward(hour) if any((t, hour) in flown for t in level)), set())
            total += sum(flown.get((thing, hour), 0) for thing in nearest) if hour < until else 0
        return total

    def limit(self, until: float = 1_000) -> int | None:
        decided = [one for _, one in self.told if isinstance(one, Decided) and one.at <= until]
        limits = [one.payload.cycles for one in decided if isinstance(one.payload, PartLimitSet)]
        return limits[-1] if limits else None

    def used_up(self, at: float) -> bool:
        limit = self.limit(at)
        return limit is not None and self.cycles(at) >= limit

    def is_untold(self, since: float, until: float) -> bool:
        """Tell whether there is an hour of a stretch in which it flew, by what is known, and nobody tells how much."""
        flown = self.flown()
        for hour in range(int(since), int(until)):
            _, engines, aircraft = self.outward(hour)
            flies = {one for one in engines if not self.was_ever_on(one)} | aircraft
            if flies and not any((thing, hour) in flown for thing in {PUMP} | engines | aircraft):
                return True
        return False

    def was_ever_on(self, engine: str) -> bool:
        return any(self.is_tied(engine, AIRCRAFT, hour + 0.5) for hour in range(LAST + 1))


def hour_of(at: int) -> float:
    return (at - hours(0)) / (hours(1) - hours(0))


class APump(RuleBasedStateMachine):
    """Its maker tells everything; no two things at one instant, and what was flown by the hour."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals = Arrivals()
        self.numbers = count(1)

    def tell(self, one: Told) -> None:
        if all(known.at != one.at for known in self.arrivals.told):
            told = replace(one, event_id=f"urn:uuid:{next(self.numbers)}") if isinstance(one, Happening) else one
            assert self.arrivals.deliver(told) is Outcome.RECORDED

    @initialize(steps=st.integers(0, 3))
    def begin(self, steps: int) -> None:
        for one in (commission(0, PUMP), released(0.5), installed(1, ENGINE))[:steps]:
            self.tell(one)

    @rule(at=HOURS)
    def make(self, at: int) -> None:
        self.tell(commission(at, PUMP))

    @rule(
        at=HOURS,
        number=st.sampled_from("12"),
        document=st.sampled_from("aab"),
        fit=st.sampled_from([True, True, False]),
    )
    def release(self, *, at: int, number: str, document: str, fit: bool) -> None:
        status = ReleaseStatus.NEW if fit else ReleaseStatus.PROTOTYPE
        self.tell(released(at, number=number, document=document, status=status))

    @rule(at=HOURS, on=ON)
    def install(self, at: int, on: str) -> None:
        self.tell(installed(at, on))

    @rule(at=HOURS, on=ON)
    def remove(self, at: int, on: str) -> None:
        self.tell(removed(at, on))

    @rule(at=st.integers(0, LAST - 4), on=ON, hours=st.integers(1, 3), told=st.booleans(), carried=st.booleans())
    def fly_and_come_off(self, *, at: int, on: str, hours: int, told: bool, carried: bool) -> None:
        self.tell(released(at + 0.5, number=f"after {at}"))
        if carried:
            self.tell(installed(at, AIRCRAFT, on))
        self.tell(installed(at + 1, on))
        for hour in range(at + 1, at + hours + told):
            self.fly(hour, on, 1)
            self.fly(hour, AIRCRAFT, 2)
        self.tell(removed(at + hours + 1, on))

    @rule(at=HOURS, on=ON)
    def empty(self, at: int, on: str) -> None:
        self.tell(attach(at, on, action="DELETE"))

    @rule(at=HOURS, engine=ON, off=st.booleans())
    def carry(self, *, at: int, engine: str, off: bool) -> None:
        self.tell((removed if off else installed)(at, AIRCRAFT, engine))

    @rule(at=HOURS, what=st.sampled_from(["repairing", "inspecting", "storing", EXPORTING]))
    def handle(self, at: int, what: str) -> None:
        if what != EXPORTING or at > LAST // 2:
            self.tell(observe(at, PUMP, step=what))

    @precondition(lambda self: self.book(None).on)
    @rule(step=st.sampled_from(["repairing", "inspecting"]))
    def work_on_it_where_it_is(self, step: str) -> None:
        self.handle(LAST, step)

    @rule(at=st.integers(LAST // 2, LAST))
    def scrap(self, at: int) -> None:
        self.tell(end(at, PUMP, step="destroying"))

    @rule(at=HOURS, cycles=st.integers(0, 6))
    def set_a_limit(self, at: int, cycles: int) -> None:
        self.tell(limited(at, cycles=cycles))

    @rule(hour=HOURS, thing=st.sampled_from([PUMP, ENGINE, OTHER_ENGINE, AIRCRAFT]), cycles=st.integers(0, 3))
    def fly(self, hour: int, thing: str, cycles: int) -> None:
        """State an hour; said again it is a correction."""
        self.tell(flew(100 + next(self.numbers), thing, hour, hour + 1, cycles=cycles))

    @precondition(lambda self: self.events())
    @rule(data=st.data())
    def arrive_again(self, data: st.DataObject) -> None:
        assert self.arrivals.deliver(data.draw(st.sampled_from(self.events()))) is Outcome.DUPLICATE

    @precondition(lambda self: self.events())
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        self.arrivals.deliver(data.draw(st.sampled_from(self.events())).retracted())

    def events(self) -> list[Happening]:
        told = self.arrivals.told
        return [one for one in told if isinstance(one, Happening) and "errorDeclaration" not in one.head]

    def book(self, as_of: float | None) -> LogBook:
        told = list(enumerate(self.arrivals.told, 1))
        gone = {one.event_id for _, one in told if isinstance(one, Happening) and "errorDeclaration" in one.head}
        stands = [(n, one) for n, one in told if not isinstance(one, Happening) or one.event_id not in gone]
        return LogBook((n, one) for n, one in stands if as_of is None or one.at <= as_of)

    @invariant()
    def it_is_what_the_log_book_says(self) -> None:
        self.compare(None)

    @rule(at=HOURS)
    def it_was_what_the_log_book_says(self, at: int) -> None:
        self.compare(at)

    def compare(self, as_of: float | None) -> None:
        index = self.arrivals.index(reader=READER)
        try:
            found, _ = aircraft_part(index, PUMP, STRANGERS, None if as_of is None else hours(as_of))
        except NotFoundError:
            return
        book = self.book(as_of)
        assert (found.stage, found.release and found.release.position) == (book.stage, book.release)
        assert {one.parent for one in found.installed_on} == set(book.on)
        assert found.life.cycles == book.cycles()
        told = [(one.code.value, one.position) for one in found.irregularities]
        assert sorted(one for one in told if one[0] not in ("used_twice", "straddles")) == sorted(book.codes)
        limit = book.limit()
        assert found.life.expired is (limit is not None and book.cycles() >= limit)
        unless = (None, "no_utilisation")
        pages = [Page(one.where, one.since, None if one.gap in unless else one.gap) for one in found.stretches]
        assert pages == [page._replace(since=None if page.since is None else hours(page.since)) for page in book.pages]
        for stretch in found.stretches if book.ended is None else ():
            if stretch.where == "installed" and stretch.gap in (None, "no_utilisation") and stretch.until is not None:
                untold = limit is not None and book.is_untold(hour_of(stretch.since or 0), hour_of(stretch.until))
                assert (stretch.gap == "no_utilisation") is untold


def test_a_part_is_what_the_log_book_says_after_each_event() -> None:
    run_state_machine_as_test(APump, settings=settings(max_examples=80, stateful_step_count=16, deadline=None))
