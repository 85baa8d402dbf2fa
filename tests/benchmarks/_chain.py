"""A chain: a hundred events of the generated feed from a farm to two stores.

70 are of type Object, 15 Aggregation, 10 Transformation and 5 Transaction. A chain is a function of the feed's seed and
its own number, so nothing is kept from one to the next. The way of its ingredient, each arrow a step of a trace:

    ingredient → blend → tote → cooked → split → merged → pallet → bulk → packs → case → kits → crate → portions

The raw goods join in the blend. A second case goes to another store, whose leftovers become scraps.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

from tests.benchmarks._partners import Key, Partner, of_role
from tests.benchmarks._teller import Teller, Told, chance, master, note

_T = TypeVar("_T")

CHAIN_EVENTS: Final = 100
DEPTH: Final = 12
"""Steps of a trace from a chain's ingredient to its portions."""

PACKS: Final = 20
KITS: Final = 4
PORTIONS: Final = 8
OWN_NODES: Final = 5 + 1 + PACKS + 2 + KITS + PORTIONS + 1 + 9
"""Nodes of a trace from the ingredient that no other chain has: lots, bulk, packs, cases, kits, portions, scraps and
transformations, of which one is told in two events."""

_ASSETS: Final = (1, 2, 3, 4)
_PALLET, _CASE = 0, 1
_MISPACKED, _MISCOUNTED = 7, 17


class Ingredient(NamedTuple):
    """A lot that goes into one or more chains; the first of them tells that it was made."""

    number: str
    supplier: int
    first: bool

    @property
    def lot(self) -> Key:
        """Return the identifier of the lot."""
        return of_role("supplier")[self.supplier].products[0].lot(self.number)


class ChainPlan(NamedTuple):
    """What is settled before a chain is told.

    `asset` numbers its pallets, bins, totes and crates, which other chains use before and after. `at` and `pace` are
    milliseconds: when the first event is, and how long after each follows the next. A `rare` chain is about the packer
    whose prefix is rare.
    """

    seed: int
    number: int
    asset: int
    ingredient: Ingredient
    at: int
    pace: int
    rare: bool


