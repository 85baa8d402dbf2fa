"""A ledger in PostgreSQL with its published log, made once, and copies of it that may be damaged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.erasure import erase
from adapters.signing import signing_key
from api.fsck import SCOPES, Asked, Checked, LogCheck
from api.notary import published_log, writable_log
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database, fresh_database
from tests.support.capture_runs import capture_engine, captured, pack, packs
from tests.support.epcis_events import DAIRY, PALLET, document, typed
from traceability.notary.note import SigningKey

DRIVER = "https://ns.example/epcis/driver"
CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", {"ns": "https://ns.example/epcis/"}]
EVENTS = 620
ROUND = 150
BAD = 124
"""The position that is damaged, an aggregation, of leaf 123; the one after it is a transformation."""

LEAF = BAD - 1

ERASED = 77
"""The position that was erased lawfully; the last event says so."""


def event(number: int) -> dict[str, Any]:
    """Return an event with every part; whose number is 0 modulo 3 is an aggregation, 1 a transformation."""
    members: dict[str, Any] = {
        "eventID": f"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a{number:08}",
        "bizStep": "shipping",
        "disposition": "in_transit",
        "readPoint": {"id": "https://id.gs1.org/414/9521234000006"},
        "sourceList": [{"type": "owning_party", "source": "https://id.gs1.org/417/9521234000006"}],
        "sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": 4.1, "uom": "CEL"}]}],
        "ns:driver": f"driver {number}",
    }
    if number % 3 == 0:
        return typed(
            "AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[pack(number), pack(number + 1)], **members
        )
    if number % 3 == 1:
        lists = {"inputEPCList": [pack(number)], "outputEPCList": [pack(100_000 + number)]}
        return typed("TransformationEvent", action=None, **lists, **members)
    return packs(number, **{name: value for name, value in members.items() if name != "eventID"})[0]


@dataclass(frozen=True)
class World:
    """A ledger, its log's files, and the means to change both without anybody's leave."""

    database: Database
    data: Path
    erased: dict[str, Any] = field(default_factory=dict)
    """What the erased record was before."""

    @property
    def settings(self) -> Settings:
        urls = {"database_url": self.database.runtime_url, "database_owner_url": self.database.owner_url}
        secrets: Any = {name: SecretStr(url) for name, url in urls.items()}
        return Settings(data=self.data, organisation=DAIRY, **secrets)

    @property
    def tiles(self) -> Path:
        return self.data / "logs" / "main"

    @property
    def key(self) -> SigningKey:
        with open_engine(self.settings) as engine:
            return signing_key(self.data / "keys" / "main.key", "traceability.local/main", engine.entropy)

    def sql(self, *statements: str, **values: object) -> int:
        """Change the database as the superuser, with triggers and foreign keys off; say how many rows."""
        with psycopg.connect(self.database.admin_url, autocommit=True) as admin:
            admin.execute("SET session_replication_role = replica")
            return sum(admin.execute(statement.encode(), values).rowcount for statement in statements)

    def row(self, position: int) -> dict[str, Any]:
        """Return a record by its columns."""
        with psycopg.connect(self.database.admin_url, row_factory=psycopg.rows.dict_row) as admin:
            found = admin.execute("SELECT * FROM ledger.record WHERE position = %s", [position]).fetchone()
        assert found is not None
        return found

    def check(self, *scopes: str, window: int = 200, **asked: Any) -> Checked:
        with open_engine(self.settings) as engine:
            return self.check_with(engine, *scopes, window=window, **asked)

    def check_with(self, engine: Engine, *scopes: str, window: int = 200, workers: int = 1, **asked: Any) -> Checked:
        wanted = Asked(frozenset(scopes or SCOPES), **asked)
        return LogCheck(engine, published_log(engine), wanted, workers=workers, window=window).run()

    def grow(self, engine: Engine, *numbers: int) -> None:
        """Capture and publish more events."""
        captured(engine, document(*map(event, numbers), context=CONTEXT))
        publish(engine)


def publish(engine: Engine, most: int = ROUND) -> None:
    """Sign and publish everything, at most so many leaves a round."""
    database, log = writable_log(engine)
    with database.leadership() as leads:
        assert leads
        while log.integrate(most):
            pass


@pytest.fixture(scope="module")
def sound(
    postgres: EmbeddedServer, admin: psycopg.Connection, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Make a ledger once, with a lawful erasure; it is copied for every test."""
    for database in fresh_database(postgres, admin, template):
        world = World(database, tmp_path_factory.mktemp("sound") / "data")
        world.sql(f"UPDATE ledger.head SET personal = ARRAY['{DRIVER}']")
        with capture_engine(database, world.data) as engine:
            for first in range(0, EVENTS, 310):
                captured(engine, document(*map(event, range(first, first + 310)), context=CONTEXT))
            publish(engine)
            world.erased.update(world.row(ERASED))
            erase(database.owner_url, engine.ledger, ERASED, reason="asked to", authority="GDPR Art. 17")
            publish(engine)
        yield world


@pytest.fixture
def world(sound: World, postgres: EmbeddedServer, admin: psycopg.Connection, tmp_path: Path) -> Iterator[World]:
    """Give a copy that may be damaged."""
    shutil.copytree(sound.data, tmp_path / "data")
    for database in fresh_database(postgres, admin, sound.database.name):
        yield World(database, tmp_path / "data", sound.erased)


def first_finding(checked: Checked) -> tuple[str, str, int | None] | None:
    """Return where the first finding is, its code and its leaf."""
    for name, report in (*checked.scopes.items(), *checked.outside.items()):
        for finding in report.findings:
            return name, finding.code, finding.leaf
    return None


STRANGER = SigningKey("traceability.local/main", bytes(32))
"""A key of the same name that is not the log's."""


def flip(column: str) -> str:
    return (
        f'UPDATE ledger.record SET "{column}" = set_byte("{column}", octet_length("{column}") / 2,'
        f' get_byte("{column}", octet_length("{column}") / 2) # 1) WHERE position = {BAD}'
    )
