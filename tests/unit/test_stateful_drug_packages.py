"""What many say of a pack, late, twice and taken back, beside the table of states of the EU's verification system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any, NamedTuple

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
from tests.support.happenings import (
    GTIN,
    MAKER,
    PALLET,
    Decided,
    Happening,
    commission,
    end,
    hours,
    lot,
    observe,
    pack,
    put,
    receive,
    ship,
    take,
)
from tests.support.holders import PARTIES, PARTY, RIVAL, SHOP
from tests.support.naive_custody import REASONS, naive_custody
from traceability.errors import NotFoundError
from traceability.ledger.store import Outcome
from traceability.supply_chain.drug_package.events import (
    BatchRecalled,
    Inactive,
    PackDeactivated,
    PackReactivated,
    ProductWithdrawn,
)
from traceability.supply_chain.drug_package.reading import drug_package

PACK, LOT = pack("A"), lot("L1")
DAY, EXPIRES = 24, 26
LABEL = {"urn:epcglobal:cbv:mda:itemExpirationDate": "2026-03-26", "urn:epcglobal:cbv:mda:lotNumber": "L1"}
DAYS = st.integers(0, 30)
BY = st.sampled_from([MAKER, MAKER, SHOP, RIVAL])
STATUS = st.sampled_from([Inactive.LOCKED, *Inactive])
Stop = BatchRecalled | ProductWithdrawn
STOPS: list[Stop] = [BatchRecalled(things=(LOT,), reason="x"), ProductWithdrawn(things=(GTIN,), reason="x")]
ENDS = {
    "dispensed": "supplied",
    "destroyed": "destroyed",
    "stolen": "stolen",
    "decommissioning": "decommissioned",
}
FINAL = {"destroyed", "stolen"}
GONE = FINAL | {"supplied", "exported"}


class Off(NamedTuple):
    """Why the pack is off sale: since which day, said by whom in which event, and whether it was stated."""

    status: str
    day: float
    by: str
    position: int
    stated: bool


class NaivePack:
    """The table: active, or inactive for one reason; each word is looked up in it, in the order of event time."""

    def __init__(self, told: Iterable[tuple[int, Happening | Decided]]) -> None:
        told = sorted(told, key=lambda one: one[1].at)
        self.off: Off | None = None
        self.alerts: set[tuple[str, int, int | None]] = set()
        self.makers = [one.by for _, one in told if makes(one)]
        self.stops: dict[type, list[tuple[float, int]]] = {BatchRecalled: [], ProductWithdrawn: []}
        for position, one in told:
            if isinstance(one, Decided) and isinstance(one.payload, Stop) and one.by in self.makers[:1]:
                self.stops[type(one.payload)].append((one.at / DAY, position))
        for position, one in told:
            self.take(position, one)

    def take(self, position: int, one: Happening | Decided) -> None:
        if isinstance(one, Decided):
            if isinstance(one.payload, PackDeactivated):
                self.end(position, one, one.payload.status.value)
            elif isinstance(one.payload, PackReactivated):
                self.undo(position, one, one.payload.status.value)
        elif not makes(one):
            status = ENDS.get(one.disposition or "") or ENDS.get(one.step or "")
            if PACK not in named(one):
                status = status if status in FINAL else None
            elif status is None and self.off is not None and self.off.status in GONE:
                self.alert("handled_inactive", position)
            if status is not None:
                self.end(position, one, status)

    def end(self, position: int, one: Happening | Decided, status: str) -> None:
        locked_by = self.off.by if self.off and self.off.status == "locked" else None
        if self.off is None or locked_by == one.by:
            self.off = Off(status, one.at / DAY, one.by, position, isinstance(one, Decided))
        else:
            self.alert("repeated" if self.off.by == one.by else "deactivated_again", position)

    def undo(self, position: int, one: Decided, status: str) -> None:
        day, off = one.at / DAY, self.off
        if off is None:
            self.alerts.add(("nothing_to_reverse", position, None))
        elif off.status != status:
            self.alert("another_status", position)
        elif not off.stated:
            self.alert("told_by_event", position)
        elif off.by != one.by:
            self.alert("another_organisation", position)
        elif status in FINAL:
            self.alert("irreversible", position)
        elif day > off.day + 10 and status != "locked":
            self.alert("too_late", position)
        elif any(since <= day for since, _ in self.stops[BatchRecalled]):
            self.alert("recalled", position)
        elif any(since <= day for since, _ in self.stops[ProductWithdrawn]):
            self.alert("withdrawn", position)
        elif self.makers and day >= EXPIRES:
            self.alert("expired", position)
        else:
            self.off = None

    def alert(self, what: str, position: int) -> None:
        assert self.off is not None
        self.alerts.add((what, position, self.off.position))

    def on_sale(self, day: float) -> bool:
        return bool(self.makers) and self.off is None and not any(self.stops.values()) and day < EXPIRES


def named(one: Happening | Decided) -> set[str]:
    return set() if isinstance(one, Decided) else {item[1] for item in one.items}


def makes(one: Happening | Decided) -> bool:
    return isinstance(one, Happening) and one.step == "commissioning" and PACK in named(one)


class APack(RuleBasedStateMachine):
    """Everything that is said has a day of its own, so that no rule about one instant is tried here."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals = Arrivals()
        self.numbers = count(1)

    @initialize(steps=st.integers(0, 3))
    def begin(self, steps: int) -> None:
        if steps > 0:
            self.make(0, MAKER)
        if steps > 1:
            self.send(1, MAKER, PACK)
            self.get(steps, SHOP, PACK)

    def tell(self, day: float, one: Happening | Decided) -> None:
        if all(known.at != day * DAY for known in self.arrivals.told):
            assert self.arrivals.deliver(one) is Outcome.RECORDED

    def id(self) -> dict[str, Any]:
        return {"event_id": f"urn:uuid:{next(self.numbers)}"}

    @rule(day=st.integers(0, 8), by=st.sampled_from([MAKER, MAKER, RIVAL]))
    def make(self, day: int, by: str) -> None:
        self.tell(day, replace(commission(day * DAY, PACK, by=by, **self.id()), how={"ilmd": LABEL}))

    @rule(day=DAYS, by=st.sampled_from([MAKER, SHOP]), thing=st.sampled_from([PACK, PALLET]))
    def send(self, day: int, by: str, thing: str) -> None:
        to = PARTY[SHOP if by == MAKER else MAKER]
        self.tell(day, ship(day * DAY, thing, by=by, to=to, **self.id()))

    @rule(day=DAYS, by=BY, thing=st.sampled_from([PACK, PALLET]))
    def get(self, day: int, by: str, thing: str) -> None:
        self.tell(day, receive(day * DAY, thing, by=by, **self.id()))

    @rule(day=DAYS, by=BY, what=st.sampled_from(sorted(ENDS)), thing=st.sampled_from([PACK, PACK, PALLET]))
    def finish(self, day: int, by: str, what: str, thing: str) -> None:
        if what == "decommissioning":
            self.tell(day, end(day * DAY, thing, by=by, **self.id()))
        else:
            self.tell(day, observe(day * DAY, thing, by=by, disposition=what, **self.id()))

    @rule(day=DAYS, by=BY, what=st.sampled_from(["in transit", *sorted(ENDS)]))
    def go_with_a_pallet(self, day: int, by: str, what: str) -> None:
        self.tell(day, put(day * DAY, PALLET, PACK, by=by, **self.id()))
        if what in ENDS:
            self.finish(day + 1, by, what, PALLET)

    @rule(day=DAYS, by=BY, children=st.sampled_from([(), (PACK,)]))
    def take_from_the_pallet(self, day: int, by: str, children: tuple[str, ...]) -> None:
        self.tell(day, take(day * DAY, PALLET, *children, by=by, **self.id()))

    @rule(day=DAYS, by=BY, status=STATUS)
    def deactivate(self, day: int, by: str, status: Inactive) -> None:
        self.tell(day, Decided(day * DAY, PackDeactivated(things=(PACK,), status=status), by=by))

    @rule(day=st.integers(2, 20), by=BY, then_by=BY, status=STATUS)
    def lock(self, day: int, by: str, then_by: str, status: Inactive) -> None:
        """Lock it, and say afterwards what became of it; that is for who locked it."""
        self.deactivate(day, by, Inactive.LOCKED)
        self.deactivate(day + 1, then_by, status)

    @rule(day=DAYS, by=BY, status=STATUS)
    def reactivate(self, day: int, by: str, status: Inactive) -> None:
        self.tell(day, Decided(day * DAY, PackReactivated(things=(PACK,), status=status), by=by))

    @precondition(lambda self: self.deactivations())
    @rule(
        later=st.sampled_from([1, 9, 10, 11]),
        by=st.sampled_from([None, None, MAKER]),
        stopped=st.sampled_from([None, *STOPS]),
        data=st.data(),
    )
    def undo(self, later: int, by: str | None, stopped: Stop | None, data: st.DataObject) -> None:
        off, status = data.draw(st.sampled_from(self.deactivations()))
        if stopped is not None:
            self.tell(off.at / DAY + 0.5, Decided(off.at + DAY / 2, stopped, by=MAKER))
        undone = PackReactivated(things=(PACK,), status=status)
        self.tell(off.at / DAY + later, Decided(off.at + later * DAY, undone, by=by or off.by))

    def deactivations(self) -> list[tuple[Decided, Inactive]]:
        decided = [one for one in self.told if isinstance(one, Decided)]
        return [(one, one.payload.status) for one in decided if isinstance(one.payload, PackDeactivated)]

    @rule(day=DAYS, by=st.sampled_from([MAKER, MAKER, RIVAL]), said=st.sampled_from(STOPS))
    def stop(self, day: int, by: str, said: Stop) -> None:
        self.tell(day, Decided(day * DAY, said, by=by))

    @property
    def told(self) -> list[Happening | Decided]:
        return self.arrivals.told

    @precondition(lambda self: self.events())
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        assert self.arrivals.deliver(data.draw(st.sampled_from(self.events()))) is Outcome.DUPLICATE

    @precondition(lambda self: self.events())
    @rule(data=st.data(), by=st.sampled_from([None, None, RIVAL]))
    def correct(self, data: st.DataObject, by: str | None) -> None:
        event = data.draw(st.sampled_from(self.events()))
        self.arrivals.deliver(event.retracted(by=by))

    def events(self) -> list[Happening]:
        return [one for one in self.told if isinstance(one, Happening) and "errorDeclaration" not in one.head]

    @invariant()
    def it_is_what_the_table_says(self) -> None:
        self.compare(None)

    @rule(day=DAYS)
    def it_was_what_the_table_says_of_that_day(self, day: int) -> None:
        self.compare(day * DAY)

    def compare(self, as_of: float | None) -> None:
        index = self.arrivals.index()
        try:
            found, _ = drug_package(index, PACK, PARTIES, None if as_of is None else hours(as_of))
        except NotFoundError:
            return
        naive = naive_custody(self.arrivals.index(as_of=as_of), PACK, PARTIES)
        assert naive.settled
        counts = {n for n, said in naive.said.items() if said is not None and said not in REASONS}
        model = NaivePack(
            (n, one)
            for n, one in enumerate(self.told, 1)
            if n in counts
            or (isinstance(one, Decided) and isinstance(one.payload, Stop) and (as_of is None or one.at <= as_of))
        )
        off = found.inactive
        assert (off and (off.status.value, off.since, off.by, off.position, off.decision)) == (
            model.off and model.off._replace(day=hours(model.off.day * DAY))
        )
        assert {(one.alert.value, one.position, one.against) for one in found.alarms} == model.alerts
        assert len(found.alarms) == len(model.alerts)
        assert (found.made, found.lot) == (bool(model.makers), LOT if model.makers else None)
        assert found.expiry == (date(2026, 3, EXPIRES) if model.makers else None)
        for stop, kind in ((found.recalled, BatchRecalled), (found.withdrawn, ProductWithdrawn)):
            assert (stop and stop.position) == next((n for _, n in model.stops[kind]), None)
        for day in (0, EXPIRES - 0.001, EXPIRES):
            assert found.may_be_dispensed(hours(day * DAY)) == model.on_sale(day)


def test_a_pack_is_what_the_table_of_states_says() -> None:
    run_state_machine_as_test(APack, settings=settings(max_examples=120, stateful_step_count=25, deadline=None))
