"""The engine, opened for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from api.cli.context import settings_for
from api.wiring import Engine, open_engine


@contextmanager
def operated(ledger: str | None) -> Iterator[Engine]:
    """Open the engine for a command of the operator, who acts as no organisation."""
    with open_engine(settings_for(ledger=ledger)) as engine:
        yield engine


@contextmanager
def opened(ledger: str | None, as_: str | None) -> Iterator[Engine]:
    """Open the engine for one command; the organisation it acts as must exist."""
    with open_engine(settings_for(ledger=ledger, as_=as_)) as engine:
        engine.organisations.get(engine.settings.organisation)
        yield engine
