"""Mass balance: of one transformation, and of the roots along a chain."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    GTIN,
    OTHER_GTIN,
    PALLET,
    Happening,
    commission,
    index_of,
    lot,
    pack,
    put,
    take,
)
from tests.support.naive_balance import NaiveShares, Run, naive_verdict
from tests.support.worlds import CONTAINERS, COUNTED, THINGS, worlds
from traceability.errors import InvalidInputError, NotFoundError
from traceability.ledger.access import Grant, Reader
from traceability.supply_chain.balance import BalanceSum, Verdict
from traceability.supply_chain.provenance import Direction, Trace, TraceQuery, trace
from traceability.supply_chain.seen import thing_of
from traceability.supply_chain.shares import ChainOfCustody, Rule
from traceability.supply_chain.standing import standing

MILK, SALT, BLEND, CHEESE, RIND = (lot(name, OTHER_GTIN) for name in ("M1", "S1", "B1", "C1", "R1"))
Amounts = list[tuple[str, object, str | None]]


def made(at: float, inputs: Amounts, outputs: Amounts, *, joined: str | None = None) -> Happening:
    """Return a transformation of lots with a quantity and unit; without a quantity, of single things."""
    items: list[tuple[object, ...]] = [("transformationID", joined)] if joined else []
    for side, amounts in (("input", inputs), ("output", outputs)):
        for name, quantity, uom in amounts:
            if quantity is None and uom is None:
                items.append((f"{side}EPCList", name))
            else:
                items.append((f"{side}QuantityList", name, quantity, uom))
    return Happening("transformation", at, items, step="creating_class_instance")


def each(*things: str) -> Amounts:
    return [(thing, None, None) for thing in things]


def forward(*happenings: Happening, root: str = MILK, **query: object) -> Trace:
    return trace(index_of(happenings), TraceQuery((root,), Direction.FORWARD, **query))  # type: ignore[arg-type]


def only(answer: Trace) -> tuple[Verdict, list[BalanceSum]]:
    (balance,) = answer.balance.transformations
    assert balance.id in answer.nodes
    return balance.verdict, list(balance.sums)


def amounts(uom: str | None, inputs: str, outputs: str, loss: str | None) -> BalanceSum:
    return BalanceSum(uom, Decimal(inputs), Decimal(outputs), None if loss is None else Decimal(loss))


def test_what_went_in_less_what_came_out_is_lost() -> None:
    happened = made(1, [(MILK, 100, "KGM"), (SALT, 2.5, "KGM")], [(CHEESE, 90, "KGM"), (RIND, 10, "KGM")])
    assert only(forward(happened)) == (Verdict.LOSS, [amounts("KGM", "102.5", "100", "2.5")])
    assert only(forward(happened, tolerance=Decimal("0.0243")))[0] is Verdict.LOSS
    assert only(forward(happened, tolerance=Decimal("0.025")))[0] is Verdict.BALANCED


def test_more_out_than_in_is_a_gain() -> None:
    happened = made(1, [(MILK, 10, "LTR")], [(CHEESE, 11, "LTR")])
    assert only(forward(happened)) == (Verdict.GAIN, [amounts("LTR", "10", "11", "-1")])


def test_units_of_one_kind_are_converted_without_loss() -> None:
    happened = made(1, [(MILK, 1, "TNE"), (SALT, 2, "LBR")], [(CHEESE, 1000, "KGM"), (RIND, 907.18474, "GRM")])
    verdict, sums = only(forward(happened))
    assert verdict is Verdict.BALANCED
    assert sums == [amounts("KGM", "1000.90718474", "1000.90718474", "0")]


def test_what_no_decimal_is_is_told_to_28_digits() -> None:
    _, sums = only(forward(made(1, [(MILK, 1, "MTS"), (SALT, 1, "KMH")], [(CHEESE, 1, "MTS")])))
    assert sums == [amounts("MTS", "1.2777777777777777777777777778", "1", None)]


def test_units_of_different_kinds_are_not_compared() -> None:
    verdict, sums = only(forward(made(1, [(MILK, 100, "LTR")], [(CHEESE, 10, "KGM")])))
    assert verdict is Verdict.INCOMPARABLE
    assert sums == [amounts("KGM", "0", "10", None), amounts("LTR", "100", "0", None)]


def test_degrees_do_not_add_up() -> None:
    assert only(forward(made(1, [(MILK, 4, "CEL")], [(CHEESE, 4, "CEL")])))[0] is Verdict.INCOMPARABLE


def test_a_unit_that_nobody_knows_is_compared_with_itself() -> None:
    assert only(forward(made(1, [(MILK, 4, "XBX")], [(CHEESE, 4, "XBX")])))[0] is Verdict.BALANCED


def test_pieces_stand_apart_from_what_is_weighed() -> None:
    happened = made(1, [(MILK, 10, "KGM"), (lot("LABELS"), 40, None)], [(CHEESE, 10, "KGM")])
    assert only(forward(happened)) == (
        Verdict.BALANCED,
        [amounts("KGM", "10", "10", "0"), amounts(None, "40", "0", None)],
    )


def test_pieces_are_compared_within_one_trade_item() -> None:
    bulk = lot("L1")
    assert only(forward(made(1, [(bulk, 3, None)], each(pack(1), pack(2))), root=bulk)) == (
        Verdict.LOSS,
        [amounts(None, "3", "2", "1")],
    )
    kits = [f"{OTHER_GTIN}/21/K{number}" for number in range(2)]
    assert only(forward(made(1, each(pack(1), pack(2), pack(3)), each(*kits)), root=pack(1))) == (
        Verdict.INCOMPARABLE,
        [amounts(None, "3", "2", None)],
    )


def test_a_dozen_is_twelve_pieces() -> None:
    bulk = lot("L1")
    happened = made(1, [(bulk, 1, "DZN")], [(lot("L2"), 12, None)])
    assert only(forward(happened, root=bulk)) == (Verdict.BALANCED, [amounts(None, "12", "12", "0")])


def test_a_thing_named_twice_is_one_piece() -> None:
    happened = made(1, each(f"{GTIN}/10/L1/21/1", pack(1), pack(2)), each(pack(3), pack(4)))
    assert only(forward(happened, root=pack(1))) == (Verdict.BALANCED, [amounts(None, "2", "2", "0")])


@pytest.mark.parametrize(
    "happened",
    [
        made(1, [(MILK, 10, "KGM"), (SALT, None, "KGM")], [(CHEESE, 10, "KGM")]),
        made(1, [(MILK, 10, "KGM"), *each(PALLET)], [(CHEESE, 10, "KGM")]),
        made(1, [(MILK, 10, "KGM")], []),
    ],
    ids=["no quantity", "a pallet", "nothing came out"],
)
def test_what_is_not_told_is_not_judged(happened: Happening) -> None:
    verdict, sums = only(forward(happened))
    assert verdict is Verdict.UNSTATED
    assert [each.loss for each in sums] == [None]


def test_events_of_one_transformation_are_added_up_and_said_twice_counts_once() -> None:
    batch = "https://maker.example/batch/1"
    in_, out = made(1, [(MILK, 10, "KGM")], [], joined=batch), made(3, [], [(CHEESE, 9, "KGM")], joined=batch)
    again = Happening(
        "transformation", 3, out.items, by="partner.example", parties=["https://id.gs1.org/417/9521234000006"]
    )
    reader = Reader("auditor.example", frozenset(), tuple(_open(who) for who in ("maker.example", "partner.example")))
    answer = trace(index_of([in_, out, again], reader=reader), TraceQuery((MILK,), Direction.FORWARD))
    assert only(answer) == (Verdict.LOSS, [amounts("KGM", "10", "9", "1")])
    assert answer.balance.transformations[0].positions == (1, 2, 3)


def test_what_a_reader_sees_in_part_is_not_judged() -> None:
    happened = made(1, [(MILK, 10, "KGM"), (SALT, 5, "KGM")], [(CHEESE, 15, "KGM")])
    reader = Reader("auditor.example", frozenset(), (_open("maker.example", "item"),))
    answer = trace(index_of([happened], reader=reader), TraceQuery((MILK,), Direction.FORWARD))
    assert [balance.verdict for balance in answer.balance.transformations] == [Verdict.UNSTATED]


def test_a_back_trace_has_its_balances() -> None:
    happened = made(1, [(MILK, 10, "KGM")], [(BLEND, 9, "KGM")]), made(2, [(BLEND, 9, "KGM")], [(CHEESE, 9, "KGM")])
    answer = trace(index_of(happened), TraceQuery((CHEESE,), Direction.BACK))
    assert {balance.verdict for balance in answer.balance.transformations} == {Verdict.LOSS, Verdict.BALANCED}


@settings(max_examples=200, deadline=None)
@given(worlds(), st.sampled_from([*CONTAINERS, *COUNTED, *map(thing_of, THINGS)]), st.sampled_from([0, 1]))
def test_every_verdict_is_the_naive_one(world: list[Happening], root: str, tolerance: int) -> None:
    index = index_of(world)
    try:
        answer = trace(index, TraceQuery((root,), tolerance=Decimal(tolerance)))
    except NotFoundError:
        return
    events: dict[str, list[object]] = {}
    for event in standing(index.all()):
        if event.view.type == "epcis.transformation_event.v2" and event.mentions:
            joined = event.view.transformation_id
            events.setdefault(f"transformation:{joined}" if joined else f"event:{event.event_id}", []).append(event)
    seen = {node.id for node in answer.nodes.values() if node.reach is None}
    assert {balance.id for balance in answer.balance.transformations} == seen
    for balance in answer.balance.transformations:
        told = {(e.occurred_at, e.parts.what): e for e in events[balance.id]}  # type: ignore[attr-defined]
        assert balance.verdict == naive_verdict([*told.values()], Fraction(tolerance)), balance  # type: ignore[list-item]
        assert balance.positions == tuple(sorted(e.position for e in events[balance.id]))  # type: ignore[attr-defined]


def shares(answer: Trace) -> dict[str, tuple[float, float | None]]:
    return {
        share.id: (float(share.most), None if share.proportional is None else float(share.proportional))
        for share in answer.balance.shares
    }


def test_a_portion_of_a_blend_may_be_nothing_but_root() -> None:
    happened = (
        made(1, [(MILK, 50, "KGM"), (SALT, 950, "KGM")], [(BLEND, 1000, "KGM")]),
        made(2, [(BLEND, 20, "KGM")], [(CHEESE, 20, "KGM")]),
        made(3, [(BLEND, 200, "KGM")], [(RIND, 200, "KGM")]),
    )
    assert shares(forward(*happened, shares=True)) == {BLEND: (0.05, 0.05), CHEESE: (1, 0.05), RIND: (0.25, 0.05)}
    assert shares(forward(*happened)) == {}


def test_what_is_made_of_roots_alone_is_all_root_whatever_is_counted() -> None:
    happened = made(1, [(MILK, None, "KGM")], each(pack(1))), made(2, each(pack(1)), [(CHEESE, 1, "KGM")])
    assert shares(forward(*happened, shares=True)) == {pack(1): (1, 1), CHEESE: (1, 1)}


def test_what_is_in_a_container_beside_the_roots_is_not_known() -> None:
    happened = (
        made(1, [(MILK, 5, "KGM"), (SALT, 5, "KGM")], each(pack(1))),
        put(2, PALLET, pack(1)),
        made(3, each(PALLET), [(CHEESE, 1, "KGM")]),
    )
    assert shares(forward(*happened, shares=True)) == {pack(1): (1, 0.5), CHEESE: (1, None)}


def test_what_was_on_a_root_and_the_members_of_its_lot_are_root() -> None:
    packed = commission(1, pack(1), number="L1"), put(2, PALLET, pack(1)), take(3, PALLET)
    happened = *packed, made(4, each(pack(1), pack(2)), [(CHEESE, 1, "KGM")])
    assert shares(forward(*happened, root=PALLET, shares=True)) == {pack(1): (1, 1), CHEESE: (1, 0.5)}
    assert shares(forward(*happened, root=lot("L1"), shares=True)) == {pack(1): (1, 1), CHEESE: (1, 0.5)}


def test_a_circle_at_one_instant_has_an_end() -> None:
    happened = (
        made(1, [(MILK, 5, "KGM"), (BLEND, 5, "KGM")], [(CHEESE, 10, "KGM")]),
        made(1, [(CHEESE, 10, "KGM")], [(BLEND, 10, "KGM")]),
    )
    assert shares(forward(*happened, shares=True)) == {BLEND: (1, None), CHEESE: (1, None)}


def test_a_long_chain_of_one_instant_is_gone_through() -> None:
    chain = [MILK, *[lot(f"Z{number}", OTHER_GTIN) for number in range(30)]]
    happened = [made(1, [(one, 2, "KGM"), (SALT, 2, "KGM")], [(next_, 4, "KGM")]) for one, next_ in pairwise(chain)]
    found = shares(forward(*reversed(happened), shares=True, max_depth=1_000))
    assert found[chain[2]] == (0.5, 0.25)
    assert abs(found[chain[30]][1] - 0.5**30) < 1e-12  # type: ignore[operator]


def test_rework_goes_round_in_time() -> None:
    happened = (
        made(1, [(MILK, 10, "KGM"), (SALT, 10, "KGM")], [(BLEND, 20, "KGM")]),
        made(2, [(BLEND, 20, "KGM")], [(CHEESE, 10, "KGM"), (RIND, 10, "KGM")]),
        made(3, [(RIND, 10, "KGM"), (SALT, 10, "KGM")], [(BLEND, 20, "KGM")]),
        made(4, [(BLEND, 20, "KGM")], [(lot("C2"), 20, "KGM")]),
    )
    assert shares(forward(*happened, shares=True))[lot("C2")] == (1, 0.375)


LOTS = [lot(f"N{number}", OTHER_GTIN) for number in range(5)]


@st.composite
def runs(draw: st.DrawFn) -> list[Run]:
    some = st.dictionaries(st.sampled_from(LOTS), st.integers(1, 20), min_size=1, max_size=3)
    drawn = [(at, draw(some), draw(some)) for at in range(1, draw(st.integers(1, 7)) + 1)]
    apart = [(at, inputs, {lot: made[lot] for lot in made if lot not in inputs}) for at, inputs, made in drawn]
    return [Run(at, inputs, outputs) for at, inputs, outputs in apart if outputs]


def kilograms(told: dict[str, int]) -> Amounts:
    return [(name, amount, "KGM") for name, amount in told.items()]


@settings(max_examples=200, deadline=None)
@given(runs(), st.randoms(use_true_random=False))
def test_shares_are_the_naive_ones_in_any_order_of_arrival(told: list[Run], random: object) -> None:
    happened = [
        made(
            at, [(name, amount, "KGM") for name, amount in inputs.items()], [(n, a, "KGM") for n, a in outputs.items()]
        )
        for at, inputs, outputs in told
    ]
    random.shuffle(happened)  # type: ignore[attr-defined]
    if LOTS[0] not in index_of(happened).known([LOTS[0]]):
        return
    naive, answer = NaiveShares(told, LOTS[:1]), forward(*happened, root=LOTS[0], shares=True)
    expected = {name for name in LOTS[1:] if naive.touched(name, 100)}
    assert {share.id for share in answer.balance.shares} == expected
    for share in answer.balance.shares:
        whole = sum(run.outputs.get(share.id, 0) for run in told)
        assert share.proportional is not None
        assert abs(Fraction(share.proportional) - naive.even(share.id, 100)) < Fraction(1, 10**11)
        most = min(Fraction(1), naive.most(share.id, 100) / whole)
        assert most <= Fraction(share.most) < most + Fraction(1, 10**11)
        assert share.proportional <= share.most


def breaches(
    *happenings: Happening, model: ChainOfCustody, **query: object
) -> list[tuple[Rule, bool, tuple[str, ...]]]:
    answer = forward(*happenings, chain_of_custody=model, **query)  # type: ignore[arg-type]
    assert {breach.id for breach in answer.balance.breaches} <= answer.nodes.keys()
    return [(breach.rule, breach.certain, breach.things) for breach in answer.balance.breaches]


def test_other_material_breaks_what_keeps_apart() -> None:
    happened = made(1, [(MILK, 5, "KGM"), (SALT, 5, "KGM")], [(BLEND, 10, "KGM")])
    model = ChainOfCustody
    assert breaches(happened, model=model.IDENTITY_PRESERVED) == [(Rule.OTHER_SOURCE, True, (SALT,))]
    assert breaches(happened, model=model.SEGREGATED) == [(Rule.FOREIGN_INPUT, True, (SALT,))]
    for allows in (model.CONTROLLED_BLENDING, model.MASS_BALANCE, model.BOOK_AND_CLAIM):
        assert breaches(happened, model=allows) == []


def test_two_roots_may_be_segregated_together_but_keep_no_identity() -> None:
    happened = [
        made(1, [(MILK, 5, "KGM"), (SALT, 5, "KGM")], [(BLEND, 10, "KGM")]),
        made(2, [(BLEND, 5, "KGM")], [(CHEESE, 5, "KGM")]),
    ]
    found = {}
    for model in (ChainOfCustody.IDENTITY_PRESERVED, ChainOfCustody.SEGREGATED):
        query = TraceQuery((MILK, SALT), Direction.FORWARD, chain_of_custody=model)
        found[model] = [(one.rule, one.things) for one in trace(index_of(happened), query).balance.breaches]
    assert found[ChainOfCustody.SEGREGATED] == []
    assert found[ChainOfCustody.IDENTITY_PRESERVED] == [(Rule.OTHER_SOURCE, tuple(sorted((MILK, SALT))))]


def test_a_pallet_that_goes_in_may_hold_anything() -> None:
    happened = put(1, PALLET, pack(1)), made(2, each(PALLET), [(CHEESE, 1, "KGM")])
    assert breaches(*happened, model=ChainOfCustody.SEGREGATED, root=pack(1)) == [
        (Rule.FOREIGN_INPUT, False, (PALLET,))
    ]
    assert breaches(*happened, model=ChainOfCustody.CONTROLLED_BLENDING, root=pack(1)) == [
        (Rule.UNKNOWN_PROPORTION, False, (PALLET,))
    ]
    assert breaches(*happened, model=ChainOfCustody.MASS_BALANCE, root=pack(1)) == [(Rule.MORE_OUT_THAN_IN, False, ())]


def test_a_gain_breaks_the_mass_balance() -> None:
    happened = made(1, [(MILK, 10, "KGM")], [(CHEESE, 11, "KGM")])
    assert breaches(happened, model=ChainOfCustody.MASS_BALANCE) == [(Rule.MORE_OUT_THAN_IN, True, ())]
    assert breaches(happened, model=ChainOfCustody.MASS_BALANCE, tolerance=Decimal("0.1")) == []


def test_a_tolerance_is_a_part() -> None:
    with pytest.raises(InvalidInputError) as caught:
        TraceQuery((MILK,), tolerance=Decimal("1.5"))
    assert caught.value.code == "trace.tolerance"


def _open(grantor: str, *parts: str) -> Grant:
    return Grant(grantor, "auditor.example", None, frozenset(parts or {"what", "where", "why", "how"}))
