"""Receivers killed at any moment of a post, and servers meanwhile: what was not answered comes again, in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from subprocess import Popen

from adapters.postgres.subscriptions import Subscription
from api.named_queries import define
from api.subscriptions.manage import subscribe
from api.wiring import Engine
from tests.faults.test_killed_deliveries import ALLOWED, STEPS, happen
from tests.support.captures import SENDER, Site, moments, wait_until
from tests.support.receiver_process import Moment, Noted, Told, held_file, kept_port, mortal_receiver, read_notes
from traceability.gs1.epcis.strict_json import dumps
from traceability.gs1.epcis.subscriptions.signature import check_signature

MORTAL = [moment for moment in Moment if moment is not Moment.NEVER]
LONGEST_SECONDS = 100  # of the test, which takes a fifth of that


@dataclass
class Recorded:
    """What happens in a test: events that are numbered from 0."""

    engine: Engine
    last: int = -1

    def go_on(self, count: int) -> int:
        """Record so many events more, and return the number of the last one."""
        happen(self.engine, range(self.last + 1, self.last + 1 + count))
        self.last += count
        return self.last


def told_of(one: Noted, rank: dict[str, int]) -> range:
    """Return the places of the events of a post, which are next to each other."""
    places = [rank[name] for name in one.ids]
    told = range(places[0], places[0] + len(places))
    assert places == list(told)
    return told


def repeats_of(posts: Sequence[Noted], expected: Sequence[int]) -> dict[Told, int]:
    """Look that each post goes on where the one before ended, or begins like it; count those by what that was told."""
    rank = {f"urn:uuid:{number}": place for place, number in enumerate(expected)}
    repeats = dict.fromkeys(Told, 0)
    assert told_of(posts[0], rank).start == 0
    for before, after in pairwise(posts):
        was, comes = told_of(before, rank), told_of(after, rank)
        if comes.start == was.start:
            repeats[before.told] += 1
        else:
            assert (comes.start, before.told is Told.NOTHING) == (was.stop, False)
    assert told_of(posts[-1], rank).stop == len(expected)
    return repeats


def secret_of(path: str) -> str:
    return f"secret of {path}"


def follow(engine: Engine, url: str) -> None:
    """Subscribe three paths of a receiver: to all events, to every other one, and to all once a second."""
    engine = replace(engine, settings=engine.settings.model_copy(update={"outgoing_allow": "127.0.0.1"}))
    define(engine, SENDER, dumps({"name": "all", "query": {}}))
    define(engine, SENDER, dumps({"name": "even", "query": {"EQ_bizStep": [STEPS[0]]}}))
    stream, schedule = {"stream": True}, {"schedule": {"second": "[0-59]"}}
    for query, path, when in (("all", "/all", stream), ("even", "/even", stream), ("all", "/report", schedule)):
        subscribe(engine, SENDER, query, dumps({"dest": url + path, "signatureToken": secret_of(path), **when}))


def check_notes(posts: Sequence[Noted], last: int) -> None:
    """Look that receivers of which three noted a post without an answer, and two servers killed, got all up to one."""
    for post in posts:
        check_signature(post.signature, post.body, secret_of(post.path), now_us=post.at)
    unanswered = 0
    for path, step in (("/all", 1), ("/even", 2), ("/report", 1)):
        repeats = repeats_of([post for post in posts if post.path == path], range(0, last + 1, step))
        unanswered += repeats[Told.NOTHING]
        # What was answered comes again where a server was killed before it noted the answer, and nowhere else.
        assert repeats[Told.ALL] <= 2
    assert unanswered >= 3


@dataclass
class Servers:
    site: Site
    stack: ExitStack
    started: list[Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        """Start one, and do not wait for it."""
        serve = self.site.program("serve", "--port", "0", log=f"log{len(self.started)}")
        self.started.append(self.stack.enter_context(serve))

    def kill(self) -> None:
        """Kill the one that delivers, which is there for longer than the others, and start another one."""
        server = next(one for one in self.started if one.poll() is None)
        server.kill()
        server.wait()
        self.start()


def test_a_receiver_killed_at_any_moment_of_a_post_misses_nothing(site: Site) -> None:
    began, chance, pause = time.monotonic(), Random(6), moments(12)
    site = replace(site, environment={**ALLOWED, "TRACEABILITY_SUBSCRIPTION_RETRY_SECONDS": "1"})
    runs = {moment: site.folder / f"notes-{moment}" for moment in Moment}

    def wait(condition: Callable[[], object]) -> None:
        wait_until(condition, seconds=began + LONGEST_SECONDS - time.monotonic())

    with kept_port() as port, site.engine() as engine, ExitStack() as stack:
        recorded, servers = Recorded(engine), Servers(site, stack)

        def subscriptions() -> list[Subscription]:
            return engine.subscriptions.page(SENDER, limit=9)

        def came_to_its_moment(receiver: Popen[bytes], notes: Path) -> bool:
            recorded.go_on(3)
            pause(0.1)
            return receiver.poll() is not None or held_file(notes).exists()

        follow(engine, f"http://127.0.0.1:{port}")
        servers.start()
        for moment in MORTAL:
            with mortal_receiver(port, runs[moment], moment, chance.randint(3, 8)) as receiver:
                wait(lambda: came_to_its_moment(receiver, runs[moment]))  # noqa: B023 - it is called here
                if moment is Moment.HOLDING:
                    servers.kill()  # while it waits for an answer
                    receiver.kill()
                assert receiver.wait() == -signal.SIGKILL
            recorded.go_on(10)
            wait(lambda: all("Connect call failed" in (one.last_error or "") for one in subscriptions()))
            if moment is Moment.READING:
                servers.start()  # which stands by
            if moment is Moment.ANSWERING:
                servers.kill()  # while there is nobody to deliver to
            recorded.go_on(20)
        with mortal_receiver(port, runs[Moment.NEVER], Moment.NEVER):
            last = recorded.go_on(2 - recorded.last % 2)  # an even one
            wait(lambda: all(one.position == last + 1 for one in subscriptions()))
        assert engine.subscriptions.dead(SENDER, limit=9) == []
    check_notes([post for notes in runs.values() for post in read_notes(notes)], last)
