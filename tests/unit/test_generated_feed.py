"""The benchmarks' feed is what its description says, and the same everywhere."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from adapters.memory.provenance import MemoryProvenance
from adapters.system import SystemClock, SystemEntropy
from tests.benchmarks import generate
from tests.benchmarks.generate import HEAD, STEPS, TAIL, Feed, feed, organisations, roots, things
from tests.support.naive import naive_trace
from traceability.gs1.epcis import content_digest, index_rows, read_document
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import Reader
from traceability.ledger.store import LedgerRules, Outcome
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.provenance import Direction, TraceQuery, trace
from traceability.supply_chain.seen import AGGREGATION_EVENT, Role, SeenEvent
from traceability.supply_chain.standing import standing

EVENTS = 20_000
SMALL_FAMILY = 14_500
"""Events of a feed whose smallest family is whole."""

IDENTIFIER_LISTS = ("epcList", "childEPCs", "inputEPCList", "outputEPCList")
QUANTITY_LISTS = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    return list(feed(EVENTS))


@pytest.fixture(scope="module")
def events(texts: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in texts]


@pytest.fixture(scope="module")
def index() -> MemoryProvenance:
    """Return all events of a feed without large ones, in a ledger in memory, as who put them in sees them."""
    rules = LedgerRules(indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy())
    ledger = MemoryLedger(rules, organisation="partner.example")
    read = read_document(whole(feed(SMALL_FAMILY, large=0)), captured_by="partner.example")
    for [appended] in ledger.append_all(captured.event for captured in read.events):
        assert appended.outcome is Outcome.RECORDED
    records = ledger.records(range(1, ledger.head() + 1))
    return MemoryProvenance(records, reader=Reader("partner.example"), indexer=index_rows)


def whole(some: Iterable[bytes]) -> bytes:
    out = io.BytesIO()
    generate.write(some, [out])
    return out.getvalue()


def items_of(event: dict[str, Any]) -> list[str]:
    return [uri for name in IDENTIFIER_LISTS for uri in event.get(name, ())] + [
        element["epcClass"] for name in QUANTITY_LISTS for element in event.get(name, ())
    ]


def share(count: int) -> float:
    return 100 * count / EVENTS


@settings(max_examples=8)
@given(st.integers(0, 2**64), st.sampled_from([0.0, 0.5, 1.0]))
def test_whatever_the_seed_every_event_is_read_without_a_remark(seed: int, large: float) -> None:
    read = read_document(whole(feed(1_000, seed, large=large)), captured_by="partner.example")
    assert read.problems == []
    assert len(read.events) == 1_000


def test_the_bytes_are_the_same_on_every_machine() -> None:
    # Figures of benchmarks can only be compared while this holds: who changes the feed measures everything again.
    digest = sha256(whole(feed(3_000, seed=7))).hexdigest()
    assert digest == "bd740df3428a4fee7358e2a5890d6c5cf1a0bfedb3f45aa0ee2b12d78010339e"


def test_another_seed_is_another_feed() -> None:
    one, other = (set(feed(500, seed)) for seed in (1, 2))
    assert one.isdisjoint(other)


@pytest.mark.parametrize("count", [0, 1, 99, 1_001])
def test_a_feed_has_as_many_events_as_were_asked_for(count: int) -> None:
    assert len(list(feed(count))) == count


def test_more_large_events_than_can_be_are_refused() -> None:
    with pytest.raises(ValueError, match="large"):
        Feed(100, large=11)


def test_a_feed_of_any_length_begins_at_once() -> None:
    assert len(list(islice(feed(10**9), 100))) == 100


def test_types_are_mixed_as_described(events: list[dict[str, Any]]) -> None:
    types = Counter(event["type"] for event in events)
    expected = {"ObjectEvent": 70, "AggregationEvent": 15, "TransformationEvent": 10, "TransactionEvent": 5}
    assert {name: share(count) for name, count in types.items()} == pytest.approx(expected, abs=0.5)


def test_some_have_no_event_id_and_some_are_taken_back(events: list[dict[str, Any]]) -> None:
    assert share(sum("eventID" not in event for event in events)) == pytest.approx(10, abs=0.3)
    assert share(sum("errorDeclaration" in event for event in events)) == pytest.approx(0.1, abs=0.02)


def test_an_error_declaration_repeats_an_event_of_the_same_organisation() -> None:
    told = [(told.captor, json.loads(told.text)) for told in Feed(EVENTS, large=0)]
    said = {(captor, event.get("eventID")): event for captor, event in told if "errorDeclaration" not in event}
    taken_back = [(captor, event) for captor, event in told if "errorDeclaration" in event]
    for captor, event in taken_back:
        declaration = event.pop("errorDeclaration")
        assert event == said[captor, event["eventID"]]
        declared = datetime.fromisoformat(declaration["declarationTime"])
        assert declared > datetime.fromisoformat(event["eventTime"])
    assert {event["type"] for _, event in taken_back} == {"ObjectEvent", "AggregationEvent"}


def test_every_event_id_names_one_event_and_its_declaration(events: list[dict[str, Any]]) -> None:
    named = Counter(event["eventID"] for event in events if "eventID" in event and "errorDeclaration" not in event)
    assert set(named.values()) == {1}


def test_one_in_a_hundred_arrives_long_after_it_happened(events: list[dict[str, Any]]) -> None:
    plan = Feed(EVENTS)
    half_a_group = timedelta(milliseconds=plan.pace * plan.group * 100 / 2)
    late, latest = 0, datetime.fromisoformat("2000-01-01T00:00:00Z")
    for event in events:
        at = datetime.fromisoformat(event["eventTime"])
        late += at < latest - half_a_group
        latest = max(at, latest)
    assert share(late) == pytest.approx(1, abs=0.1)


def test_one_in_a_hundred_is_large(events: list[dict[str, Any]]) -> None:
    counts = Counter(len(items_of(event)) // 1_000 * 1_000 for event in events)
    assert share(counts[1_000] + counts[10_000]) == pytest.approx(1, abs=0.05)
    assert counts.keys() == {0, 1_000, 10_000}
    assert {event["type"] for event in events if len(items_of(event)) >= 1_000} == {event["type"] for event in events}


def test_bytes_and_tags_of_the_others_are_as_described() -> None:
    found = generate.describe(10_000)
    assert found["mean_bytes"] == pytest.approx(740, abs=10)
    assert found["mean_tags"] == pytest.approx(12.45, abs=0.15)
    assert generate.describe(10_000, large=0)["mean_bytes_with_large"] == pytest.approx(740, abs=10)


def test_the_steps_are_those_named(events: list[dict[str, Any]]) -> None:
    assert {event["bizStep"] for event in events} == set(STEPS)


def naive_check_digit(digits: str) -> int:
    total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(reversed(digits), start=1))
    return (10 - total % 10) % 10


def test_every_key_has_the_check_digit_that_gs1_asks_for(texts: list[bytes]) -> None:
    keys = re.findall(rb"/(?:00|01|414|417)/(\d{13,18})(?=[/\"])|/8003/0(\d{13})", b"\n".join(texts))
    digits = [(first or second).decode() for first, second in keys]
    assert {len(key) for key in digits} == {13, 14, 18}
    assert [key for key in set(digits) if naive_check_digit(key[:-1]) != int(key[-1])] == []


def test_half_is_spelled_as_urns_and_both_spellings_name_one_thing(events: list[dict[str, Any]]) -> None:
    spellings: dict[str, set[str]] = defaultdict(set)
    urns = total = 0
    for event in events:
        for uri in items_of(event) if len(items_of(event)) < 1_000 else ():
            spellings[parse_identifier(uri).uri].add(uri[:8])
            urns += uri.startswith("urn:")
            total += 1
    assert 100 * urns / total == pytest.approx(50, abs=6)
    both = [found for found in spellings.values() if len(found) == 2]
    assert len(both) > 1_000
    assert all(thing.startswith("https://id.gs1.org/") for thing in spellings)


def test_there_are_fifty_organisations_with_names_and_numbers_of_their_own() -> None:
    found = organisations()
    assert [partner.index for partner in found] == list(range(50))
    assert len({partner.name for partner in found}) == 50
    assert all(re.fullmatch(r"[a-z]+\d\.example", partner.name) for partner in found)
    glns = [gln for partner in found for gln in partner.glns]
    assert len(set(glns)) == len(glns)
    assert all(gln.startswith(partner.prefix) for partner in found for gln in partner.glns)
    assert not any(b.startswith(a) for a, b in pairwise(sorted(partner.prefix for partner in found)))


def test_every_organisation_acts_at_its_own_places() -> None:
    glns = {partner.index: set(partner.glns) for partner in organisations()}
    captors = set()
    for captor, text in Feed(30_000, large=0):
        place = parse_identifier(json.loads(text)["readPoint"]["id"])
        assert place.uri.removeprefix("https://id.gs1.org/414/")[:13] in glns[captor]
        captors.add(captor)
    assert captors == set(glns)


def test_what_the_organisations_send_is_the_feed() -> None:
    alone = Counter(event for partner in organisations() for event in feed(3_000, organisation=partner.index))
    assert alone == Counter(feed(3_000))


def test_one_prefix_is_broad_and_one_is_rare() -> None:
    texts = list(feed(30_000, large=0))
    in_things = [
        re.sub(rb'"(?:readPoint|bizLocation|sourceList|destinationList|deviceID).*', b"", text) for text in texts
    ]
    broad, rare = generate.broad_prefix().encode(), generate.rare_prefix().encode()
    assert sum(broad in text for text in in_things) > len(texts) / 3
    assert 0 < sum(rare in text for text in in_things) < len(texts) / 500


def test_what_a_benchmark_can_ask_for_is_there(index: MemoryProvenance) -> None:
    seen = index.all()
    named = {name for event in seen for name in event.things | event.lots}
    asked = things(300, SMALL_FAMILY, large=0)
    assert len(set(asked)) == 300
    assert set(asked) <= named
    orders = {transaction for event in seen for _, transaction in event.view.biz_transactions}
    assert set(generate.transactions(50, SMALL_FAMILY, large=0)) <= orders
    assert {event.view.read_point for event in seen} <= set(generate.places())


def test_things_of_one_packer_are_its_own() -> None:
    packer = organisations()[22]
    found = things(20, EVENTS, kinds=("pack",), packer=packer.index)
    assert len(found) == 20
    assert all(packer.prefix in thing for thing in found)


def test_a_pallet_carries_one_load_after_another(index: MemoryProvenance) -> None:
    containment = Containment(standing(index.all()))
    for pallet in things(5, SMALL_FAMILY, large=0, kinds=("pallet",)):
        loads = defaultdict(set)
        for interval in containment.of_parent(pallet):
            loads[interval.opened_at, interval.closed_at].add(interval.child)
        assert len(loads) == 8
        ordered = sorted(loads, key=lambda load: load[0])
        assert all(before[1] is not None and before[1] <= after[0] for before, after in pairwise(ordered))
        assert all(loads[a].isdisjoint(loads[b]) for a, b in pairwise(ordered))


def test_the_smallest_family_has_the_trace_that_it_promises(index: MemoryProvenance) -> None:
    [root] = roots(SMALL_FAMILY, large=0)
    found = trace(index, TraceQuery((root.id,), Direction.FORWARD))
    assert found.complete
    assert len(found.nodes) == root.nodes == pytest.approx(1_000, rel=0.02)
    assert max(node.depth for node in found.nodes.values()) == root.depth == 12
    reached, arcs = naive_trace(standing(index.all()), [root.id], back=False)
    transformations = {end for _, *ends, _ in arcs for end in ends if end.startswith(("transformation:", "event:"))}
    assert {thing for thing, _ in reached} | transformations == found.nodes.keys()
    without_intervals = ever_tied(standing(index.all()), root.id)
    assert len(without_intervals) > 3 * len(reached)


def ever_tied(events: Sequence[SeenEvent], root: str) -> set[str]:
    """Follow inputs to outputs, things to containers and containers to what was made of their contents, at any time."""
    onward: dict[str, set[str]] = defaultdict(set)
    joined: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for event in events:
        if event.view.type == AGGREGATION_EVENT:
            for child in (m.thing for m in event.mentions if m.role is Role.CHILD):
                onward[child].update(m.thing for m in event.mentions if m.role is Role.PARENT)
        name = event.transformation or str(event.event_id)
        for mention in event.mentions:
            if mention.role in (Role.INPUT, Role.OUTPUT):
                joined[name][mention.role is Role.OUTPUT].add(mention.thing)
    for inputs, outputs in joined.values():
        for thing in inputs:
            onward[thing] |= outputs
    found, todo = {root}, [root]
    while todo:
        new = onward[todo.pop()] - found
        found |= new
        todo += new
    return found


@pytest.mark.parametrize(
    ("events", "expected"), [(9_000, []), (100_000, [1_000, 10_000]), (1_000_000, [1_000, 10_000, 100_000])]
)
def test_larger_families_are_whole_in_larger_feeds(events: int, expected: list[int]) -> None:
    assert [root.nodes for root in roots(events)] == pytest.approx(expected, rel=0.02)


def test_the_command_writes_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.main(["--events", "900", "--documents", "3", "--out", str(tmp_path / "feed.jsonld")])
    found = [read_document(path.read_bytes(), captured_by="x.example") for path in sorted(tmp_path.iterdir())]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["feed-1.jsonld", "feed-2.jsonld", "feed-3.jsonld"]
    assert [len(document.events) for document in found] == [300, 300, 300]
    generate.main(["--events", "200", "--describe"])
    assert json.loads(capsys.readouterr().out)["events"] == 200


def test_an_organisation_that_says_nothing_sends_an_empty_document() -> None:
    document = whole(feed(100, organisation=29))
    assert document == HEAD + TAIL
    assert read_document(document, captured_by="x.example").problems == []


def test_the_generator_is_no_benchmark() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "no such"], check=False, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert "ledger" in run.stderr
    assert "generate" not in run.stderr
