"""Lots in random worlds: against a reckoning of each kilogram by itself, and as a machine that keeps books."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from tests.support.happenings import MAKER, STORE, Happening, index_of
from tests.support.holders import CARRIER, PARTIES, PARTY, SEES_ALL, SHOP
from tests.support.lots import LOT, Said, balanced, content, made, received, shipped, used, worlds
from tests.support.naive_lot import Kilo, NaiveStock
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.supply_chain.history import item_history
from traceability.supply_chain.lot.accounts import Total
from traceability.supply_chain.lot.lot import Lot, Told, lot_of
from traceability.supply_chain.lot.reading import members_of, read_lot
from traceability.supply_chain.lot.terms import Code

WHO = [MAKER, SHOP, CARRIER]


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 12), worlds)
def test_each_kilogram_by_itself_is_where_the_books_have_it(start: int, world: list[Said]) -> None:
    world = [*([made(0, start)] if start else []), *world]
    index = index_of(world, reader=SEES_ALL)
    try:
        entries = item_history(index, LOT, PARTIES).entries
    except NotFoundError:
        return
    # Who may say what was judged before; here all of it counts.
    told = Told([replace(entry, authority=None) for entry in entries])
    naive = NaiveStock()
    for entry in told.entries:
        if entry.counts:
            naive.hear(entry)
    found = lot_of(LOT, told, PARTIES.organisation_of)
    assert {Kilo(*row.account): int(row.quantity) for row in found.stock} == naive.rows()
    totals = {total.value: int(amount) for one in found.sums for total, amount in one.totals.items() if amount}
    assert totals == {total: count for total, count in naive.totals.items() if count}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds)
def test_what_is_hidden_changes_nothing(world: list[Said]) -> None:
    """The shop sees what it recorded and what is sent to it: a ledger without the rest tells it the same."""
    shop = Reader(SHOP, frozenset({SHOP, _gln(SHOP)}))
    world = [one for place, one in enumerate(world) if one not in world[:place]]
    visible = [place for place, one in enumerate(world) if one.by == SHOP or _is_for_shop(one)]
    bare = [world[place] for place in visible]
    told: list[object] = []
    for said, ids in ((world, list(range(len(world)))), (bare, visible)):
        index = index_of(said, reader=shop)
        try:
            told.append((content(read_lot(index, LOT, PARTIES)[0], ids), members_of(index, LOT)))
        except NotFoundError:
            told.append(None)
    assert told[0] == told[1]


def _gln(name: str) -> str:
    return PARTY[name].rpartition("/")[2]


def _is_for_shop(one: Said) -> bool:
    return isinstance(one, Happening) and PARTY[SHOP] in one.destinations.values()


class Trading(RuleBasedStateMachine):
    """Makes, ships, receives and uses what there is, and now and then more; keeps plain books beside the fold's."""

    @initialize(seed=st.integers(0, 1_000))
    def begin(self, seed: int) -> None:
        self.random = Random(seed)
        self.said: list[Said] = []
        self.held: Counter[str] = Counter()
        self.under_way: dict[tuple[str, str], int] = {}
        self.used = self.made = self.short = 0
        self.at = 0

    def tell(self, one: Said) -> None:
        self.said.append(one)

    def later(self) -> int:
        self.at += 1
        return self.at

    @rule(amount=st.integers(1, 50))
    def make(self, amount: int) -> None:
        self.tell(made(self.later(), amount))
        self.held[MAKER] += amount
        self.made += amount

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([one for one in WHO if self.held[one]]))
        to = data.draw(st.sampled_from([one for one in WHO if one != who]))
        amount = data.draw(st.integers(1, self.held[who]))
        self.tell(shipped(self.later(), amount, to=to, by=who))
        self.held[who] -= amount
        self.under_way[who, to] = self.under_way.get((who, to), 0) + amount

    @precondition(lambda self: any(self.under_way.values()))
    @rule(data=st.data())
    def take_over(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted({to for (_, to), amount in self.under_way.items() if amount})))
        sent = sorted(pair for pair in self.under_way if pair[1] == who)
        amount = data.draw(st.integers(1, sum(self.under_way[pair] for pair in sent)))
        self.tell(received(self.later(), amount, by=who, place=STORE))
        self.held[who] += amount
        for pair in sent:
            part = min(amount, self.under_way[pair])
            self.under_way[pair] -= part
            amount -= part

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([one for one in WHO if self.held[one]]))
        amount = data.draw(st.integers(1, self.held[who]))
        self.tell(used(self.later(), amount, by=who))
        self.held[who] -= amount
        self.used += amount

    @precondition(lambda self: self.held[MAKER] and not any(self.under_way.values()))
    @rule(more=st.integers(1, 9))
    def use_more_than_there_is(self, more: int) -> None:
        self.tell(used(self.later(), self.held[MAKER] + more))
        self.used += self.held[MAKER] + more
        self.held[MAKER] = 0
        self.short += 1

    def seen(self, said: list[Said]) -> Lot:
        return read_lot(index_of(said, reader=SEES_ALL), LOT, PARTIES)[0]

    @invariant()
    def the_books_agree(self) -> None:
        if not self.said:
            return
        found = self.seen(self.said)
        held = Counter[str]()
        under_way = Counter[tuple[str, str]]()
        for row in found.stock:
            assert row.quantity > 0
            if row.account.under_way:
                assert row.account.to is not None
                under_way[row.account.holder, row.account.to] += int(row.quantity)
            else:
                held[row.account.holder] += int(row.quantity)
        assert held == +self.held
        assert under_way == +Counter(self.under_way)
        assert balanced(found)
        assert Counter(one.code for one in found.findings) == +Counter({Code.BELOW_ZERO: self.short})
        (one,) = found.sums
        assert Fraction(one.totals[Total.USED]) == self.used
        assert Fraction(one.totals[Total.MADE]) == self.made

    @invariant()
    def the_order_of_arrival_does_not_matter(self) -> None:
        if self.said:
            order = self.random.sample(range(len(self.said)), len(self.said))
            shuffled = self.seen([self.said[place] for place in order])
            assert content(shuffled, order) == content(self.seen(self.said), list(range(len(self.said))))


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
