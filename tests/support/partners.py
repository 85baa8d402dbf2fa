"""Partners for tests: whole instances that serve, and repositories that answer as a test wants them to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.app import create_app
from api.partners.define import define
from api.partners.reading import partners_of
from api.partners.run import WasRead, read
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.conftest import Database
from traceability.gs1.epcis import content_digest
from traceability.gs1.epcis.view import EPCIS_TYPES, read_event_id
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope
from traceability.ledger.partners import Kind

NORTH, SOUTH = "north.example", "south.example"
OPEN = frozenset({"what", "where", "why", "how", "more"})


def settings_of(database: Database, data: Path, **more: Any) -> Settings:
    return Settings(
        database_url=SecretStr(database.runtime_url),
        database_owner_url=SecretStr(database.owner_url),
        data=data,
        **{"capture_workers": 1, "outgoing_allow": "127.0.0.1", **more},
    )


@dataclass(frozen=True)
class Instance:
    """A server of its own ledger, in this process; NORTH and SOUTH are in it, and open everything to each other."""

    engine: Engine
    url: str

    def key(self, organisation: str, *scopes: Scope) -> str:
        return self.engine.organisations.create_key(organisation, scopes)[1]

    def fed_by(self, other: Instance, us: str, them: str, **options: Any) -> None:
        """Add the other instance as the partner that `them` is."""
        secret = f"Authorization: Bearer {other.key(us, Scope.QUERY)}"
        define(self.engine, them, them, Kind.EPCIS, address=f"{other.url}/epcis/events", secret=secret, **options)

    def said(self) -> dict[tuple[str, bytes], list[str]]:
        """Return who captured each event of EPCIS, by its name and content."""
        found: dict[tuple[str, bytes], list[str]] = {}
        for record in self.engine.ledger.records(range(1, self.engine.ledger.head() + 1)):
            parts = record.event.parts
            head = orjson.loads(parts.head)
            if head["type"] not in EPCIS_TYPES:
                continue
            who = head.pop("captured_by")
            name = read_event_id(parts.more) or f"urn:uuid:{record.event.event_id}"
            content = content_digest(replace(parts, head=orjson.dumps(head)))
            found.setdefault((name, content), []).append(who)
        return found


@contextmanager
def instance(database: Database, data: Path, **settings: Any) -> Iterator[Instance]:
    with open_engine(settings_of(database, data, **settings)) as engine:
        for name in ("local", NORTH, SOUTH):
            engine.organisations.add(name)
        engine.organisations.set_grant(Grant(NORTH, SOUTH, None, OPEN))
        engine.organisations.set_grant(Grant(SOUTH, NORTH, None, OPEN))
        with serving(create_app(engine)) as client:
            yield Instance(engine, str(client.base_url).rstrip("/"))


def pulled(engine: Engine, name: str) -> WasRead:
    """Read a partner now, in this thread."""
    return read(engine, partners_of(engine).claim(name))


@dataclass
class Repository:
    """A repository of EPCIS that is no good one: `answer` is given the query and the number of the request, from 0."""

    answer: Callable[[dict[str, str], int], Response]
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @contextmanager
    def served(self) -> Iterator[str]:
        def events(request: Request) -> Response:
            self.asked.append(dict(request.query_params))
            self.headers.append(dict(request.headers))
            return self.answer(self.asked[-1], len(self.asked) - 1)

        with serving(Starlette(routes=[Route("/events", events)])) as client:
            yield f"{str(client.base_url).rstrip('/')}/events"


def page(events: Sequence[Any], *, token: str | None = None, url: str = "") -> Response:
    """Return a page of a query's answer, with the link to the next one."""
    document = {
        "@context": "https://ref.gs1.org/standards/epcis/epcis-context.jsonld",
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T10:00:00Z",
        "epcisBody": {"queryResults": {"queryName": "SimpleEventQuery", "resultsBody": {"eventList": list(events)}}},
    }
    link = {} if token is None else {"Link": f'<{url}?nextPageToken={token}&perPage=3>; rel="next"'}
    return Response(json.dumps(document), media_type="application/ld+json", headers=link)


def problem(status: int) -> Response:
    return JSONResponse({"title": "No", "detail": "as the test wants", "status": status}, status_code=status)
