"""The pages of recall cases: the list, and one case as its visitor sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from api.provenance import published_trees
from api.recall_models import NoticeOut, RecallOut, SaidOut
from api.recalls import PATH, describe_recall, list_recalls
from api.security import Caller
from api.web.names import Names
from api.web.page import Detail, Named
from api.web.rendering import render
from api.web.said import SaidLine, said_line
from api.web.sign_in import PAGE_HEADERS, RECALLS, page_for, reader_of_page
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.supply_chain.recall.case import MEANINGS, Stage

_SHOWN: Final = 50
"""Things of each kind that the page names; the affected list has all."""
_STAGES: Final = {
    Stage.OPENED: "Open. Nothing is scoped yet.",
    Stage.SCOPED: "Scoped. Nobody is notified yet.",
    Stage.NOTIFIED: "Notified. Not everybody has answered.",
    Stage.ACKNOWLEDGED: "Everybody who was notified has answered.",
    Stage.RECONCILED: "It is added up what became of the things.",
    Stage.CLOSED: "Closed.",
    Stage.CANCELLED: "Cancelled: it should not have been opened.",
}
_WORDS: Final = {
    "opened": "Opened",
    "scoped": "Scoped: {affected}",
    "notified": "{organisation} notified of {things}",
    "acknowledged": "Notice answered: {told}",
    "reconciled": (
        "Added up: {recovered} recovered, {destroyed} destroyed, {not_found} not found, {unheld} with nobody,"
        " {missing_count} missing"
    ),
    "closed": "Closed",
    "cancelled": "Cancelled: {reason}",
}


@dataclass(frozen=True, slots=True)
class HolderLine:
    """Who has something of the scope, how much, and how far it knows."""

    name: str
    things: int
    told: str
    answered: str
    alarming: bool


def recalls_page(engine: Engine, before: int | None, per_page: int, visitor: Caller) -> Response:
    """Answer the list."""
    lines, following = list_recalls(engine, reader_of_page(engine, visitor), before=before, limit=per_page)
    shown = render(
        "recalls.html",
        organisation=visitor.organisation,
        lines=[(f"{PATH}/{one.case}", one, _STAGES[one.stage], _name(engine, one.opened_by)) for one in lines],
        following=None if following is None else f"{PATH}?before={following}&perPage={per_page}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def recall_page(
    engine: Engine,
    request: Request,
    visitor: Caller | None,
    case: str,
    *,
    as_of: int | None = None,
    known_at: int | None = None,
) -> Response:
    """Answer one case, or ask a stranger who sees nothing of it for a key."""
    reader = reader_of_page(engine, visitor)
    try:
        found = describe_recall(engine, reader, case, as_of=as_of, known_at=known_at)
    except NotFoundError:
        if visitor is not None:
            raise
        return page_for(request, None, RECALLS, lambda _: Response())
    names = Names(engine.organisations.all())
    published = published_trees(engine).published
    things = list(dict.fromkeys(thing for notice in found.notices for thing in notice.things))
    shown = render(
        "recall.html",
        organisation=None if visitor is None else visitor.organisation,
        found=found,
        entered_count=_count(len(found.widened.entered), "thing") if found.widened else "",
        state=_STAGES[found.stage],
        opened_by=names.organisation(found.opened_by),
        roots=_things(found.roots, names),
        facts=list(_facts(found, names)),
        holders=list(_holders(found, names)),
        entered=_things([one.thing for one in found.widened.entered], names) if found.widened else [],
        news=[names.holder(one.holder) for one in found.widened.holders] if found.widened else [],
        own=_things([] if found.whole else things, names),
        lines=[_line(one, published, names) for one in found.said],
        address=f"{PATH}/{case}",
    )
    return HTMLResponse(shown, headers=PAGE_HEADERS)


def _name(engine: Engine, organisation: str) -> str:
    return Names(engine.organisations.all()).organisation(organisation)


def _things(things: list[str], names: Names) -> list[Named]:
    return [names.thing(thing) for thing in things[:_SHOWN]]


def _facts(found: RecallOut, names: Names) -> Iterator[Detail]:
    yield Detail("Class", found.classification)
    yield Detail("Reason", found.reason)
    if found.scopes:
        scope = found.scopes[-1]
        known_at = scope.question["known_at"]
        affected = f"{_count(scope.items, 'item')} and {_count(scope.lots, 'lot')}"
        yield Detail("Affected", f"{affected}, as known at position {known_at}")
        if not scope.complete:
            yield Detail("Not complete", "a limit cut the trace short")
    if found.reconciled is not None:
        said = found.reconciled.said
        yield Detail("Came back", f"{said['recovered']}, and {said['destroyed']} were destroyed")
        yield Detail("Missing", f"{said['missing_count']}, and {said['not_found']} were not found")
        for lot in said.get("lots", ()):
            unit = lot.get("uom", "")
            told = f"{lot['recovered']} {unit} recovered, {lot['destroyed']} destroyed, {lot['not_found']} not found"
            missing = f", {lot['missing']} missing" if "missing" in lot else ""
            yield Detail(names.thing(lot["lot"]).value, told + missing)


def _holders(found: RecallOut, names: Names) -> Iterator[HolderLine]:
    answers: dict[str, list[NoticeOut]] = {}
    for notice in found.notices:
        answers.setdefault(notice.organisation, []).append(notice)
    for holder in found.scopes[-1].holders if found.scopes else ():
        notices = answers.get(holder.holder, [])
        own = holder.holder == found.opened_by
        told = "opened it" if own else f"{holder.told_of}" if holder.reachable else "not reachable here"
        outcomes = [f"{count} {outcome}" for one in notices for outcome, count in one.outcomes.items()]
        answered = all(one.acknowledged_at for one in notices)
        yield HolderLine(
            name=names.holder(holder.holder),
            things=holder.things,
            told=told,
            answered=", ".join(outcomes) or ("yes" if notices and answered else "" if own else "no"),
            alarming=not own and (holder.told_of < holder.things or not answered),
        )


def _line(said: SaidOut, published: int, names: Names) -> SaidLine:
    members = dict(said.said)
    members["things"] = _count(len(members.get("things", ())), "thing")
    if said.type == "scoped":
        members["affected"] = f"{_count(members['items'], 'item')} and {_count(members['lots'], 'lot')}"
    outcomes = Counter(one["outcome"] for one in members.get("told", ()))
    members["told"] = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "received"
    if "organisation" in members:
        members["organisation"] = names.organisation(members["organisation"])
    claim = None if said.claim is None else MEANINGS[said.claim].sentence
    return said_line(said, _WORDS[said.type].format_map(members), claim=claim, published=published, names=names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
