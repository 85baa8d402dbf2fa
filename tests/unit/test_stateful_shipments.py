"""A shipment step by step: receipts that come late, twice or are taken back, beside a count on fingers."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

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
from tests.support.happenings import PALLET, Happening, hours, lot, observe, pack, receive, ship
from traceability.ledger.access import ALL_PARTS
from traceability.ledger.store import Outcome
from traceability.supply_chain.balance import in_reference
from traceability.supply_chain.seen import SeenEvent, see
from traceability.supply_chain.shipment.events import (
    AdvisedLine,
    ExceptionAnswered,
    ExceptionClosed,
    ExceptionOpened,
    Payload,
    ReceiptCompleted,
    Report,
    Said,
    ShipmentAdvised,
)
from traceability.supply_chain.shipment.shipment import Shipment, claim_reason, shipment_of

SHIPPER, CONSIGNEE, RIVAL = "maker.example", "shop.example", "rival.example"
ADVICE = "urn:epcglobal:cbv:bt:9521234000006:DA1"
A, B, IN_PALLET, OTHER = pack("A"), pack("B"), pack("C"), pack("other")
LOT = lot("A7")
GRAMS = {"KGM": 1_000, "GRM": 1}
ADVISED = ShipmentAdvised(
    shipment="S1",
    advice=ADVICE,
    consignee=CONSIGNEE,
    lines=(
        AdvisedLine(thing=A),
        AdvisedLine(thing=B),
        AdvisedLine(thing=PALLET),
        AdvisedLine(thing=IN_PALLET, within=PALLET),
        AdvisedLine(thing=LOT, quantity=Decimal(3), uom="KGM", within=PALLET),
    ),
)
EXPECTED = {A: 1, B: 1, PALLET: 1, IN_PALLET: 1, LOT: 3_000, OTHER: 0}
AT = st.integers(1, 40) | st.just(None)
"""An hour, or None: after all that was told."""
BY = st.sampled_from([SHIPPER, CONSIGNEE, CONSIGNEE, CONSIGNEE, RIVAL])
CASES = st.sampled_from(["E1", "E2"])


class Amounts(NamedTuple):
    """What is told of a thing: pieces, or grams of the lot."""

    shipped: int
    received: int
    damaged: int


class Naive:
    """Everything from the beginning, in the order of event time, one thing after the other."""

    def __init__(self, events: Iterable[tuple[int, Happening]], said: Iterable[Said]) -> None:
        self.claims: set[tuple[str, int]] = set()
        self.named: dict[str, set[str]] = {"shipped": set(), "received": set(), "damaged": set()}
        self.grams = dict.fromkeys(self.named, 0)
        self.told_apart: set[str] = set()
        self.completed: ReceiptCompleted | None = None
        self.cases: dict[str, list[Said]] = {}
        for position, event in sorted(events, key=lambda one: one[1].at):
            self.see(position, event)
        for one in sorted(said, key=lambda one: one.occurred_at):
            self.hear(one)

    def see(self, position: int, event: Happening) -> None:
        columns = {"shipping": "shipped", "void_shipping": "shipped", "receiving": "received"}
        told = [columns[event.step]] if event.step in columns else []
        told += ["damaged"] if event.disposition == "damaged" else []
        mine = [one for one in told if event.by == (SHIPPER if one == "shipped" else CONSIGNEE)]
        if told and not mine:
            self.claims.add(("event", position))
        for column in mine:
            things = {item[1] for item in event.items if len(item) == 2}
            grams = sum(item[2] * GRAMS[item[3]] for item in event.items if len(item) == 4)
            if event.step == "void_shipping":
                self.named[column] -= things
                self.grams[column] -= grams
            else:
                self.named[column] |= things
                self.grams[column] += grams
                if PALLET in things and (IN_PALLET in things or grams):
                    self.told_apart.add(column)

    def hear(self, one: Said) -> None:
        payload, by = one.payload, one.said_by
        by_right = by == (SHIPPER if isinstance(payload, ExceptionAnswered) else CONSIGNEE)
        case = None if isinstance(payload, ShipmentAdvised | ReceiptCompleted) else self.cases.get(payload.case)
        if isinstance(payload, ShipmentAdvised):
            counts = one.position == 1
        elif isinstance(payload, ReceiptCompleted):
            counts = by_right
        elif isinstance(payload, ExceptionOpened):
            counts = by_right and case is None
        else:
            counts = by_right and case is not None and not isinstance(case[-1].payload, ExceptionClosed)
        if not counts:
            self.claims.add(("said", one.position))
        elif isinstance(payload, ReceiptCompleted):
            self.completed = payload
        elif isinstance(payload, ExceptionOpened):
            self.cases[payload.case] = [one]
        elif case is not None:
            case.append(one)

    def amounts(self, thing: str) -> Amounts:
        return Amounts(**{column: self.amount(thing, column) for column in self.named})

    def amount(self, thing: str, column: str) -> int:
        named = self.named[column]
        stands_for = PALLET in named and column not in self.told_apart
        if thing == LOT:
            return self.grams[column] + stands_for * EXPECTED[LOT]
        return int(thing in named or (thing == IN_PALLET and stands_for))

    def differences(self) -> set[tuple[str, str, int]]:
        """Return what is over, damaged, and (once all has come) short."""
        found = set()
        for thing, expected in EXPECTED.items():
            amounts = self.amounts(thing)
            short = expected - amounts.received if self.completed is not None else 0
            for what, amount in (
                ("overages", amounts.received - expected),
                ("underages", short),
                ("damaged", amounts.damaged),
            ):
                if amount > 0:
                    found.add((thing, what, amount))
        return found

    def stage(self, *, sees_all: bool) -> str:
        if self.cases:
            over = all(isinstance(case[-1].payload, ExceptionClosed) for case in self.cases.values())
            return "closed" if over else "discrepant"
        if self.completed is not None:
            return "received"
        totals = {thing: self.amounts(thing) for thing in EXPECTED}
        if any(one.received or one.damaged for one in totals.values()):
            exact = all(one.received == EXPECTED[thing] and not one.damaged for thing, one in totals.items())
            return "received" if exact and sees_all else "partly_received"
        return "despatched" if any(one.shipped > 0 for one in totals.values()) else "advised"


def some(*things: str) -> st.SearchStrategy[set[str]]:
    return st.sets(st.sampled_from(things), min_size=1)


class AShipment(RuleBasedStateMachine):
    """Every event and every word has an instant of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals = Arrivals()
        self.said = [self.word(ADVISED, SHIPPER, 0, 1)]
        self.numbers = count(1)

    def word(self, payload: Payload, by: str, at: float, position: int) -> Said:
        parts = payload.event(captured_by=by, occurred_at=hours(at)).parts
        return Said(payload, by, hours(at), position, UUID(int=position), hours(at), parts.head + parts.more)

    def free(self, at: int | None) -> float | None:
        taken = {hours(one.at) for one in self.arrivals.told} | {one.occurred_at for one in self.said}
        last = max(taken) - hours(0)
        if at is None:
            return last / (hours(1) - hours(0)) + 1
        return None if hours(at) in taken else at

    def tell(self, at: int | None, what: Any, *things: str, **more: Any) -> None:
        when = self.free(at)
        if when is not None:
            told = what(when, *things, transactions=[ADVICE], event_id=f"urn:uuid:{next(self.numbers)}", **more)
            assert self.arrivals.deliver(told) is Outcome.RECORDED

    def say(self, payload: Payload, by: str, at: int | None) -> None:
        when = self.free(at)
        if when is not None:
            draft = self.word(payload, by, when, len(self.said) + 1)
            refused = claim_reason(self.said, draft) is not None
            assert refused is (("said", draft.position) in Naive([], [*self.said, draft]).claims)
            self.said.append(draft)

    @initialize(shipped=st.booleans())
    def begin(self, *, shipped: bool) -> None:
        if shipped:
            self.tell(1, ship, A, B, PALLET, by=SHIPPER)

    @rule(
        at=AT,
        by=st.sampled_from([SHIPPER, SHIPPER, RIVAL]),
        things=some(A, B, PALLET),
    )
    def ship(self, at: int | None, by: str, things: set[str]) -> None:
        self.tell(at, ship, *sorted(things), by=by)

    @rule(at=AT, by=st.sampled_from([SHIPPER, CONSIGNEE]), things=some(A, B))
    def void(self, at: int | None, by: str, things: set[str]) -> None:
        self.tell(at, observe, *sorted(things), by=by, step="void_shipping")

    @rule(at=AT, by=BY, things=some(A, B, PALLET, IN_PALLET, OTHER), bad=st.booleans())
    def receive(self, *, at: int | None, by: str, things: set[str], bad: bool) -> None:
        self.tell(at, receive, *sorted(things), by=by, disposition="damaged" if bad else "in_progress")

    @rule(
        at=AT, by=BY, amount=st.integers(1, 3), uom=st.sampled_from(sorted(GRAMS)), sent=st.booleans(), on=st.booleans()
    )
    def weigh(self, *, at: int | None, by: str, amount: int, uom: str, sent: bool, on: bool) -> None:
        items: list[tuple[Any, ...]] = [("quantityList", LOT, amount, uom)]
        items += [("epcList", PALLET)] if on else []
        step = "shipping" if sent else "receiving"
        self.tell(at, lambda when, **more: Happening("object", when, items, "OBSERVE", step, **more), by=by)

    @rule(at=AT)
    def receive_the_rest(self, at: int | None) -> None:
        """Let what has not come come, in one event."""
        came = Naive(self.standing(), self.said)
        missing = [thing for thing in (A, B, PALLET, IN_PALLET) if not came.amount(thing, "received")]
        grams = max(0, EXPECTED[LOT] - came.amount(LOT, "received"))
        items: list[tuple[Any, ...]] = [("epcList", thing) for thing in missing]
        items += [("quantityList", LOT, grams, "GRM")] if grams else []
        if items:
            self.tell(
                at, lambda when, **more: Happening("object", when, items, "OBSERVE", "receiving", **more), by=CONSIGNEE
            )

    @precondition(lambda self: self.arrivals.told)
    @rule(data=st.data())
    def arrive_again(self, data: st.DataObject) -> None:
        told = data.draw(st.sampled_from(self.arrivals.told))
        assert self.arrivals.deliver(told) is Outcome.DUPLICATE

    @precondition(lambda self: self.arrivals.told)
    @rule(data=st.data(), by=st.none() | st.just(RIVAL))
    def take_back(self, data: st.DataObject, by: str | None) -> None:
        told = data.draw(st.sampled_from(self.arrivals.told))
        assert isinstance(told, Happening)
        if "errorDeclaration" not in told.head:
            self.arrivals.deliver(told.retracted(by=by))

    @rule(at=AT, by=BY, case=CASES, unseen=st.sampled_from([0, 0, 0, 1]))
    def complete(self, at: int | None, by: str, case: str, unseen: int) -> None:
        """Complete the receipt; what differs is a case, as the command does it."""
        found = self.found()
        if at is None and by == CONSIGNEE and found.missing_reports():
            self.say(ExceptionOpened(shipment="S1", case=case, reports=found.missing_reports()), by, None)
        self.say(ReceiptCompleted(shipment="S1", receipts=found.receipts + unseen), by, at)

    @rule(at=AT, by=BY, case=CASES)
    def answer(self, at: int | None, by: str, case: str) -> None:
        self.say(ExceptionAnswered(shipment="S1", case=case, accepted=True), by, at)

    @rule(at=AT, by=BY, case=CASES)
    def close(self, at: int | None, by: str, case: str) -> None:
        self.say(ExceptionClosed(shipment="S1", case=case), by, at)

    def standing(self) -> list[tuple[int, Happening]]:
        """Return what was not taken back by who told it."""
        told = [(n, one) for n, one in enumerate(self.arrivals.told, 1) if isinstance(one, Happening)]
        gone = {(one.event_id, one.by) for _, one in told if "errorDeclaration" in one.head}
        return [(n, one) for n, one in told if (one.event_id, one.by) not in gone]

    def found(self) -> Shipment:
        records = self.arrivals.ledger.records(range(1, self.arrivals.ledger.head() + 1))
        events = [event for record in records if (event := see(record, ALL_PARTS, ())) is not None]
        found = shipment_of(self.said, events)
        assert found is not None
        assert shipment_of(self.said[::-1], events[::-1]) == found
        return found

    @invariant()
    def it_is_what_a_count_on_fingers_says(self) -> None:
        found, model = self.found(), Naive(self.standing(), self.said)
        told = [one for one in self.arrivals.told if isinstance(one, Happening) and "errorDeclaration" not in one.head]
        receipts = sum(one.step == "receiving" and one.by == CONSIGNEE for one in told)
        assert found.receipts == receipts
        assert found.sees_all is (model.completed is None or receipts >= model.completed.receipts)
        assert found.stage == model.stage(sees_all=found.sees_all)
        rows = {row.thing: row for row in found.rows if any(row[2:6])}
        assert rows.keys() == {thing for thing in EXPECTED if EXPECTED[thing] or any(model.amounts(thing))}
        for thing, row in rows.items():
            factor = GRAMS[row.uom] if row.uom else 1
            expected = EXPECTED[thing], *model.amounts(thing)
            assert tuple(int(one * factor) for one in row[2:6]) == (expected[0], max(expected[1], 0), *expected[2:])
        told_of = model.differences()
        assert {in_grams(report) for report in found.differences} == (
            told_of if found.sees_all else {one for one in told_of if one[1] == "damaged"}
        )
        assert {claim_of(one.of) for one in found.claims} == model.claims
        assert {case.about.case: case.closed is not None for case in found.cases} == {
            name: isinstance(case[-1].payload, ExceptionClosed) for name, case in model.cases.items()
        }


def in_grams(report: Report) -> tuple[str, str, int]:
    amount = in_reference(report.quantity, report.uom) * (1_000 if report.uom else 1)
    return report.thing, report.difference.value, int(amount)


def claim_of(one: Said | SeenEvent) -> tuple[str, int]:
    return "said" if isinstance(one, Said) else "event", one.position


def test_a_shipment_is_what_a_count_on_fingers_says_after_each_event() -> None:
    run_state_machine_as_test(AShipment, settings=settings(max_examples=80, stateful_step_count=16, deadline=None))
