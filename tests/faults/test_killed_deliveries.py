"""Servers killed while they deliver, and receivers that fail meanwhile: all arrives, in order, nothing is skipped."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from random import Random

import pytest

from api.named_queries import define
from api.subscriptions.manage import subscribe
from api.wiring import Engine
from tests.support.captures import SENDER, Site, moments, wait_until
from tests.support.epcis_events import document, event
from tests.support.receivers import Post, Receiver, receiving
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.strict_json import dumps

ALLOWED = {"TRACEABILITY_OUTGOING_ALLOW": "127.0.0.1"}
STEPS = ("shipping", "receiving")


def happen(engine: Engine, numbers: range) -> None:
    for number in numbers:
        one = event(eventID=f"urn:uuid:{number}", bizStep=STEPS[number % 2])
        read = read_document(document(one), captured_by=SENDER)
        engine.ledger.append([entry.event for entry in read.events])


def check(receiver: Receiver, path: str, expected: Sequence[int]) -> None:
    """Look that no event came before one that was recorded earlier and had not come yet."""
    rank = {f"urn:uuid:{number}": place for place, number in enumerate(expected)}
    told = -1
    for place in (rank[name] for name in receiver.ids(path)):
        assert place <= told + 1
        told = max(told, place)
    assert told == len(expected) - 1


@pytest.fixture
def deliveries(site: Site) -> Site:
    return replace(site, environment=ALLOWED)


def test_two_servers_killed_in_turn_skip_nothing(deliveries: Site) -> None:
    chance, lock, pause = Random(5), threading.Lock(), moments(11)

    def status(post: Post) -> int:
        with lock:
            return 500 if post.path == "/flaky" and chance.random() < 0.2 else 204

    last = -1

    def go_on(engine: Engine, count: int) -> int:
        """Record so many events more, and return the number of the last one."""
        nonlocal last
        happen(engine, range(last + 1, last + 1 + count))
        last += count
        return last

    with deliveries.engine() as engine, receiving() as receiver, ExitStack() as stack:
        receiver.status = status
        allowed = replace(engine, settings=engine.settings.model_copy(update={"outgoing_allow": "127.0.0.1"}))
        define(engine, SENDER, dumps({"name": "all", "query": {}}))
        define(engine, SENDER, dumps({"name": "even", "query": {"EQ_bizStep": [STEPS[0]]}}))
        for query, path in (("all", "all"), ("all", "flaky"), ("even", "even")):
            subscribe(allowed, SENDER, query, dumps({"dest": f"{receiver.url}/{path}", "stream": True}))
        go_on(engine, 20)
        servers = [stack.enter_context(deliveries.server(log=f"log{number}"))[0] for number in range(2)]
        for turn in range(3):
            # Whoever delivers is at work, and is killed in the middle of it; the other one takes over.
            told = f"urn:uuid:{go_on(engine, 10)}"
            wait_until(lambda told=told: told in receiver.ids("/all"))  # type: ignore[misc]
            go_on(engine, 30)
            pause(0.3)
            servers[turn % 2].kill()
            servers[turn % 2].wait()
            servers[turn % 2] = stack.enter_context(deliveries.server(log=f"again{turn}"))[0]
        ends = {"/all": go_on(engine, 11), "/flaky": last, "/even": last}
        assert last % 2 == 0
        wait_until(lambda: all(f"urn:uuid:{number}" in receiver.ids(path) for path, number in ends.items()))
        check(receiver, "/all", range(last + 1))
        check(receiver, "/flaky", range(last + 1))
        check(receiver, "/even", range(0, last + 1, 2))
        # The cursors say so, too: whoever comes next begins behind the last one.
        wait_until(lambda: all(one.position == last + 1 for one in engine.subscriptions.page(SENDER, limit=9)))
        assert engine.subscriptions.dead(SENDER, limit=9) == []