class Chain:
    """Who and what a chain is about, and what happens."""

    def __init__(self, plan: ChainPlan) -> None:
        self.plan = plan
        self._chance = picked = chance(plan.seed, f"cast of {plan.number}")
        stores, packers, pool = of_role("store"), of_role("packer"), of_role("pool")[0]
        self.stem = stem = stem_of(plan.seed, plan.number)
        self.ingredient = plan.ingredient.lot
        self.supplier = of_role("supplier")[plan.ingredient.supplier]
        self.farm = _one(of_role("farm"), picked[0])
        self.processor = _one(of_role("processor"), picked[1])
        self.packer = packers[-1] if plan.rare else _one(packers[:-1], picked[2])
        self.carrier = _one(of_role("carrier"), picked[3])
        self.distributor = _one(of_role("distributor"), picked[4])
        self.store = _one(stores, picked[5])
        self.other_store = _one(stores, picked[5] + 1 + picked[6] % (len(stores) - 1))
        self.order = f"urn:epcglobal:cbv:bt:{self.packer.glns[0]}:PO{stem}"
        self.bulk = self.packer.products[3].lot(f"D{stem}")
        self.product = _one(self.packer.products[:3], picked[7])
        self.packs = [self.product.item(f"{stem}{n:02d}") for n in range(PACKS)]
        self.lot = self.product.lot(f"K{stem}")
        units = unit_number(plan.seed, 2 * plan.number)
        self.cases = [self.packer.unit(_CASE, units + n) for n in range(2)]
        assets = unit_number(plan.seed, 2 * plan.asset)
        self.pallet, self.mixed_pallet = (pool.unit(_PALLET, assets + n) for n in range(2))
        self.sacks, self.bin, self.tote, self.crate = (
            pool.asset(kind, stem_of(plan.seed, plan.asset)) for kind in _ASSETS
        )

    def thing(self, kind: str) -> Key:
        """Return the pack, case, pallet or lot of packs that people ask for."""
        return {"pack": self.packs[-1], "case": self.cases[0], "pallet": self.mixed_pallet, "lot": self.lot}[kind]

    def tell(self) -> list[Told]:
        """Return the events in order of time."""
        plan = self.plan
        teller = Teller(plan.seed, f"chain {plan.number}", plan.number, plan.at, plan.pace)
        self._brought(teller)
        self._processed(teller)
        self._put_up(teller)
        self._distributed(teller)
        self._sold(teller)
        return teller.told

    def _brought(self, teller: Teller) -> None:
        farm, supplier, processor = self.farm, self.supplier, self.processor
        salt, number = (self.ingredient, 25), self.plan.ingredient.number
        raw = (farm.products[0].lot(f"F{self.stem}"), 1000)
        if self.plan.ingredient.first:
            made = master(number, "Salt, fine", self._chance[10])
            stock = [(self.ingredient, 50_000)]
            teller.observe(supplier, "creating_class_instance", "active", lots=stock, action="ADD", rest=made)
        else:
            teller.observe(supplier, "stock_taking", "active", lots=[salt], rest=note("shelf", number))
        made = master(f"F{self.stem}", "Raw milk", self._chance[11])
        teller.observe(farm, "creating_class_instance", "active", lots=[raw], action="ADD", rest=made)
        teller.observe(farm, "inspecting", "conformant", lots=[raw], rest=note("grade", "A"))
        teller.pack(supplier, self.sacks, lots=[salt])
        teller.pack(farm, self.bin, lots=[raw])
        self._ship(teller, self.sacks, supplier, processor, "S")
        self._ship(teller, self.bin, farm, processor, "F")
        teller.transact(processor, [self.sacks, self.bin], ("po", f"{self.order}F"), ("inv", f"{self.order}I"))
        teller.unpack(processor, self.sacks, lots=[salt])

    def _processed(self, teller: Teller) -> None:
        who, stem = self.processor, self.stem
        blend, cooked, half, rest, merged = (who.products[0].lot(f"{letter}{stem}") for letter in "BCGHM")
        made = master(f"B{stem}", "Blend", self._chance[12])
        salt = [(self.ingredient, 25)]
        teller.transform(who, items=[self.bin], lots=salt, into_lots=[(blend, 1025)], rest=made)
        teller.unpack(who, self.bin)
        teller.observe(who, "sampling", "in_progress", lots=[(blend, 1025)], rest=note("laboratory", "own"))
        teller.pack(who, self.tote, lots=[(blend, 1025)])
        teller.observe(who, "holding", "in_progress", items=[self.tote], rest=note("until", "cooked through"))
        made = master(f"C{stem}", "Cooked", self._chance[13])
        teller.transform(who, items=[self.tote], into_lots=[(cooked, 1020)], rest=made)
        teller.unpack(who, self.tote)
        teller.transform(who, lots=[(cooked, 1020)], into_lots=[(half, 600), (rest, 420)], rest=note("line", "2"))
        teller.observe(who, "inspecting", "conformant", lots=[(half, 600), (rest, 420)])
        teller.observe(who, "storing", "in_progress", lots=[(rest, 420)])
        # One transformation, told in two events that its name joins.
        joined = who.document(stem)
        teller.transform(who, lots=[(half, 600), (rest, 420)], joined=joined)
        teller.transform(who, into_lots=[(merged, 1020)], joined=joined, rest=master(f"M{stem}", "Mass", 9))
        teller.observe(who, "sampling", "conformant", lots=[(merged, 1020)], rest=note("laboratory", "North"))
        teller.pack(who, self.pallet, lots=[(merged, 1020)])
        self._ship(teller, self.pallet, who, self.packer, "P")

    def _put_up(self, teller: Teller) -> None:
        who, first, second = self.packer, self.packs[: PACKS // 2], self.packs[PACKS // 2 :]
        teller.transact(who, [self.pallet], ("po", f"{self.order}P"), ("recadv", f"{self.order}R"))
        teller.transform(who, items=[self.pallet], into_lots=[(self.bulk, 1010)], rest=note("line", "filling"))
        teller.unpack(who, self.pallet)
        made = master(f"K{self.stem}", "Cheese, 250 g", self._chance[14])
        teller.transform(who, lots=[(self.bulk, 1010)], into=self.packs, rest=made)
        teller.observe(who, "inspecting", "conformant", items=self.packs[:4], rest=note("sample", "4"))
        teller.pack(who, self.cases[0], items=first)
        teller.pack(who, self.cases[1], items=second)
        self._erred(teller)
        teller.pack(who, self.mixed_pallet, items=self.cases)
        self._ship(teller, self.mixed_pallet, who, self.distributor, "D")

    def _erred(self, teller: Teller) -> None:
        """In one chain of ten, the packer says something that is not so and takes it back."""
        who, number = self.packer, self.plan.number
        if number % 20 == _MISPACKED:
            teller.pack(who, who.unit(_CASE, unit_number(self.plan.seed, -1 - number)), items=self.packs[:5])
            teller.take_back("did_not_occur")
        elif number % 20 == _MISCOUNTED:
            teller.observe(who, "cycle_counting", "damaged", items=self.packs[5:9])
            teller.take_back("incorrect_data")
        else:
            teller.observe(who, "encoding", "encoded", items=self.cases)
            teller.observe(of_role("pool")[0], "inspecting", "available", items=[self.bin, self.tote])

    def _distributed(self, teller: Teller) -> None:
        who, cases, order = self.distributor, self.cases, self.order
        kits = [who.products[1].item(f"{self.stem}{n:02d}") for n in range(KITS)]
        teller.unpack(who, self.mixed_pallet, items=cases)
        teller.transact(who, cases, ("po", f"{order}D"), ("inv", f"{order}J"))
        teller.observe(who, "stock_taking", "sellable_not_accessible", items=cases)
        teller.transform(who, "repackaging", items=cases[:1], into=kits, rest=note("recipe", "gift box"))
        teller.pack(who, self.crate, items=kits)
        teller.observe(who, "picking", "in_progress", items=cases[1:], rest=note("wave", self.stem))
        self._ship(teller, self.crate, who, self.store, "E")
        self._ship(teller, cases[1], who, self.other_store, "O")

    def _sold(self, teller: Teller) -> None:
        who, order = self.store, self.order
        portions = [who.products[1].item(f"{self.stem}{n:02d}") for n in range(PORTIONS)]
        teller.transact(who, [self.crate], ("po", f"{order}E"), ("recadv", f"{order}U"))
        made = master(f"P{self.stem}", "Cheese, sliced", self._chance[15])
        teller.transform(who, items=[self.crate], into=portions, rest=made)
        teller.unpack(who, self.crate)
        teller.observe(who, "stocking", "sellable_accessible", items=portions)
        teller.observe(who, "retail_selling", "retail_sold", items=portions[:3], action="DELETE")
        teller.observe(who, "inspecting", "damaged", items=portions[3:4], rest=note("reason", "seal"))
        who, left = self.other_store, self.packs[PACKS // 2 :]
        scraps = (who.products[2].lot(f"W{self.stem}"), 1)
        teller.transact(who, self.cases[1:], ("po", f"{order}O"), ("inv", f"{order}V"))
        teller.unpack(who, self.cases[1])
        teller.observe(who, "stocking", "sellable_accessible", items=left[:8])
        teller.observe(who, "retail_selling", "retail_sold", items=left[:3], action="DELETE")
        teller.observe(who, "retail_selling", "retail_sold", items=left[3:4], action="DELETE")
        teller.transform(who, items=left[-2:], into_lots=[scraps], rest=note("use", "feed"))
        teller.observe(who, "storing", "non_sellable_other", lots=[scraps])
        teller.observe(who, "stock_taking", "sellable_accessible", items=left[7:8])
        teller.observe(who, "cycle_counting", "sellable_accessible", items=left[4:8])

    def _ship(self, teller: Teller, goods: Key, sender: Partner, receiver: Partner, leg: str) -> None:
        ways = (sender, self.carrier, receiver)
        teller.ship(goods, ways, order=f"{self.order}{leg}", device=self.plan.asset)


def stem_of(seed: int, number: int) -> str:
    """Return what the serial and lot numbers of a chain begin with: three digits of the feed, six of the chain."""
    return f"{chance(seed, 'feed')[0]:03d}{number:06d}"


def unit_number(seed: int, number: int) -> int:
    """Return the serial of a logistic unit, so that two feeds seldom speak of the same one."""
    return int.from_bytes(chance(seed, "units")[:6], "big") + number


def _one(choices: tuple[_T, ...], byte: int) -> _T:
    return choices[byte % len(choices)]
