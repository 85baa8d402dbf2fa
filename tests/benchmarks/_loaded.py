"""A ledger that holds the feed of `tests.benchmarks.generate`, each of its fifty organisations' part as its own.

Loaded once into a folder that is kept, and found there the next time: half of the day would go by otherwise.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, embedded_server
from adapters.postgres.migrate import migrate
from api.capture.blocks import BlockWorkers
from api.capture.receive import receiving
from api.capture.run import CaptureRun
from api.notary import integrate_all
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.benchmarks import generate
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.capture import CaptureJob, ErrorBehaviour

_EVENT_ID = re.compile(rb'"eventID":"[^"]*",')
OPENED = frozenset({"what", "where", "how"})
"""What every organisation opens of its events to everybody."""


@dataclass(frozen=True)
class Feed:
    """The feed that is in a ledger; without eventIDs if it is not `named`."""

    events: int
    large: float = 1.0
    named: bool = True


@contextmanager
def opened(folder: Path | None) -> Iterator[Engine]:
    """Open an engine over a private server in a folder, a temporary one if none is given."""
    with ExitStack() as stack:
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(embedded_server(folder / "postgres"))
        owner, runtime = server.url(role=OWNER_ROLE), server.url(role=RUNTIME_ROLE)
        migrate(owner, runtime_role=RUNTIME_ROLE)
        settings = Settings(database_url=SecretStr(runtime), database_owner_url=SecretStr(owner), data=folder / "data")
        yield stack.enter_context(open_engine(settings))


@contextmanager
def loaded(feed: Feed, folder: Path | None, *, profiles: bool = True) -> Iterator[Engine]:
    """Open an engine whose ledger holds a feed, and load it if the folder has none.

    With `profiles` every organisation shows everybody what its events are about; without, it is seen by those alone
    whom its events name.
    """
    with opened(folder) as engine:
        said = engine.settings.data / "feed.json"
        if said.exists():
            kept = Feed(**json.loads(said.read_bytes()))
            assert kept == feed, f"{engine.settings.data} holds a feed of {kept}"
        else:
            _load(engine, feed)
            said.parent.mkdir(exist_ok=True)
            said.write_text(json.dumps({"events": feed.events, "large": feed.large}))
        for partner in generate.organisations():
            if profiles:
                engine.organisations.set_grant(Grant(partner.name, PUBLIC, None, OPENED))
            else:
                engine.organisations.end_grant(partner.name, PUBLIC)
        yield engine


def spooled(
    engine: Engine, feed: Feed, organisation: str, *, behaviour: ErrorBehaviour = ErrorBehaviour.PROCEED
) -> CaptureJob:
    """Put the whole feed into the spool, as a job of one organisation."""
    with receiving(engine, organisation, behaviour, held=True) as (upload, make):
        with upload.file("feed.jsonld") as out:
            events = generate.feed(feed.events, large=feed.large)
            generate.write(events if feed.named else (_EVENT_ID.sub(b"", event, count=1) for event in events), [out])
        return make()


def _load(engine: Engine, feed: Feed) -> None:
    partners = generate.organisations()
    for partner in partners:
        engine.organisations.add(partner.name, display_name=partner.display_name, glns=partner.glns)
    with ExitStack() as uploads:
        received = [
            uploads.enter_context(receiving(engine, partner.name, ErrorBehaviour.PROCEED, held=True))
            for partner in partners
        ]
        with ExitStack() as files:
            outs = [
                files.enter_context(upload.file(f"{partner.name}.jsonld"))
                for (upload, _), partner in zip(received, partners, strict=True)
            ]
            before = [generate.HEAD] * len(outs)
            for captor, text in generate.Feed(feed.events, large=feed.large):
                outs[captor].write(before[captor] + text.encode())
                before[captor] = b",\n"
            for out, start in zip(outs, before, strict=True):
                out.write(generate.HEAD + generate.TAIL if start == generate.HEAD else generate.TAIL)
        jobs = [make() for _, make in received]
    started, done = time.perf_counter(), 0
    with BlockWorkers(None) as workers:
        for job in jobs:
            ended = CaptureRun(engine, workers, job).run()
            assert ended.success, ended
            done += ended.counts.recorded
            talk(f"\r{done} events in {time.perf_counter() - started:.0f} s")
    talk("\n")
    integrate_all(engine)


def talk(text: str) -> None:
    """Say something to who waits."""
    print(text, end="", file=sys.stderr, flush=True)
