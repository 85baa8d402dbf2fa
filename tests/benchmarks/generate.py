"""The feed that the benchmarks read: fifty organisations of a food supply chain, the same bytes for the same arguments.

    python -m tests.benchmarks.generate --events 1000000 [--seed 1] [--large 1] [--out feed.jsonld]
    python -m tests.benchmarks.generate --events 1000000 --organisation 12    what one partner sends
    python -m tests.benchmarks.generate --events 1000000 --documents 8 --out feed.jsonld    feed-1.jsonld …
    python -m tests.benchmarks.generate --events 100000 --describe    what is in it, as JSON

One EPCISDocument in JSON-LD, written in constant memory. Chains of a hundred events (`_chain`) run side by side in
groups; a twentieth as many runs (`_run`) name 1,000 packs in each event, one run in a hundred 10,000. So in every feed:

- 70 % ObjectEvent, 15 % AggregationEvent, 10 % TransformationEvent, 5 % TransactionEvent;
- `large` per cent of the events (1 unless said) with 1,000 items, a hundredth of these with 10,000. The others have 740
  bytes and 12 tags on average; with the large ones the mean is 1,350 bytes and 22 tags, so that a million events are
  1.35 GB, and 0.74 GB with `--large 0`;
- chains 12 steps deep; lots split and merged; pallets, bins, totes and crates that eight chains use in turn;
- 10 % of the events without eventID; 1 % arrive a group later than they happened; 0.1 % are error declarations;
- half of the organisations write EPC URNs, half Digital Links, so that most things are spelled in both ways.

Planted on purpose (`roots`): an ingredient of one lot that went into 18, 190 and 1,930 chains, and from which a trace
forward finds about 1,000, 10,000 and 100,000 nodes. The pallets of these chains carry goods of other chains before and
after, so that a trace without intervals would find several times as many.

Times begin on 2024-01-01 and are at most ten minutes apart; from 105,000 events on, a feed lasts two years.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Final, NamedTuple, Protocol

from tests.benchmarks._chain import CHAIN_EVENTS, DEPTH, OWN_NODES, Chain, ChainPlan, Ingredient, stem_of
from tests.benchmarks._partners import Partner, of_role, partners
from tests.benchmarks._run import RUN_EVENTS, RunPlan, tell_run
from tests.benchmarks._teller import Told, chance
from traceability.gs1.epcis import read_document

SEED: Final = 1
STEPS: Final = (
    "transporting", "commissioning", "packing", "storing", "unpacking", "staging_outbound", "shipping", "receiving",
    "loading", "arriving", "accepting", "inspecting", "retail_selling", "stock_taking", "sampling", "stocking",
    "creating_class_instance", "cycle_counting", "holding", "picking", "repackaging", "encoding",
)  # fmt: skip
"""The business steps that occur, from one event in eight to one in a hundred."""

HEAD: Final = (
    b'{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",'
    b'{"ext":"https://ns.example/epcis/"}],"type":"EPCISDocument","schemaVersion":"2.0",'
    b'"creationDate":"2026-01-01T00:00:00Z","epcisBody":{"eventList":[\n'
)
"""A document is this, events with commas and line feeds between them, and `TAIL`."""

TAIL: Final = b"\n]}}\n"

_SPAN: Final = 2 * 365 * 86_400_000
_SLOWEST: Final = 600_000
_REUSE: Final = 8
_RARE: Final = 500
_RUN_ITEMS: Final = 1_000
_LARGEST_ITEMS: Final = 10_000
_LARGEST_OF, _LARGEST_AT = 100, 3
_LARGE_MOST: Final = 10
_LARGE_BYTES: Final = 20_000
_SAMPLE: Final = 2_000


class Writable(Protocol):
    """Where a document goes."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""
        ...


