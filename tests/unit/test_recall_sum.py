"""The sum of a recall: each thing once, amounts exactly, and what is missing is named."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.support.recalls import CASE, OPENED, OPENER, ROOT, SCOPED, SHOP, STORE, THINGS, notified, said, story
from traceability.supply_chain.affected import AffectedLot, LotSum
from traceability.supply_chain.recall.case import Notice, case_of
from traceability.supply_chain.recall.events import Outcome, RecallAcknowledged, Told
from traceability.supply_chain.recall.reconciling import Came, Fate, added_up
from traceability.supply_chain.recall.scope import Affected

FATES = {Outcome.QUARANTINED: Fate.RECOVERED, Outcome.DESTROYED: Fate.DESTROYED, Outcome.GONE: Fate.NOT_FOUND}
Lines = list[tuple[Outcome, str, str | None]]


def told(organisation: str, lines: Lines, thing: str = ROOT) -> RecallAcknowledged:
    said = tuple(Told(thing=thing, outcome=how, quantity=Decimal(amount), uom=uom) for how, amount, uom in lines)
    return RecallAcknowledged(case=CASE, notice=f"to {organisation}", told=said)


def notices(*answers: tuple[str, Lines]) -> Sequence[Notice]:
    sent = [notified(name, ROOT, *THINGS) for name in (SHOP, STORE)]
    found = case_of(story(OPENED, SCOPED, *sent, *((told(name, lines), name) for name, lines in answers)))
    assert found is not None
    assert found.claims == ()
    return found.notices


def left(amount: str | None, uom: str | None = "KGM") -> list[AffectedLot]:
    of = None if amount is None else Decimal(amount)
    return [AffectedLot(ROOT, (LotSum(uom, of, Decimal(0), of),))]


BOTH = [Affected(ROOT, (SHOP, STORE), ())]
IN = Outcome.QUARANTINED


def test_amounts_of_a_lot_add_up_in_one_unit_and_what_is_left_over_is_missing() -> None:
    answers = notices((SHOP, [(IN, "20", "KGM"), (Outcome.GONE, "5000", "GRM")]), (STORE, [(IN, "1.5", "KGM")]))
    total = added_up(BOTH, left("30"), answers, {})
    (account,) = total.lots
    assert (account.lot, account.uom, account.left) == (ROOT, "KGM", Decimal(30))
    assert (account.recovered, account.destroyed, account.not_found) == (Decimal("21.5"), Decimal(0), Decimal(5))
    assert (account.missing, total.missing) == (Decimal("3.5"), (ROOT,))
    whole = added_up(BOTH, left("26.5"), answers, {})
    assert (whole.lots[0].missing, whole.missing, whole.fates[Fate.NOT_FOUND]) == (Decimal(0), (), 1)


def test_of_a_thing_the_last_answer_counts_with_all_its_lines() -> None:
    answers = notices((SHOP, [(IN, "1", "KGM"), (IN, "2", "KGM")]), (SHOP, [(Outcome.DESTROYED, "4", "KGM")]))
    (account,) = added_up(BOTH, left(None), answers, {}).lots
    assert (account.recovered, account.destroyed, account.left, account.missing) == (Decimal(0), Decimal(4), None, None)


def test_what_the_opener_says_of_a_thing_takes_the_place_of_what_was_acknowledged() -> None:
    answers = notices((SHOP, [(IN, "1", "KGM")]))
    total = added_up(BOTH, left("3"), answers, {ROOT: [Came(Fate.DESTROYED, Decimal(3), "KGM")]})
    assert (total.lots[0].recovered, total.lots[0].destroyed, total.fates[Fate.DESTROYED]) == (
        Decimal(0),
        Decimal(3),
        1,
    )


_amounts = st.decimals(0, 100, places=2).map(str)
_lines = st.lists(st.tuples(st.sampled_from(list(Outcome)), _amounts, st.sampled_from(["KGM", "GRM"])), max_size=4)


@given(st.lists(st.tuples(st.sampled_from([SHOP, STORE]), _lines), max_size=5), _amounts)
def test_it_is_the_sum_of_the_last_lines_of_each(answers: list[tuple[str, Lines]], was_left: str) -> None:
    total = added_up(BOTH, left(was_left), notices(*answers), {})
    last = {name: lines for name, lines in answers if lines}
    lines = [line for of in last.values() for line in of if line[0] is not Outcome.FOUND]
    kilograms = dict.fromkeys(Fate, Decimal(0))
    for how, amount, uom in lines:
        kilograms[FATES[how]] += Decimal(amount) / (1 if uom == "KGM" else 1000)
    accounts = {(one.recovered, one.destroyed, one.not_found, one.missing) for one in total.lots}
    expected = (*(kilograms[fate] for fate in Fate), Decimal(was_left) - sum(kilograms.values()))
    assert accounts == ({expected} if lines else set())
    all_told = last.keys() == {SHOP, STORE} and all(how is not Outcome.FOUND for of in last.values() for how, *_ in of)
    is_short = bool(lines) and expected[-1] > 0
    assert total.missing == (() if all_told and not is_short else (ROOT,))
    assert sum(total.fates.values()) + total.unheld + len(total.missing) == 1


_fates = st.lists(st.tuples(st.sampled_from([SHOP, STORE]), st.sampled_from(THINGS), st.sampled_from(list(Outcome))))


@given(_fates, st.lists(st.sampled_from([(SHOP,), (STORE,), (SHOP, STORE), ()]), min_size=2, max_size=2))
def test_each_thing_counts_once(answers: list[tuple[str, str, Outcome]], holders: list[tuple[str, ...]]) -> None:
    affected = [Affected(thing, of, ()) for thing, of in zip(THINGS, holders, strict=True)]
    sent = [said(OPENED, at=0), said(SCOPED, at=1), *(said(notified(n, *THINGS), at=2) for n in (SHOP, STORE))]
    for at, (name, thing, how) in enumerate(answers, 3):
        answer = RecallAcknowledged(case=CASE, notice=f"to {name}", told=(Told(thing=thing, outcome=how),))
        sent.append(said(answer, name, at, at))
    found = case_of(sent)
    assert found is not None
    assert found.opened_by == OPENER
    total = added_up(affected, (), found.notices, {})
    last = {(name, thing): how for name, thing, how in answers}
    for one in affected:
        hows = [how for (_, thing), how in last.items() if thing == one.thing]
        is_told = bool(hows) and all((holder, one.thing) in last for holder in one.holders)
        accounted = is_told and Outcome.FOUND not in hows
        assert (one.thing in total.missing) == (not accounted and bool(one.holders))
    assert sum(total.fates.values()) + total.unheld + len(total.missing) == len(affected)
