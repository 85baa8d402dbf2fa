"""What a device and its users tell, recorded in PostgreSQL in any order: the session is the same, and as in memory."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.visibility import PostgresVisibility
from api.monitoring import Watched, watched
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database
from tests.support.happenings import MAKER, Happening, hours
from tests.support.monitoring import (
    CARRIER,
    QUALITY,
    SESSION,
    STRANGER,
    Told,
    World,
    certified,
    decided,
    evaluated,
    ledger_events,
    opened,
    reading,
    sealed,
    world,
)
from traceability.ledger.access import Grant, Reader
from traceability.supply_chain.cold_chain.course import Verdict
from traceability.supply_chain.cold_chain.evaluating import evaluate
from traceability.supply_chain.cold_chain.events import Disposition, SessionSealed

_NUMBERS = count(1)
_ALL = frozenset({"what", "where", "why", "how", "more"})
SEES_ALL = Reader(
    "auditor.example",
    grants=tuple(Grant(one, "auditor.example", None, _ALL) for one in (MAKER, CARRIER, QUALITY, STRANGER)),
)
_hours = st.integers(0, 9)
_readings = st.builds(
    lambda at, celsius, told, by: reading(at, celsius, told=told, by=by),
    _hours,
    st.sampled_from([5, 9, -400]),
    _hours,
    st.sampled_from([MAKER, CARRIER, STRANGER]),
).map(lambda one: replace(one, event_id=f"urn:example:{one.at}:{one.how!r:.400}:{one.by}".replace(" ", "")))
_certificates = st.builds(
    lambda at, until, by: certified(at, until=until, number=f"C{at}", by=by),
    st.integers(-20, 9),
    st.sampled_from([None, 10, 400]),
    st.sampled_from([MAKER, QUALITY, STRANGER]),
)
_words = st.one_of(
    st.builds(evaluated, st.integers(11, 20), st.sampled_from(Verdict)),
    st.builds(decided, st.integers(11, 20), st.sampled_from(Disposition), by=st.sampled_from([QUALITY, STRANGER])),
    st.just(opened(3, by=STRANGER)),
)


@dataclass(frozen=True)
class Ledgers:
    """Worlds in PostgreSQL, each in a ledger of its own."""

    engine: Engine
    owner_url: str

    def add(self) -> Engine:
        name = f"monitoring-{next(_NUMBERS)}"
        add_ledger(self.owner_url, name, ())
        pool = self.engine.pool
        ledger = PostgresLedger(pool, self.engine.rules, name=name, organisation=MAKER)
        return replace(self.engine, ledger=ledger, visibility=PostgresVisibility(pool, ledger.ledger_id))


@pytest.fixture(scope="module")
def ledgers(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgers]:
    folder: Path = tmp_path_factory.mktemp("data")
    with open_engine(Settings(database_url=SecretStr(shared_database.runtime_url), data=folder)) as engine:
        yield Ledgers(engine, shared_database.owner_url)


def recorded(ledgers: Ledgers, before: list[Told], after: list[Told]) -> tuple[Watched, World]:
    """Record these, then a seal of the readings among them, then those."""
    there = ledgers.add()
    ledger = there.ledger
    told: list[Told] = []
    for one in before:
        told.append(one)
        ledger.append(ledger_events([one]))
    held = [place for place, one in enumerate(told, 1) if isinstance(one, Happening) and one.by != STRANGER]
    for one in (sealed(10, *held), *after):
        told.append(one)
        ledger.append(ledger_events([one]))
    return watched(there, SEES_ALL, SESSION, ledger.head()), world(*told)


def content(found: Watched | World) -> object:
    """Return what a session is, but for where its events are."""
    session, series = found.session, found.series
    said = [
        (one.payload.model_copy(update={"positions": ()}) if isinstance(one.payload, SessionSealed) else one.payload)
        for one in session.said
    ]
    judged = evaluate(session, series, found.calibration, hours(50))
    findings = [(one.code, one.times, one.since, one.until) for one in judged.findings]
    readings = [
        [(one.at, one.value) for one in those] for those in (series.counting, series.repeated, series.by_others)
    ]
    claims = sorted((claim.said.occurred_at, claim.said.said_by, claim.reason) for claim in session.claims)
    doubts = [(one.since, one.until) for one in found.calibration.doubts()]
    return said, claims, findings, readings, doubts, judged.verdict, judged.course


@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.one_of(_readings, _certificates), max_size=7, unique_by=repr),
    st.lists(st.one_of(_readings, _certificates, _words), max_size=6, unique_by=repr),
    st.data(),
    st.randoms(use_true_random=False),
)
def test_any_order_of_arrival_gives_the_same_session(
    ledgers: Ledgers,
    before: list[Told],
    after: list[Told],
    data: st.DataObject,
    choose: random.Random,
) -> None:
    first: list[Told] = [opened(), *before]
    # Whoever takes an event back: an error declaration of some of what was told, before the seal or after it.
    for part in (first, after):
        told = [one for one in first if isinstance(one, Happening)]
        part += [one.retracted() for one in told if data.draw(st.integers(0, 4)) == 0]
    later = [one for one in after if repr(one) not in set(map(repr, first))]
    one, in_memory = recorded(ledgers, first, later)
    other, _ = recorded(ledgers, choose.sample(first, len(first)), choose.sample(later, len(later)))
    assert content(one) == content(in_memory)
    assert content(other) == content(one)
