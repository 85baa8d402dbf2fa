"""Two instances that feed each other over HTTP until both have the same events, and not one twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedServer
from api.capture.runner import capturing
from api.partners.define import define
from api.subscriptions.deliverer import delivering
from tests.conftest import Database, fresh_database
from tests.support.capture_runs import packs, run, send
from tests.support.captures import wait_until
from tests.support.epcis_events import document, event
from tests.support.partners import NORTH, SOUTH, Instance, instance, pulled
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope
from traceability.ledger.partners import Kind


@pytest.fixture
def pair(
    database: Database, postgres: EmbeddedServer, admin: psycopg.Connection, template: str, tmp_path: Path
) -> Iterator[tuple[Instance, Instance]]:
    for other in fresh_database(postgres, admin, template):
        with instance(database, tmp_path / "north") as north, instance(other, tmp_path / "south") as south:
            yield north, south


def feed(at: Instance, organisation: str, events: list[dict[str, Any]]) -> None:
    job = run(at.engine, send(at.engine, document(*events), organisation=organisation, held=True))
    assert job.success


def until_nothing_comes(pair: tuple[Instance, Instance]) -> int:
    """Let each read the other until neither records anything; return how many rounds that took."""
    north, south = pair
    for rounds in range(1, 10):
        recorded = pulled(north.engine, SOUTH).counts.recorded + pulled(south.engine, NORTH).counts.recorded
        if not recorded:
            return rounds
    raise AssertionError("it never ends")


@pytest.mark.parametrize("accept", ["json", "xml"])
def test_two_instances_feed_each_other_until_equal(pair: tuple[Instance, Instance], accept: str) -> None:
    north, south = pair
    north.fed_by(south, NORTH, SOUTH, accept=accept)
    south.fed_by(north, SOUTH, NORTH, accept=accept)
    nameless = [event(epcList=[f"https://id.gs1.org/01/09521234000013/21/{n}"]) for n in range(900, 905)]
    feed(north, NORTH, [*packs(*range(1, 30), bizStep="shipping"), *nameless])
    feed(south, SOUTH, packs(*range(100, 130), bizStep="receiving", disposition="in_progress"))
    assert until_nothing_comes(pair) == 2
    said = north.said()
    assert len(said) == 64
    assert said == south.said()
    # Everything is there once, and said by whoever said it.
    assert sorted(who for each in said.values() for who in each) == [NORTH] * 34 + [SOUTH] * 30
    # What happens meanwhile goes over as well, and what was there is not sent to and fro for ever.
    take_back = {**packs(1, bizStep="shipping")[0], "errorDeclaration": {"declarationTime": "2026-03-02T08:00:00Z"}}
    feed(north, NORTH, [take_back])
    feed(south, SOUTH, packs(200))
    assert until_nothing_comes(pair) == 2
    assert north.said() == south.said()
    assert len(south.said()) == 66
    for at, name in ((north, SOUTH), (south, NORTH)):
        assert at.engine.jobs.of_partner(name, limit=100)[0].counts.duplicates == 0


def test_an_echo_of_what_was_half_seen_ends_too(pair: tuple[Instance, Instance]) -> None:
    """South sees no places of north's: what comes back has none, and is what north let it see."""
    north, south = pair
    north.engine.organisations.set_grant(Grant(NORTH, SOUTH, None, frozenset({"what", "more"})))
    north.fed_by(south, NORTH, SOUTH)
    south.fed_by(north, SOUTH, NORTH)
    feed(north, NORTH, packs(1, 2, 3, bizStep="shipping", readPoint={"id": "https://id.gs1.org/414/9521234000006"}))
    assert until_nothing_comes(pair) == 2
    assert north.engine.ledger.head() == south.engine.ledger.head() == 3
    assert [name for name, _ in north.said()] == [name for name, _ in south.said()]
    assert north.said() != south.said()


def test_the_same_statement_by_one_who_could_not_know_is_a_statement(pair: tuple[Instance, Instance]) -> None:
    north, south = pair
    north.engine.organisations.end_grant(NORTH, SOUTH)
    north.fed_by(south, NORTH, SOUTH)
    feed(north, NORTH, packs(1))
    feed(south, SOUTH, packs(1))
    assert pulled(north.engine, SOUTH).counts.recorded == 1
    assert list(north.said().values()) == [[NORTH, SOUTH]]
    assert pulled(north.engine, SOUTH).counts.recorded == 0


def test_pages_are_followed_and_captured_one_by_one(pair: tuple[Instance, Instance]) -> None:
    north, south = pair
    south.fed_by(north, SOUTH, NORTH)
    feed(north, NORTH, packs(*range(1, 500)))
    was_read = pulled(south.engine, NORTH)
    assert (was_read.events, was_read.counts.recorded) == (499, 499)
    assert was_read.captures > 1
    assert [who for each in south.said().values() for who in each] == [NORTH] * 499
    assert pulled(south.engine, NORTH).captures == 0


def test_a_subscription_at_one_feeds_the_webhook_of_the_other(pair: tuple[Instance, Instance]) -> None:
    north, south = pair
    _, token = define(north.engine, SOUTH, SOUTH, Kind.WEBHOOK)
    headers = {"Authorization": f"Bearer {south.key(NORTH, Scope.QUERY)}"}
    body = {"dest": f"{north.url}/partners/{SOUTH}/webhook", "signatureToken": token, "stream": True}
    with (
        httpx.Client(base_url=south.url, headers=headers, timeout=60) as client,
        capturing(north.engine),
        delivering(south.engine),
    ):
        named = client.post("/epcis/queries", json={"name": "all", "query": {}})
        assert named.status_code == 201, named.text
        subscribed = client.post("/epcis/queries/all/subscriptions", json=body)
        assert subscribed.status_code == 201, subscribed.text
        feed(north, NORTH, packs(7))
        feed(south, SOUTH, packs(*range(10, 15)))
        wait_until(lambda: len(north.said()) == 6)
    assert set(south.said()) < set(north.said())
    assert [who for each in north.said().values() for who in each] == [NORTH] + [SOUTH] * 5
