"""A feed captured in XML against the same events captured in JSON, in one run.

    python -m tests.benchmarks.xml [--events 100000] [--large 1] [--workers 2] [--rounds 3]

Prints JSON. The XML is EPCIS 2.0, made of the JSON by the converter, with line feeds between events. Each goes from the
spool to its end in a ledger of its own, in turns, and the best of its rounds counts: `ratio` by the clock,
`cpu_ratio` by the processor time of the importer and its workers, which others on the machine disturb less.
Target: 0.5 of the speed of JSON (aim 0.8).
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from api.capture.blocks import BlockWorkers
from api.capture.receive import receiving
from api.capture.run import CaptureRun
from tests.benchmarks import generate
from tests.benchmarks._loaded import opened, talk
from tests.benchmarks._machine import machine
from traceability.gs1.epcis.convert import EpcFormat, EventConverter, around_of
from traceability.gs1.epcis.document_writer import DocumentWriter, Format
from traceability.gs1.epcis.envelope import open_envelope
from traceability.ledger.capture import ErrorBehaviour

ORGANISATION = "partner.example"
CHUNK = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--large", type=float, default=1.0, help="per cent of them with 1,000 items or more")
    parser.add_argument("--workers", type=int, default=2, help="processes that read the document")
    parser.add_argument("--rounds", type=int, default=3, help="imports of each")
    chosen = parser.parse_args()
    figures: dict[str, object] = {"events": chosen.events, "large_per_cent": chosen.large, "workers": chosen.workers}
    with tempfile.TemporaryDirectory() as folder:
        feed, in_xml = Path(folder) / "feed.jsonld", Path(folder) / "feed.xml"
        with feed.open("wb") as out:
            generate.document(chosen.events, generate.SEED, out, large=chosen.large)
        started = time.perf_counter()
        with in_xml.open("wb") as out:
            out.writelines(converted(feed))
        figures["converted_per_second"] = round(chosen.events / (time.perf_counter() - started))
        took: dict[str, list[tuple[float, float]]] = {"jsonld": [], "xml": []}
        for _ in range(chosen.rounds):
            for path in (feed, in_xml):
                took[path.suffix[1:]].append(import_(path, chosen.workers, chosen.events))
        figures["bytes"] = {path.suffix[1:]: path.stat().st_size for path in (feed, in_xml)}
    seconds = {name: min(clock for clock, _ in rounds) for name, rounds in took.items()}
    cpu = {name: min(processor for _, processor in rounds) for name, rounds in took.items()}
    figures["per_second"] = {name: round(chosen.events / best) for name, best in seconds.items()}
    figures["cpu_microseconds_an_event"] = {name: round(best / chosen.events * 1e6) for name, best in cpu.items()}
    figures["ratio"] = round(seconds["jsonld"] / seconds["xml"], 2)
    figures["cpu_ratio"] = round(cpu["jsonld"] / cpu["xml"], 2)
    figures["targets"] = {"ratio": [0.5, 0.8]}
    print(json.dumps({"benchmark": "capture of XML beside JSON", "machine": machine(), "figures": figures}), flush=True)


def converted(feed: Path) -> Iterator[bytes]:
    """Yield the feed as EPCIS 2.0 in XML, a piece at a time."""
    with feed.open("rb") as stream:
        envelope = open_envelope(stream)
        around, _ = around_of(envelope, created="2026-01-01T00:00:00Z")
        writer = DocumentWriter(Format.XML, around)
        converter = EventConverter(envelope, writer, epc_format=EpcFormat.NEVER_TRANSLATES)
        yield writer.beginning()
        for number, block in enumerate(envelope.blocks):
            stream.seek(block.offset)
            for event, problems in converter.converted(number, stream.read(block.size)):
                assert event, problems
                yield b"\n" + event
        yield writer.end()


def import_(document: Path, workers: int, events: int) -> tuple[float, float]:
    """Import a document into a new ledger; return the seconds that it took, by the clock and of the processor."""
    with opened(None) as engine:
        engine.organisations.add(ORGANISATION)
        with receiving(engine, ORGANISATION, ErrorBehaviour.PROCEED, held=True) as (upload, make):
            with upload.file(document.name) as out, document.open("rb") as stream:
                while piece := stream.read(CHUNK):
                    out.write(piece)
            job = make()
        started, used = time.perf_counter(), processor_time()
        with BlockWorkers(workers) as pool:
            ended = CaptureRun(engine, pool, job).run()
        took = time.perf_counter() - started, processor_time() - used
        assert ended.counts.recorded == events, ended
    talk(f"{document.name}: {events} events in {took[0]:.1f} s\n")
    return took


def processor_time() -> float:
    """Return the processor time of this process and its ended children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    main()
