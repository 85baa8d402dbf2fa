"""The pages of clocks: what is due, overdue first, and one clock with what answered it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request, Response
from starlette.datastructures import URL
from starlette.responses import HTMLResponse

from api.clock_models import ClockLine, ClockList, ClockOut, ClockSaidOut
from api.clocks import PATH, Place, describe_clock
from api.page_tokens import next_page
from api.provenance import published_trees
from api.security import Caller
from api.web import words
from api.web.names import Names
from api.web.page import Detail
from api.web.rendering import render
from api.web.said import SaidLine, proof_line, said_line
from api.web.sign_in import CLOCKS, PAGE_HEADERS, page_for, reader_of_page
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import microseconds
from traceability.supply_chain.clocks.clock import MEANINGS, ClockState
from traceability.supply_chain.clocks.rules import RULES
from traceability.supply_chain.clocks.term import Term

_SHOWN: Final = 50
"""Things that the page names; the JSON has all."""
_LATE: Final = (ClockState.OVERDUE, ClockState.ANSWERED_LATE)
_MINUTE: Final = 60_000_000
_SPANS: Final = ((48 * 60, 24 * 60, "days"), (120, 60, "hours"), (0, 1, "minutes"))


@dataclass(frozen=True, slots=True)
class Line:
    """A clock in the list; `when` says how long there is, or how it ended."""

    href: str
    title: str
    late: bool
    state: str
    rule: str | None
    due: str
    when: str
    responsible: str
    task: str
    started_by: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A state whose clocks alone may be listed."""

    label: str
    href: str
    chosen: bool


def clocks_page(
    engine: Engine,
    request: Request,
    ask: Callable[[Reader], tuple[ClockList, Place | None]],
    state: ClockState | None,
    visitor: Caller,
) -> Response:
    """Answer the list that `ask` gives a reader."""
    found, following = ask(reader_of_page(engine, visitor))
    names, now = Names(engine.organisations.all()), engine.clock.now_us()
    every = request.url.remove_query_params(["state", "nextPageToken"])
    choices = [Choice("All", _within(every), state is None)]
    for one in ClockState:
        only = every.include_query_params(state=one.value)
        choices.append(Choice(words.opened(one.value), _within(only), state is one))
    shown = render(
        "clocks.html",
        organisation=visitor.organisation,
        choices=choices,
        lines=[_line(clock, names, now) for clock in found.clocks],
        following=None if following is None else _within(_next(engine, request, following)),
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def clock_page(
    engine: Engine,
    request: Request,
    visitor: Caller | None,
    clock: str,
    *,
    as_of: int | None = None,
    known_at: int | None = None,
) -> Response:
    """Answer one clock, or ask a stranger who sees nothing of it for a key."""
    reader = reader_of_page(engine, visitor)
    try:
        found = describe_clock(engine, reader, clock, as_of=as_of, known_at=known_at)
    except NotFoundError:
        if visitor is not None:
            raise
        return page_for(request, None, CLOCKS, lambda _: Response())
    names, published = Names(engine.organisations.all()), published_trees(engine).published
    started = found.said[0].said
    shown = render(
        "clock.html",
        organisation=None if visitor is None else visitor.organisation,
        found=found,
        late=found.state in _LATE,
        state=words.opened(found.state.value),
        when=_when(found, microseconds(found.as_of)),
        facts=list(_facts(found, started, names)),
        things=[names.thing(thing) for thing in found.things[:_SHOWN]],
        more=max(0, len(found.things) - _SHOWN),
        answered_by=None if found.answered_by is None else proof_line(found.answered_by, published),
        lines=[_said(one, names, published) for one in found.said],
        address=f"{PATH}/{clock}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def _line(clock: ClockLine, names: Names, now: int) -> Line:
    return Line(
        href=f"{PATH}/{clock.clock}",
        title=clock.title,
        late=clock.state in _LATE,
        state=words.opened(clock.state.value),
        rule=clock.rule,
        due=_due(clock),
        when=_when(clock, now),
        responsible=names.organisation(clock.responsible),
        task=_task(clock),
        started_by=names.organisation(clock.started_by),
    )


def _next(engine: Engine, request: Request, following: Place) -> URL:
    return request.url.include_query_params(nextPageToken=next_page(engine, PATH, following).token)


def _within(address: URL) -> str:
    return f"{address.path}?{address.query}" if address.query else address.path


def _task(clock: ClockLine) -> str:
    return "has to keep it" if clock.retention else "has to answer"


def _due(clock: ClockLine) -> str:
    return f"before {_there(clock.due_there)} in {clock.zone}"


def _there(local: str) -> str:
    return words.moment(microseconds(datetime.fromisoformat(local).replace(tzinfo=UTC).isoformat()))


def _when(clock: ClockLine, now: int) -> str:
    due = microseconds(clock.due)
    if clock.ended_at is None:
        if now < due:
            return f"{_span(due - now)} left"
        return f"{_span(now - due)} ago" if clock.retention else f"for {_span(now - due)}"
    ended = microseconds(clock.ended_at)
    late = f", {_span(ended - due)} late" if clock.state is ClockState.ANSWERED_LATE else ""
    return f"{words.moment(ended)} UTC{late}"


def _span(time: int) -> str:
    """Return how long a time is, in days from two on, in hours from two on, else in minutes."""
    minutes = time // _MINUTE
    number, unit = next((minutes // size, unit) for least, size, unit in _SPANS if minutes >= least)
    return f"{number} {unit if number != 1 else unit[:-1]}"


def _facts(found: ClockOut, started: dict[str, Any], names: Names) -> Iterator[Detail]:
    due = _due(found)
    same = _there(found.due_there) == (utc := words.moment(microseconds(found.due)))
    yield Detail("Due", due if same else f"{due} ({utc} UTC)")
    yield Detail("Began", f"{words.moment(microseconds(found.started_at))} UTC")
    yield Detail(words.opened(_task(found)), names.organisation(found.responsible))
    yield Detail("Started by", names.organisation(found.started_by))
    rule = RULES.get(found.rule or "")
    if found.rule is not None:
        yield Detail("Rule", f"{found.rule}, version {started['version']}")
    if rule is not None and rule.version == started["version"]:
        yield Detail("Source", rule.source)
    yield Detail("Term", str(Term.model_validate(started["term"])))
    if "calendar" in started:
        yield Detail("Working days", f"those of {started['calendar']}")
    if started["closed"]:
        yield Detail("Closed too", ", ".join(started["closed"]))
    for label, value in (("Case", found.case), ("Asked by event", found.request), ("Note", started.get("note"))):
        if value is not None:
            yield Detail(label, str(value))


def _said(said: ClockSaidOut, names: Names, published: int) -> SaidLine:
    members = said.said
    position = members.get("position")
    sentence = "Started" if said.type == "started" else f"Answered by the event at position {position}"
    told = members.get("note")
    if said.type == "stopped":
        sentence, told = "Stopped", members["reason"]
    claim = None if said.claim is None else MEANINGS[said.claim].sentence
    return said_line(
        said, sentence if told is None else f"{sentence}: {told}", claim=claim, published=published, names=names
    )
