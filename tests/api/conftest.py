"""The application over a real database, with three organisations and their keys."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.applications import Starlette

from api.app import create_app
from api.cli.serve import address_of, listen
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database
from traceability.ledger.organisations import Scope

DAIRY_GLN = "9521234000006"


@pytest.fixture(autouse=True)
def no_handler_outlives_its_test() -> Iterator[None]:
    """Take away what `serve`, run inside a test, has set up: its stream is closed with the test's captured output."""
    yield
    for handler in [one for one in logging.root.handlers if type(one) is logging.StreamHandler]:
        logging.root.removeHandler(handler)


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return Settings(
        database_url=SecretStr(database.runtime_url),
        database_owner_url=SecretStr(database.owner_url),
        data=tmp_path / "data",
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with open_engine(settings) as engine:
        engine.organisations.add("local")
        engine.organisations.add("dairy.example", display_name="Dairy", glns=[DAIRY_GLN], domain="dairy.example")
        engine.organisations.add("store.example")
        yield engine


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    return create_app(engine)


@contextmanager
def serving(app: Starlette) -> Iterator[httpx.Client]:
    """Serve the application on a free port, from a thread, and give a client of it."""
    with closing(listen("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="websockets-sansio"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            # Without TLS there is nothing to verify, and to read the roots for it takes 30 ms.
            with httpx.Client(base_url=address_of(listener), timeout=120, verify=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """Give a client without a key: the organisation `public`."""
    with serving(app) as client:
        yield client


@pytest.fixture
def bearer(engine: Engine) -> Callable[..., dict[str, str]]:
    """Give the header of a new key of an organisation with these scopes."""

    def header(organisation: str, *scopes: Scope) -> dict[str, str]:
        return {"Authorization": f"Bearer {engine.organisations.create_key(organisation, scopes)[1]}"}

    return header
