"""The evaluator: what is recorded is judged for each organisation by itself, and what is irregular is kept.

It follows the ledger by a cursor for each organisation, a window of positions at a time. The things that the events of
a window concern are judged as known at the head, those of which the organisation recorded something itself. What is
found is written together with the cursor: a crash loses what was not written yet, and it is done again.

A judgement follows from the events that an organisation sees, from its rights, and from who is who. When its rights,
the GLNs of the ledger or the register change, its cursor begins anew. Until that has come to its end, what was found
stands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson
import psycopg
import structlog
from psycopg_pool import PoolTimeout
from pydantic import SecretStr

from adapters.postgres.judging import Cursor, Found, PostgresJudging
from api import collector
from api.background import Background
from api.capture.processes import Processes
from api.provenance import ask
from api.settings import Settings
from api.wiring import Engine, open_engine
from traceability.errors import ConflictError, UnavailableError
from traceability.ledger.access import Reader
from traceability.supply_chain.concerned import concerned
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.evaluation import Evaluation, evaluate_many
from traceability.supply_chain.seen import SeenEvent

WINDOW: Final = 20_000
"""Positions that are judged and written together: what they say of one thing is then read once."""
_AT_ONCE: Final = 50_000
"""Things whose events are in memory together."""
POLL_SECONDS: Final = 1.0
RIGHTS_SECONDS: Final = 10.0
"""How long the rights of organisations are taken to be the same."""
FOLLOW_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 5.0
MOST_REMEMBERED: Final = 200_000
_LOOKS_UP: Final = 0.2  # seconds after which the end of the server is looked for
_NICE: Final = 10
_PATIENCE: Final = 4  # times as long as was worked, while something is recorded
_RULES: Final = 2  # with another number everything is judged anew: to be raised when a rule says something else
_log: Final = structlog.stdlib.get_logger("api.evaluator")


@dataclass(slots=True)
class _Organisation:
    """An organisation whose things are judged: `done` has those of this run, with the position that was known then."""

    reader: Reader
    rights: bytes
    done: dict[str, int] = field(default_factory=dict)


class Evaluator:
    """Judges what is new, a window at a time; one at a time for a ledger (`PostgresJudging.leadership`)."""

    def __init__(self, engine: Engine, *, window: int = WINDOW) -> None:
        self._engine = engine
        self._judging = judging_of(engine)
        self._window = window
        self._organisations: dict[str, _Organisation] = {}
        self._looked_at = float("-inf")

    def round(self) -> tuple[int, int] | None:
        """Judge a window for those that are furthest behind; None when nobody is behind the head.

        Returns the position up to which all are judged now, and the head.
        """
        head = self._engine.ledger.head()
        self._look_at_rights()
        cursors = {name: one for name, one in self._cursors(head).items() if one.position < head}
        if not cursors:
            for organisation in self._organisations.values():
                organisation.done.clear()
            return None
        after = min(cursor.position for cursor in cursors.values())
        until = min(after + self._window, head)
        behind = {name: cursor for name, cursor in cursors.items() if cursor.position == after}
        readers = {name: self._organisations[name].reader for name in behind}
        for name in sorted(self._judging.skip(readers, after, until)):
            self._step(self._organisations[name], behind[name], until)
        left = [cursor.position for cursor in cursors.values() if cursor.position > after]
        return min([until, *left]), head

    def _cursors(self, head: int) -> dict[str, Cursor]:
        """Return where each organisation is, after setting those back that are judged by other rights than before."""
        known = self._judging.cursors()
        for name, organisation in self._organisations.items():
            if name not in known or known[name].rights != organisation.rights:
                known[name] = Cursor(name, 0, organisation.rights, head)
                self._judging.begin(known[name])
                organisation.done.clear()
        return {name: known[name] for name in self._organisations}

    def _look_at_rights(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < RIGHTS_SECONDS:
            return
        self._looked_at = now
        glns = self._judging.known_glns()
        found: dict[str, _Organisation] = {}
        for one in self._engine.organisations.all():
            reader = self._engine.organisations.reader(one.name)
            rights = rights_of(reader, glns, self._engine.settings.operator)
            known = self._organisations.get(one.name)
            found[one.name] = _Organisation(reader, rights, known.done if known and known.rights == rights else {})
        self._organisations = found

    def _step(self, organisation: _Organisation, cursor: Cursor, until: int) -> None:
        engine, reader = self._engine, organisation.reader
        index = ask(engine, reader)
        known_at = index.known_at
        said = self._judging.said(reader, cursor.position, until, known_at)
        if said.registered > cursor.register_at:
            self._judging.begin(replace(cursor, position=0, register_at=known_at))
            organisation.done.clear()
            return
        things = _own_things(said.events, reader.organisation)
        # Every judgement since the beginning knows what was recorded before it. Until there it is enough that each
        # thing is met in what the organisation recorded of it.
        if until > cursor.register_at:
            others = concerned(index, said.events) - things
            things |= self._judging.own(reader, others, known_at)
        # What was judged as known further on needs no second look.
        own = sorted(thing for thing in things if organisation.done.get(thing, 0) < until)
        found: list[Found] = []
        for start in range(0, len(own), _AT_ONCE):
            with collector.paused():
                found += _found(_judge(engine, reader, known_at, own[start : start + _AT_ONCE]))
        if self._judging.settle(cursor, until, known_at, own, found):
            if len(organisation.done) > MOST_REMEMBERED:
                organisation.done.clear()
            organisation.done.update(dict.fromkeys(own, known_at))


def _own_things(events: Iterable[SeenEvent], organisation: str) -> set[str]:
    own = [event for event in events if event.captured_by == organisation]
    return {
        thing for event in own for thing in (event.decided_about if isinstance(event, SeenDecision) else event.things)
    }


def _judge(engine: Engine, reader: Reader, known_at: int, things: Collection[str]) -> Evaluation:
    return evaluate_many(ask(engine, reader, known_at), engine.parties(reader, known_at), things)


def _found(evaluation: Evaluation) -> Iterator[Found]:
    events = evaluation.events
    for one in evaluation.irregularities:
        against = None if one.against is None else events[one.against].event_id
        yield Found(one, events[one.position].event_id, against)


def judging_of(engine: Engine) -> PostgresJudging:
    """Return how far the engine's ledger is judged."""
    return PostgresJudging(engine.ledger, engine.visibility)


