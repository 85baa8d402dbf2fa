"""Hold the answer of a bundle against its events: which it names, and what it says of them (docs/guide/bundles.md).

An item or a trace is what we make of many events, and names them. A page of EPCIS events, or a piece of evidence, only
repeats what its events say, so there it is compared member by member with what is shown of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from traceability.ledger.parts import HEAD, HOW, MORE, WHAT, WHERE, WHY
from traceability.notary.bundle import ANSWER, Kind, Manifest, names_in
from traceability.notary.content import decode_json
from traceability.notary.encoding import text_of
from traceability.notary.errors import VerificationError
from traceability.notary.receipt import Opening, OpenPart, OpenWhat

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Final = {
    f"epcis.{name.lower()}_event.v2": f"{name}Event"
    for name in ("Object", "Aggregation", "Transaction", "Transformation", "Association")
}
_OF_HEAD: Final = ("eventTimeZoneOffset", "action", "bizStep", "disposition", "persistentDisposition")
_EVENT_LIST: Final = ("epcisBody", "queryResults", "resultsBody", "eventList")
_DECLARATION: Final = "errorDeclaration"
_SINGLE: Final = frozenset({"parentID", "transformationID"})
_DISTINCT: Final = frozenset({"epcList", "inputEPCList", "outputEPCList"})
_EVIDENCE: Final = "notary.evidence_registered.v1"
_OF_EVIDENCE: Final = ("sha256", "size", "statement")


def check_answer(answer: bytes, manifest: Manifest, openings: Mapping[int, Opening], leaves: Mapping[int, int]) -> None:
    """Raise `VerificationError` (`bundle.answer`) unless the answer fits the events, which are given by position."""
    if manifest.kind is Kind.EVENTS:
        if sorted(manifest.positions) != sorted(openings):
            raise _other("the bundle does not hold the events of the answer, each once")
        _check_known(manifest.positions, manifest)
        _check_events(answer, [openings[position] for position in manifest.positions])
        return
    _check_names(answer, manifest, openings, leaves)
    if manifest.kind is Kind.EVIDENCE:
        _check_evidence(answer, openings)


def _check_names(answer: bytes, manifest: Manifest, openings: Mapping[int, Opening], leaves: Mapping[int, int]) -> None:
    events = {position: str(opening.event_id) for position, opening in openings.items()}
    named = names_in(answer)
    if named.known_at != (None if manifest.kind is Kind.EVIDENCE else manifest.known_at):
        raise VerificationError(f"{ANSWER} is as known at another position than the bundle")
    _check_known(named.positions, manifest)
    if not named.positions <= events.keys() or not named.event_ids <= set(events.values()):
        raise _other("the answer names an event that is not in the bundle")
    if not named.events <= events.items() or not named.leaves <= leaves.items():
        raise _other("the answer names an event by what is not its own")


def _check_known(positions: Sequence[int] | set[int], manifest: Manifest) -> None:
    if any(position > manifest.known_at for position in positions):
        raise _other("the answer names an event that was not known yet")


def _check_events(answer: bytes, openings: Sequence[Opening]) -> None:
    """Compare the events of a query document with what is shown of the bundle's, in this order."""
    told: Any = _decode(answer, ANSWER)
    for name in _EVENT_LIST:
        told = told.get(name) if isinstance(told, dict) else None
    if not isinstance(told, list) or len(told) != len(openings):
        raise _other("the answer is no query document with as many events as the bundle")
    for number, (event, opening) in enumerate(zip(told, openings, strict=True)):
        if event != event_of(opening):
            raise _other(f"event {number} of the answer is not what is shown of it")


def event_of(opening: Opening) -> dict[str, Any]:
    """Return the members of an EPCIS event (JSON binding of EPCIS 2.0) that an opening shows, numbers as spelled.

    Raises `VerificationError` when it is of no event of EPCIS.
    """
    head, more = _content(opening, HEAD), _content(opening, MORE)
    kind = _TYPES.get(str(head.get("type")))
    if kind is None:
        raise _other("the bundle holds an event that is none of EPCIS")
    event = {"type": kind, "eventTime": head.get("occurred_at"), "recordTime": _time_text(opening.recorded_at)}
    event |= {name: head[name] for name in _OF_HEAD if name in head}
    declarations = [part[_DECLARATION] for part in (head, more) if _DECLARATION in part]
    if declarations:
        if not all(isinstance(one, dict) for one in declarations):
            raise _other("an error declaration is no object")
        event[_DECLARATION] = {name: value for one in declarations for name, value in one.items()}
    for name, items in _lists(opening).items():
        # A thing that was named as URN and as link is in the list twice, and EPCIS wants it there once.
        once = name in _DISTINCT and kind != "TransactionEvent"
        event[name] = items[0] if name in _SINGLE else list(dict.fromkeys(items)) if once else items
    for part in (WHERE, WHY, HOW):
        event |= _content(opening, part)
    return event | {name: value for name, value in more.items() if name not in ("recordTime", _DECLARATION)}


def _lists(opening: Opening) -> dict[str, list[Any]]:
    lists: dict[str, list[Any]] = {}
    what = opening.parts[WHAT]
    for item in what.items if isinstance(what, OpenWhat) else ():
        said = _decode(item.content, "an item")
        name = said.pop("list")
        of_class = {"epcClass": said.pop("id"), **said} if name.endswith("uantityList") else said["id"]
        lists.setdefault(name, []).append(of_class)
    return lists


def _check_evidence(answer: bytes, openings: Mapping[int, Opening]) -> None:
    """Compare what is said of a piece of evidence, which is one event, with what is shown of it."""
    if len(openings) != 1:
        raise _other("evidence is one event")
    ((position, opening),) = openings.items()
    told, head = _decode(answer, ANSWER), _content(opening, HEAD)
    payload = _content(opening, MORE).get("payload")
    if head.get("type") != _EVIDENCE or not isinstance(payload, dict):
        raise _other("the bundle holds no evidence, or does not show it")
    shown = {name: payload.get(name) for name in _OF_EVIDENCE} | {
        "position": str(position).encode(),
        "event_id": str(opening.event_id),
        "registered_by": head.get("captured_by"),
        "recorded_at": _time_text(opening.recorded_at),
        "stored": payload.get("stored") is True,
    }
    if any(name not in told or told[name] != value for name, value in shown.items()):
        raise _other("the answer says something else of the evidence than is shown")


def _content(opening: Opening, part: int) -> dict[str, Any]:
    shown = opening.parts[part]
    return _decode(shown.content, "a part") if isinstance(shown, OpenPart) and shown.content else {}


def _decode(content: bytes, what: str) -> dict[str, Any]:
    # Numbers stay bytes, which no string is equal to: 4.10 is not 4.1, and no number is too long.
    value = decode_json(text_of(content, what), what, number=str.encode)
    if not isinstance(value, dict):
        raise VerificationError(f"{what} is not a JSON object")
    return value


def _time_text(microseconds: int) -> str:
    try:
        time = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise _other("an event is said to be recorded after the year 9999") from None
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _other(message: str) -> VerificationError:
    return VerificationError(message, code="bundle.answer")
