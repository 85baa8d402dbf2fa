"""A run: twenty events of the generated feed, each about a thousand packs or more, in the proportions of a chain."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.benchmarks._chain import stem_of, unit_number
from tests.benchmarks._partners import of_role
from tests.benchmarks._teller import Teller, Told, chance, master

RUN_EVENTS: Final = 20
_PALLET: Final = 2


class RunPlan(NamedTuple):
    """What is settled before a run is told; `items` is how many packs each event names, times are milliseconds."""

    seed: int
    number: int
    items: int
    at: int
    pace: int


def tell_run(plan: RunPlan) -> list[Told]:
    """Return the events in order of time: made, packed, moved, repacked and counted, and melted down in the end."""
    picked = chance(plan.seed, f"cast of run {plan.number}")
    packers, distributors = of_role("packer"), of_role("distributor")
    packer, distributor = packers[picked[0] % (len(packers) - 1)], distributors[picked[1] % len(distributors)]
    stem = stem_of(plan.seed, plan.number)
    bulk, melted = packer.products[3].lot(f"Q{stem}"), distributor.products[3].lot(f"Q{stem}")
    packs = [packer.products[0].item(f"Q{stem}{n:05d}") for n in range(plan.items)]
    pallets = [packer.unit(_PALLET, unit_number(plan.seed, 2 * plan.number + n)) for n in range(2)]
    order = f"urn:epcglobal:cbv:bt:{packer.glns[0]}:PO{stem}Q"
    teller = Teller(plan.seed, f"run {plan.number}", plan.number, plan.at, plan.pace)
    made = master(f"Q{stem}", "Cheese, 20 g", picked[2])
    teller.transform(packer, lots=[(bulk, plan.items // 50)], into=packs, rest=made)
    for step, disposition in (("encoding", "encoded"), ("inspecting", "conformant"), ("storing", "in_progress")):
        teller.observe(packer, step, disposition, items=packs)
    teller.pack(packer, pallets[0], items=packs)
    for step, disposition in (("staging_outbound", "container_closed"), ("shipping", "in_transit")):
        teller.observe(packer, step, disposition, items=packs)
    teller.transact(distributor, packs, ("po", order), ("inv", f"{order}I"))
    for step, disposition in (("receiving", "in_progress"), ("accepting", "in_progress")):
        teller.observe(distributor, step, disposition, items=packs)
    teller.unpack(distributor, pallets[0], items=packs)
    for step in ("stock_taking", "cycle_counting", "picking"):
        teller.observe(distributor, step, "sellable_not_accessible", items=packs)
    teller.pack(distributor, pallets[1], items=packs)
    for step, disposition in (("storing", "in_progress"), ("stock_taking", "expired"), ("holding", "recalled")):
        teller.observe(distributor, step, disposition, items=packs)
    teller.observe(distributor, "inspecting", "non_sellable_other", items=packs)
    teller.transform(distributor, items=packs, into_lots=[(melted, plan.items // 50)])
    return teller.told
