"""Bundles: one proof for many events against one each, checking a bundle offline, and how soon events are published.

    python -m tests.benchmarks.bundles [--events 100000] [--leaves 1000000] [--requests 100] [--data FOLDER]

Prints JSON.

- The multi-proof of 10,000 leaves of a tree of a million, taken at random and side by side, and that of the events of a
  trace, which are where the feed of `tests.benchmarks.generate` has them, against a single proof each. `hashes` counts
  hashes on both sides; `bytes` compares the file with as many tlog-proofs, without openings, each with the checkpoint.
  Targets: 0.4 (aim 0.25).
- The bundle of that trace, made by this process from a ledger with the feed, and verified by a new process, start and
  all. Targets for 10,000 events: 2 s (aim 0.5).
- A capture of one event with `wait=published`, over HTTP from a server on the loopback, without a witness, and with two
  on the loopback that both have to cosign. Targets for p95: 600 ms (aim 300), and 900 ms (aim 500).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from random import Random

from adapters.memory.notary import MemoryLogDatabase
from adapters.system import SystemClock
from adapters.tiles import MemoryTileStore
from api import collector
from api.bundles import trace_bundle
from api.notary import published_log
from api.trace_models import TraceIn
from api.wiring import Engine
from tests.benchmarks import generate
from tests.benchmarks._loaded import Feed, loaded
from tests.benchmarks._machine import machine
from tests.benchmarks.item_page import commanded, serving
from tests.support.logs import KEY
from tests.support.witnesses import policy_text, witness_settings
from traceability.ledger.commitment import leaf_hash
from traceability.ledger.organisations import Scope
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.log import Log, tile_reader
from traceability.notary.multiproof import MultiProof, prove_leaves
from traceability.notary.ports import LogIdentity, SequencedEntry
from traceability.notary.proof import LogProof
from traceability.notary.tree import TiledTree
from traceability.notary.trust import Trust
from traceability.notary.verify_bundle import verify_bundle
from traceability.supply_chain.provenance import Direction

LEAVES = 10_000
READER = 24
"""The index of the organisation that asks, a packer."""


class PreparedLog(MemoryLogDatabase):
    """A log whose entries cost nothing to read."""

    def __init__(self, leaves: int) -> None:
        super().__init__(LogIdentity("bench", KEY.name, KEY.verifier.text, 1), [])
        entries = [b"\x01" + i.to_bytes(56, "big") for i in range(leaves)]
        self.prepared = [SequencedEntry(entry, leaf_hash(entry)) for entry in entries]

    def sequenced(self) -> int:
        return len(self.prepared)

    def entries(self, start: int, end: int) -> Sequence[SequencedEntry]:
        return self.prepared[start:end]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="events in the ledger")
    parser.add_argument("--leaves", type=int, default=1_000_000, help="leaves of the tree of the proofs")
    parser.add_argument("--requests", type=int, default=100, help="captures that are waited for")
    parser.add_argument("--data", type=Path, help="a folder that keeps the loaded ledger")
    chosen = parser.parse_args()
    chance = Random(6962)
    database, tiles = PreparedLog(chosen.leaves), MemoryTileStore()
    while Log(database, tiles, KEY, SystemClock()).integrate(chosen.leaves):
        pass
    measure_proof("at random", database, tiles, sorted(chance.sample(range(chosen.leaves), LEAVES)))
    start = chance.randrange(chosen.leaves - LEAVES)
    measure_proof("side by side", database, tiles, range(start, start + LEAVES))
    with loaded(Feed(chosen.events), chosen.data) as engine:
        measure_bundle(engine, chosen.events)
        measure_publishing(engine, chosen.requests, witnesses=0, targets={"least": 600, "aim": 300})
        measure_publishing(engine, chosen.requests, witnesses=2, targets={"least": 900, "aim": 500})


def measure_proof(how: str, database: PreparedLog, tiles: MemoryTileStore, indices: Sequence[int]) -> None:
    note = tiles.checkpoint()
    assert note is not None
    checkpoint, _ = open_checkpoint(note, KEY.verifier)
    begun = time.perf_counter()
    proof = prove_leaves(TiledTree(checkpoint.size, tile_reader(tiles)), indices)
    built = time.perf_counter() - begun
    leaves = [database.prepared[index].leaf_hash for index in indices]
    begun = time.perf_counter()
    root = proof.root(leaves)
    verified = time.perf_counter() - begun
    assert root == checkpoint.root
    tree = TiledTree(checkpoint.size, tile_reader(tiles))
    report(
        f"one proof for {len(indices):,} leaves {how}",
        size=checkpoint.size,
        **against_single_proofs(proof, tree, note.decode()),
        built_ms=round(1000 * built),
        verified_ms=round(1000 * verified),
        targets={"ratio": {"least": 0.4, "aim": 0.25}},
    )


def against_single_proofs(proof: MultiProof, tree: TiledTree, note: str) -> dict[str, object]:
    hashes = size = 0
    for index in proof.indices:
        path = tree.inclusion_path(index)
        hashes += len(path)
        size += len(LogProof(index, tuple(path), note).text().encode())
    encoded = len(proof.encode())
    return {
        "hashes": len(proof.hashes),
        "hashes_of_single_proofs": hashes,
        "ratio_of_hashes": round(len(proof.hashes) / hashes, 3),
        "bytes": encoded,
        "bytes_of_single_proofs": size,
        "ratio_of_bytes": round(encoded / size, 3),
    }


def measure_bundle(engine: Engine, events: int) -> None:
    reader = engine.organisations.reader(generate.organisations()[READER].name)
    root = generate.roots(events)[1]
    question = TraceIn(roots=[root.id], direction=Direction.FORWARD, max_nodes=200_000)
    collector.settle()
    begun = time.perf_counter()
    with trace_bundle(engine, reader, question) as file:
        bundle = file.read()
    made = time.perf_counter() - begun
    key = published_log(engine).key
    begun = time.perf_counter()
    verified = verify_bundle(bundle, Trust((key,)))
    took = time.perf_counter() - begun
    (log,) = verified.logs
    tree = TiledTree(log.signed.checkpoint.size, tile_reader(published_log(engine).tiles))
    served = published_log(engine).served()
    assert served is not None
    proof = prove_leaves(tree, log.indices)
    whole = []
    with tempfile.NamedTemporaryFile(suffix=".zip") as out:
        out.write(bundle)
        out.flush()
        for _ in range(5):
            begun = time.perf_counter()
            command = [sys.executable, "-m", "traceability.notary.verify", out.name, "--key", key.text]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            whole.append(time.perf_counter() - begun)
    report(
        "bundle of a trace",
        events=verified.events,
        items_shown=sum(len(opening.shown().what) for opening in log.openings),
        size=log.signed.checkpoint.size,
        bytes_of_bundle=len(bundle),
        sha256=sha256(bundle).hexdigest()[:16],
        made_ms=round(1000 * made),
        verified_here_ms=round(1000 * took),
        verified_in_a_process_of_its_own_ms=round(1000 * statistics.median(whole)),
        **against_single_proofs(proof, tree, served[1]),
        targets={"ratio": {"least": 0.4, "aim": 0.25}, "verified_ms": {"least": 2000, "aim": 500}},
    )


def measure_publishing(engine: Engine, requests: int, *, witnesses: int, targets: dict[str, int]) -> None:
    key = engine.organisations.create_key(generate.organisations()[READER].name, [Scope.CAPTURE])[1]
    assert engine.settings.database_url is not None
    runtime = engine.settings.database_url.get_secret_value()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    times = []
    started = time.time_ns()
    with (
        cosigned_by(engine, witnesses) as more,
        serving(runtime, engine.settings.data, **more) as url,
        closing(HTTPConnection(url.removeprefix("http://"), timeout=120)) as client,
    ):
        for number in range(requests + 5):
            begun = time.perf_counter()
            client.request("POST", "/epcis/capture?wait=published", _event(started + number), headers)
            answer = client.getresponse()
            body = json.loads(answer.read())
            times.append(1000 * (time.perf_counter() - begun))
            assert answer.status == HTTPStatus.OK, body
            assert body["receipts"][0]["proof"].count("\u2014") == 1 + witnesses, body
    times = sorted(times[5:])
    report(
        "capture of one event with wait=published, receipt included",
        witnesses=witnesses,
        requests=requests,
        p50_ms=round(statistics.median(times)),
        p95_ms=round(times[int(len(times) * 0.95)]),
        targets={"p95_ms": targets},
    )


@contextmanager
def cosigned_by(engine: Engine, number: int) -> Iterator[dict[str, str]]:
    """Run so many witnesses of the engine's log, and give the setting that asks for all of them."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, addresses = Path(name), dict[int, str]()
        for i in range(number):
            settings = witness_settings(folder, i, published_log(engine).key)
            addresses[i] = stack.enter_context(commanded({"TRACEABILITY_DATA": str(settings.data)}, "witness", "serve"))
        policy = folder / "policy"
        policy.write_bytes(policy_text("all", addresses))
        yield {"TRACEABILITY_LOG_POLICY": str(policy)} if number else {}


def _event(number: int) -> bytes:
    return json.dumps({
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T08:15:00Z",
        "epcisBody": {"eventList": [{
            "type": "ObjectEvent",
            "action": "OBSERVE",
            "eventTime": "2026-03-01T08:15:00Z",
            "eventTimeZoneOffset": "+01:00",
            "bizStep": "shipping",
            "epcList": [f"https://id.gs1.org/01/09521234000013/21/{number}"],
        }]},
    }).encode()  # fmt: skip


def report(name: str, **figures: object) -> None:
    print(json.dumps({"benchmark": name, "machine": machine(), "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