class Family(NamedTuple):
    """Chains that take their ingredient from one lot: the first `chains` of those in some of eight residue classes."""

    nodes: int
    chains: int
    residues: tuple[int, ...]

    def member(self, chain: int) -> int | None:
        """Return the number of a chain among those of the family, None when it is none of them."""
        rounds, residue = divmod(chain, 8)
        if residue not in self.residues:
            return None
        number = rounds * len(self.residues) + self.residues.index(residue)
        return number if number < self.chains else None

    @property
    def last(self) -> int:
        """Return the number of its last chain among all."""
        rounds, place = divmod(self.chains - 1, len(self.residues))
        return 8 * rounds + self.residues[place]


FAMILIES: Final = (Family(1_000, 18, (1,)), Family(10_000, 190, (2, 3)), Family(100_000, 1_930, (5, 6, 7)))


class Root(NamedTuple):
    """A lot whose trace forward is large: its canonical identifier, and exactly how many nodes the trace has."""

    id: str
    nodes: int
    depth: int


@dataclass(frozen=True)
class Feed:
    """The feed for these arguments; `large` is how many per cent of the events name 1,000 items or more."""

    events: int
    seed: int = SEED
    large: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.large <= _LARGE_MOST:
            raise ValueError(f"Of a hundred events, 0 to {_LARGE_MOST} can be large, not {self.large}.")

    def __iter__(self) -> Iterator[Told]:
        """Yield the events in order of arrival, each with who captures it."""
        # A late event is set aside for as many others as a group has, or until the feed ends.
        waiting: deque[tuple[int, Told]] = deque()
        delay = self.group * CHAIN_EVENTS
        for number, (told, late) in enumerate(self._in_order_of_time()):
            if number == self.events:
                break
            while waiting and waiting[0][0] <= number:
                yield waiting.popleft()[1]
            if late:
                waiting.append((number + delay, told))
            else:
                yield told
        for _, told in waiting:
            yield told

    @cached_property
    def group(self) -> int:
        """How many chains run side by side: odd, so that chains of all residues take turns with a pallet."""
        return min(201, self.events // 5_000 // 8 * 8 + 9)

    @cached_property
    def pace(self) -> int:
        """Milliseconds from one event to the next."""
        return max(1, min(_SLOWEST, _SPAN // max(1, self.events)))

    @cached_property
    def whole_chains(self) -> int:
        """How many chains are told to their end."""
        per_group = self.group * CHAIN_EVENTS
        # Runs come on top; with those of one group more than can be, what is counted is surely there.
        with_runs = per_group if not self.large else per_group + RUN_EVENTS * (self.group // self.between_runs + 1)
        return self.events // with_runs * self.group

    @cached_property
    def between_runs(self) -> int:
        """How many chains there are for each run."""
        return max(1, round(RUN_EVENTS / self.large * 100 / CHAIN_EVENTS)) if self.large else 0

    def chain(self, number: int) -> ChainPlan:
        """Return the plan of a chain."""
        group, place = divmod(number, self.group)
        return ChainPlan(
            seed=self.seed,
            number=number,
            asset=group // _REUSE * self.group + place,
            ingredient=self._ingredient(number),
            at=(group * self.group * CHAIN_EVENTS + place) * self.pace,
            pace=self.group * self.pace,
            rare=number % _RARE == _RARE // 2,
        )

    def _ingredient(self, number: int) -> Ingredient:
        for family in FAMILIES:
            member = family.member(number)
            if member is not None:
                return Ingredient(f"R{family.nodes}S{stem_of(self.seed, 0)}", family.nodes % 4, first=member == 0)
        # Chains outside the families share a lot by four.
        first = number // 4 * 4
        return Ingredient(f"I{stem_of(self.seed, first)}", first // 4 % 4, first=number == first)

    def _run(self, number: int) -> RunPlan:
        group = number * self.between_runs // self.group
        # A little before the group's chains, so that the order of time is kept.
        at = max(0, group * self.group * CHAIN_EVENTS * self.pace - 1 - number % 7)
        items = _LARGEST_ITEMS if number % _LARGEST_OF == _LARGEST_AT else _RUN_ITEMS
        return RunPlan(self.seed, number, items, at, self.group * self.pace * CHAIN_EVENTS // RUN_EVENTS)

    def _in_order_of_time(self) -> Iterator[tuple[Told, bool]]:
        chains, runs = 0, 0
        while True:
            told = [
                (Chain(self.chain(n)).tell(), _late_stage(self.seed, n)) for n in range(chains, chains + self.group)
            ]
            chains += self.group
            large = []
            while self.between_runs and runs * self.between_runs < chains:
                large.append(tell_run(self._run(runs)))
                runs += 1
            for stage in range(CHAIN_EVENTS):
                if stage % (CHAIN_EVENTS // RUN_EVENTS) == 0:
                    for events in large:
                        yield events[stage * RUN_EVENTS // CHAIN_EVENTS], False
                for events, late in told:
                    yield events[stage], stage == late


def _late_stage(seed: int, chain: int) -> int:
    return chance(seed, f"late in {chain}")[0] * CHAIN_EVENTS // 256


def feed(events: int, seed: int = SEED, *, large: float = 1.0, organisation: int | None = None) -> Iterator[bytes]:
    """Yield the JSON of each event, of all organisations or of one; their names need the context of `HEAD`."""
    for captor, text in Feed(events, seed, large):
        if organisation is None or captor == organisation:
            yield text.encode()


def document(events: int, seed: int, out: Writable, *, large: float = 1.0, organisation: int | None = None) -> None:
    """Write one document."""
    write(feed(events, seed, large=large, organisation=organisation), [out])


def write(events: Iterable[bytes], outs: Sequence[Writable]) -> None:
    """Write documents, the events going to each in turn."""
    before = [HEAD] * len(outs)
    for number, event in enumerate(events):
        place = number % len(outs)
        outs[place].write(before[place] + event)
        before[place] = b",\n"
    for out, start in zip(outs, before, strict=True):
        out.write(HEAD + TAIL if start == HEAD else TAIL)


def organisations() -> tuple[Partner, ...]:
    """Return the fifty organisations by index: name, GLNs, company prefix."""
    return partners()


def broad_prefix() -> str:
    """Return the company prefix of the pallets, bins and crates, which stands in most events."""
    return of_role("pool")[0].prefix


def rare_prefix() -> str:
    """Return the company prefix of the packer that one chain in five hundred is about."""
    return of_role("packer")[-1].prefix


def places() -> list[str]:
    """Return the canonical identifiers of every read point."""
    return [point.link for partner in partners() for point in partner.points]


def things(
    count: int,
    events: int,
    seed: int = SEED,
    *,
    large: float = 1.0,
    kinds: Sequence[str] = ("pack", "pallet", "lot", "case"),
    packer: int | None = None,
) -> list[str]:
    """Return canonical identifiers of different things of these kinds in turn, spread over the whole chains of a feed.

    `packer` is the index of the organisation that put up the goods, if it matters who may see them. There are fewer
    than `count` when the feed has no more.
    """
    chains = _spread(count, Feed(events, seed, large), packer)
    found: dict[str, None] = {}
    for turn in range(len(kinds)):
        for n, chain in enumerate(chains):
            if len(found) < count:
                found[chain.thing(kinds[(n + turn) % len(kinds)]).link] = None
    return list(found)


def transactions(count: int, events: int, seed: int = SEED, *, large: float = 1.0) -> list[str]:
    """Return purchase orders, spread over the whole chains of a feed."""
    return [f"{chain.order}D" for chain in _spread(count, Feed(events, seed, large), None)]


def _spread(count: int, whole: Feed, packer: int | None) -> list[Chain]:
    numbers: Sequence[int] = range(whole.whole_chains)
    if packer is not None:
        numbers = [n for n in numbers if Chain(whole.chain(n)).packer.index == packer]
    return [Chain(whole.chain(n)) for n in numbers[:: max(1, len(numbers) // count)][:count]]


def roots(events: int, seed: int = SEED, *, large: float = 1.0) -> list[Root]:
    """Return the planted lots whose chains are all told to their end, the smallest trace first."""
    whole = Feed(events, seed, large)
    found = []
    for family in FAMILIES:
        if family.last < whole.whole_chains:
            chains = [n for n in range(family.last + 1) if family.member(n) is not None]
            # Sacks, tote, crate and two pallets are shared with whichever chain has the same number of assets.
            assets = {whole.chain(n).asset for n in chains}
            nodes = 1 + OWN_NODES * len(chains) + 5 * len(assets)
            found.append(Root(whole.chain(chains[0]).ingredient.lot.link, nodes, DEPTH))
    return found


def describe(events: int, seed: int = SEED, *, large: float = 1.0) -> dict[str, object]:
    """Return what is in a feed: counts, mean bytes and tags of small events and of all; tags are those of a sample."""
    types: Counter[str] = Counter()
    sizes: dict[bool, list[int]] = {False: [], True: []}
    sample: dict[bool, list[bytes]] = {False: [], True: []}
    without_id = declarations = 0
    for event in feed(events, seed, large=large):
        types[event[9 : event.index(b'"', 9)].decode()] += 1
        without_id += b'"eventID":' not in event
        declarations += b'"errorDeclaration":' in event
        is_large = len(event) > _LARGE_BYTES
        sizes[is_large].append(len(event))
        if len(sizes[is_large]) % max(1, events // _SAMPLE) == 0:
            sample[is_large].append(event)
    tags = {is_large: _tags(found) for is_large, found in sample.items()}
    return {
        "events": events,
        "seed": seed,
        "types": dict(types),
        "without_event_id": without_id,
        "error_declarations": declarations,
        "large_events": len(sizes[True]),
        "mean_bytes": round(mean(sizes[False]), 1),
        "mean_bytes_with_large": round(mean(sizes[False] + sizes[True]), 1),
        "mean_tags": round(tags[False], 2),
        "mean_tags_with_large": round((len(sizes[False]) * tags[False] + len(sizes[True]) * tags[True]) / events, 2),
        "milliseconds_apart": Feed(events, seed, large).pace,
        "roots": [root._asdict() for root in roots(events, seed, large=large)],
        "broad_prefix": broad_prefix(),
        "rare_prefix": rare_prefix(),
    }


def _tags(events: Sequence[bytes]) -> float:
    read = read_document(HEAD + b",".join(events) + TAIL, captured_by="partner.example")
    return mean([len(captured.event.tags) for captured in read.events] or [0])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--large", type=float, default=1.0, help="per cent of events with 1,000 items or more")
    parser.add_argument(
        "--organisation", type=int, choices=range(len(partners())), metavar="0…49", help="only what this one captures"
    )
    parser.add_argument("--documents", type=int, default=1, help="how many documents to write")
    parser.add_argument("--out", type=Path, help="the document; standard output if not given")
    parser.add_argument("--describe", action="store_true", help="say as JSON what is in the feed, and write none")
    chosen = parser.parse_args(arguments)
    if chosen.describe:
        print(json.dumps(describe(chosen.events, chosen.seed, large=chosen.large)))
        return
    if chosen.documents > 1 and chosen.out is None:
        parser.error("--documents needs --out")
    events = feed(chosen.events, chosen.seed, large=chosen.large, organisation=chosen.organisation)
    with ExitStack() as opened:
        if chosen.out is None:
            write(events, [sys.stdout.buffer])
        else:
            write(events, [opened.enter_context(path.open("wb")) for path in _paths(chosen.out, chosen.documents)])


def _paths(out: Path, documents: int) -> list[Path]:
    if documents == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{n}{out.suffix}") for n in range(1, documents + 1)]


if __name__ == "__main__":
    main()
