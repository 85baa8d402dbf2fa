"""The pages of monitoring sessions: the list, and one session with its temperatures, the verdict and the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from api.monitoring import PATH, describe_watched, read_session
from api.monitoring_models import FindingOut, SessionLine, SessionOut, SessionSaidOut
from api.provenance import published_trees
from api.security import Caller
from api.web import words
from api.web.course_section import course_section, lasted
from api.web.names import Names
from api.web.page import Detail, Named, Session
from api.web.rendering import render
from api.web.said import SaidLine, said_line
from api.web.sign_in import MONITORING, PAGE_HEADERS, page_for, reader_of_page
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import microseconds
from traceability.supply_chain.cold_chain.course import Verdict
from traceability.supply_chain.cold_chain.session import MEANINGS

_SHOWN: Final = 200
"""Things that the page shows; the JSON has all."""
_VERDICTS: Final = {
    Verdict.WITHIN: "always within the limits",
    Verdict.ALLOWED: "outside no more than is allowed",
    Verdict.INCOMPLETE: "not all is known",
    Verdict.OUT: "a limit was broken",
}
_DECIDED: Final = {"release": "Released", "quarantine": "Quarantined", "destroy": "To be destroyed"}
_SAID: Final = {"opened": "Opened", "sealed": "Sealed", "evaluated": "Evaluated"}


@dataclass(frozen=True, slots=True)
class Found:
    """A finding in words."""

    code: str
    sentence: str
    when: str


def sessions_page(
    engine: Engine,
    request: Request,
    ask: Callable[[Reader], tuple[list[SessionLine], int | None]],
    visitor: Caller,
) -> Response:
    """Answer the list that `ask` gives a reader."""
    lines, following = ask(reader_of_page(engine, visitor))
    names = Names(engine.organisations.all())
    older = None if following is None else request.url.include_query_params(before=following)
    shown = render(
        "monitoring_sessions.html",
        organisation=visitor.organisation,
        lines=[session_line(one, names) for one in lines],
        filtered=bool(request.query_params),
        following=None if older is None else f"{older.path}?{older.query}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def session_page(
    engine: Engine,
    request: Request,
    visitor: Caller | None,
    session: str,
    *,
    as_of: int | None = None,
    known_at: int | None = None,
) -> Response:
    """Answer one session, or ask a stranger who sees nothing of it for a key."""
    reader = reader_of_page(engine, visitor)
    try:
        seen = read_session(engine, reader, session, as_of=as_of, known_at=known_at)
    except NotFoundError:
        if visitor is not None:
            raise
        return page_for(request, None, MONITORING, lambda _: Response())
    names, published = Names(engine.organisations.all()), published_trees(engine).published
    found = describe_watched(seen)
    shown = render(
        "monitoring_session.html",
        organisation=None if visitor is None else visitor.organisation,
        found=found,
        title=_title(found, names),
        bad=_is_bad(found),
        state=_state(found),
        verdict=_VERDICTS[found.found],
        facts=list(_facts(found, names)),
        things=[names.thing(thing) for thing in found.things[:_SHOWN]],
        more=max(0, len(found.things) - _SHOWN),
        findings=[_found(one) for one in found.findings],
        course=course_section(found, seen),
        lines=[_said(one, names, published) for one in found.said],
        address=f"{PATH}/{session}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def _is_bad(found: SessionLine) -> bool:
    return found.verdict is Verdict.OUT or found.disposition in ("quarantine", "destroy")


def _title(found: SessionLine, names: Names) -> str:
    first, others = names.thing(found.things[0]).value, len(found.things) - 1
    return first if not others else f"{first} and {others} more"


def _state(found: SessionLine) -> str:
    return words.opened(found.stage.value) if found.disposition is None else _DECIDED[found.disposition.value]


def session_line(one: SessionLine, names: Names) -> Session:
    """Return a session as lists show it."""
    return Session(
        href=f"{PATH}/{one.session}",
        title=_title(one, names),
        bad=_is_bad(one),
        state=_state(one),
        verdict=None if one.verdict is None else _VERDICTS[one.verdict],
        device=names.thing(one.device).value,
        opened=_moment(one.opened_at),
        who=names.organisation(one.opened_by),
    )


def _facts(found: SessionOut, names: Names) -> Iterator[Detail]:
    device: Named = names.thing(found.device)
    yield Detail("Device", device.value, device.href)
    yield Detail(
        "Calibration", f"certificate {found.certificate}, {words.opened(found.calibration.value).lower()} then"
    )
    yield Detail("Limits", f"{found.limits.name}, version {found.limits.version}: {_band(found)}")
    yield Detail("Opened", f"{_moment(found.opened_at)} by {names.organisation(found.opened_by)}")
    if found.until is not None:
        yield Detail("Sealed until", _moment(found.until))
    yield Detail("Quality assurance", names.organisation(found.quality))
    course = found.course
    if course is not None:
        yield Detail("Lowest and highest", f"{course.lowest:f} °C and {course.highest:f} °C")
        if course.mean_kinetic_temperature is not None:
            yield Detail("Mean kinetic temperature", f"{course.mean_kinetic_temperature:.3f} °C")
        if course.worst_window is not None:
            worst = course.worst_window
            since = f"from {_moment(worst.since)}"
            yield Detail("Its worst window", f"{worst.mean_kinetic_temperature:.3f} °C, {since}")
        yield Detail("Outside of the band", lasted(course.seconds_above + course.seconds_below))
    if found.follow_up is not None:
        yield Detail("What does it", f"the command {found.follow_up.command}")


def _band(found: SessionOut) -> str:
    return f"{found.limits.low:f} to {found.limits.high:f} °C"


def _found(one: FindingOut) -> Found:
    times = "" if one.times == 1 else f" ({one.times} times)"
    when = "" if one.since is None or one.until is None else f"{_moment(one.since)} to {_moment(one.until)}"
    return Found(one.code.value, f"{one.sentence}{times}", when)


def _said(said: SessionSaidOut, names: Names, published: int) -> SaidLine:
    members = said.said
    sentence = _SAID.get(said.type) or _DECIDED.get(str(members.get("disposition")), words.opened(said.type))
    told = members.get("reason") or members.get("note")
    if said.type == "evaluated":
        told = _VERDICTS[Verdict(members["verdict"])]
    if said.type == "sealed":
        told = f"{members['readings']} readings"
    claim = None if said.claim is None else MEANINGS[said.claim].sentence
    whole = sentence if told is None else f"{sentence}: {told}"
    return said_line(said, whole, claim=claim, published=published, names=names)


def _moment(text: str) -> str:
    return f"{words.moment(microseconds(text))} UTC"
