"""The demo's stories: in a database, and in memory with the pages of their things without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from pydantic import SecretStr

from adapters.memory.ledger import MemoryLedger
from adapters.memory.provenance import MemoryProvenance
from adapters.system import SystemClock, SystemEntropy
from api.demo.load import load_stories
from api.demo.story import manifest
from api.notary import integrate_all
from api.settings import Settings
from api.web.history_section import Log, Logs
from api.web.item_page import item_page
from api.web.page import ItemPage
from api.wiring import Engine, open_engine
from tests.conftest import Database
from traceability.gs1.epcis import content_digest, index_rows, read_document
from traceability.gs1.identifiers import parse_digital_link_path
from traceability.ledger.access import PUBLIC, Reader
from traceability.ledger.organisations import Organisation
from traceability.ledger.store import LedgerRules, Record
from traceability.supply_chain.parties import ListedParties

PACK, SAMPLE, PALLET, TROUT = (link.path for link in manifest().stories[0].links)
DISPENSED, IN_STOCK, DRUG_PALLET = (link.path for link in manifest().stories[1].links)
REMOVED_PUMP, NEW_PUMP, ENGINE, AIRCRAFT = (link.path for link in manifest().stories[2].links)
PUBLIC_READER = Reader(PUBLIC, grants=tuple(who.grant() for who in manifest().organisations))
ORGANISATIONS = [
    Organisation(who.name, who.display_name, who.glns, None, 1_756_000_000_000_000) for who in manifest().organisations
]

PARTIES = ListedParties({gln: who.name for who in ORGANISATIONS for gln in who.glns})


@contextmanager
def published_stories(database: Database, data: Path) -> Iterator[Engine]:
    """Give a ledger in a database that tells the stories, with its log published under `data`."""
    settings = Settings(
        database_url=SecretStr(database.runtime_url), database_owner_url=SecretStr(database.owner_url), data=data
    )
    with open_engine(settings) as engine:
        for _ in load_stories(engine):
            pass
        integrate_all(engine)
        yield engine


@lru_cache(maxsize=1)
def records() -> tuple[Record, ...]:
    """Every event of every story, in the order in which the demo imports them."""
    rules = LedgerRules(indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy())
    ledger = MemoryLedger(rules, organisation="local")
    for who in manifest().organisations:
        document = read_document(who.read_document(), captured_by=who.name)
        list(ledger.append_all(captured.event for captured in document.events))
    return tuple(ledger.records(range(1, ledger.head() + 1)))


def page_of(path: str, reader: Reader = PUBLIC_READER) -> ItemPage:
    """The page at a path, as `reader` sees it."""
    return item_page(
        parse_digital_link_path(path),
        MemoryProvenance(records(), reader=reader, indexer=index_rows),
        PARTIES,
        ORGANISATIONS,
        Logs((Log(1, len(records()), "main", "demo.example/main", "demo.example/main+1a2b3c4d+AdQ="),)),
    )