def rights_of(reader: Reader, glns: int, operator: str) -> bytes:
    """Return a digest of what a judgement follows from beside events and register: who sees what, and who is who."""
    grants = sorted(
        (one.grantor, one.grantee, None if one.steps is None else sorted(one.steps), sorted(one.parts))
        for one in reader.grants
    )
    said = [_RULES, reader.organisation, sorted(reader.parties), grants, glns, operator]
    return blake2b(orjson.dumps(said), digest_size=16).digest()


def judge(
    engine: Engine, *, once: bool, again: int | None = None, progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """Judge what is recorded, and what is behind the position `again` once more; return the position up to which.

    Without `once` it goes on for ever. Raises `ConflictError` (`evaluation.under_way`) while another process judges.
    """
    judging = judging_of(engine)
    with judging.leadership(engine.urls.runtime) as connection:
        if connection is None:
            raise ConflictError(
                "Another process judges this ledger",
                code="evaluation.under_way",
                hint="A server does so by itself; TRACEABILITY_EVALUATOR=false turns that off.",
            )
        if again is not None:
            judging.again(again)
        evaluator = Evaluator(engine)
        while True:
            connection.execute("SELECT 1")  # when it is lost, so is the lead
            judged = evaluator.round()
            if judged is not None:
                progress(*judged)
            elif once:
                return engine.ledger.head()
            else:
                time.sleep(POLL_SECONDS)


class BackgroundEvaluator:
    """The thread of a server that has a process of low priority judge, while no other process does.

    Whoever asks the server something would wait for a thread that judges. The process works half of the time at most, a
    fifth of it while something is recorded. It may be killed at any moment, and is when the server ends.
    """

    def __init__(self, engine: Engine) -> None:
        self._settings = engine.settings.model_copy(update={"database_url": SecretStr(engine.urls.runtime)})
        self._processes = Processes(1, judge_beside)
        self.background = Background("evaluator", self._run)

    def _run(self) -> None:
        head = 0
        while not self.background.stops:
            began = time.monotonic()
            try:
                beside = self._round()
            except (psycopg.Error, PoolTimeout, UnavailableError) as error:
                _log.warning("nothing judged", reason=str(error))
                self.background.pause(RETRY_SECONDS)
                continue
            except Exception:  # noqa: BLE001 - a thread that ended without a word would look like one that is idle
                _log.exception("nothing judged")
                self.background.pause(RETRY_SECONDS)
                continue
            if beside is None or not beside.leads:
                self.background.pause(FOLLOW_SECONDS)
            elif beside.judged is None:
                self.background.rest(POLL_SECONDS)
            else:
                # Who records goes before it.
                patience = _PATIENCE if beside.judged[1] > head else 1
                self.background.pause((time.monotonic() - began) * patience)
                head = beside.judged[1]
        self._processes.end()

    def _round(self) -> Beside | None:
        """Have a window judged; None when the server ends meanwhile."""
        future = self._processes.submit(self._settings)
        while not self.background.stops:
            with suppress(TimeoutError):
                return future.result(_LOOKS_UP)
        return None


class Beside(NamedTuple):
    """Whether a process leads, and what `Evaluator.round` returned."""

    leads: bool
    judged: tuple[int, int] | None = None


class _Beside:
    """What a process keeps from round to round: the engine, and the lead while it has it."""

    def __init__(self, settings: Settings) -> None:
        os.nice(_NICE)
        collector.settle()
        self._stack, self._lead = ExitStack(), ExitStack()
        self._engine = self._stack.enter_context(open_engine(settings))
        self._leading: tuple[psycopg.Connection, Evaluator] | None = None

    def round(self) -> Beside:
        try:
            if self._leading is None:
                lead = judging_of(self._engine).leadership(self._engine.urls.runtime)
                connection = self._lead.enter_context(lead)
                if connection is None:
                    self._lead.close()
                    return Beside(leads=False)
                self._leading = connection, Evaluator(self._engine)
            connection, evaluator = self._leading
            connection.execute("SELECT 1")  # when it is lost, so is the lead
            return Beside(leads=True, judged=evaluator.round())
        except Exception:
            self._leading = None
            self._lead.close()
            raise


_KEPT: Final[list[_Beside]] = []


def judge_beside(settings: Settings) -> Beside:
    """Judge a window, in a process that does nothing else."""
    if not _KEPT:
        _KEPT.append(_Beside(settings))
    return _KEPT[0].round()


@contextmanager
def evaluating(engine: Engine) -> Iterator[None]:
    """Judge what is recorded in the background for as long as the context lasts, if the settings say so."""
    if not engine.settings.evaluator:
        yield
        return
    with BackgroundEvaluator(engine).background:
        yield
