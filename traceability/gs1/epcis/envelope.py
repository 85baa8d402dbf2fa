"""The document around the events: found, measured and opened without deciding anything about the events inside.

Events lie in `epcisBody.eventList` of an EPCISDocument, in `epcisBody.queryResults.resultsBody.eventList` of an
EPCISQueryDocument (EPCIS 2.0 §9.2, §10.2), in a plain array, or the document is one event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from traceability.gs1.epcis.problems import member
from traceability.gs1.epcis.strict_json import (
    JSON,
    JsonTextError,
    end_of,
    expect,
    skip_space,
    string_at,
    value_at,
)

_RESULTS: Final = {"resultsBody": {"eventList": None}}
_WAY: Final[Mapping[str, JSON]] = {"epcisBody": {"eventList": None, "queryResults": _RESULTS}}
# What leaves the end of a value findable by its brackets.
_OF_ONE_VALUE: Final = frozenset({
    "json.depth", "json.repeated_member", "json.number", "json.surrogate", "json.nul",
})  # fmt: skip


@dataclass(slots=True)
class EventText:
    """One event as it stands in the document: its JSONPath, its characters, and its value or what is wrong with it."""

    path: str
    text: str
    value: JSON
    error: JsonTextError | None = None


@dataclass(slots=True)
class Envelope:
    """A document: the members around the events, and the events, None where there is no list of them."""

    members: dict[str, JSON] = field(default_factory=dict)
    events: list[EventText] | None = None


def open_envelope(text: str) -> Envelope:
    """Read a whole document; raises `JsonTextError` where it is not JSON."""
    envelope = Envelope()
    at = skip_space(text, 0)
    if text[at : at + 1] == "[":
        end = _read_events(text, at, "$", envelope)
    elif text[at : at + 1] == "{":
        end = _read_members(text, at, "$", _WAY, envelope, into=envelope.members)
        if envelope.events is None and "epcisBody" not in envelope.members:
            event, _ = value_at(text, at)  # once more as one value, with the checks of one
            envelope.events = [EventText("$", text[at:end], event)]
    else:
        value, end = value_at(text, at)
        envelope.members = {"": value}
    end = skip_space(text, end)
    if end != len(text):
        expect(text, end, "end of the document")
    return envelope


def _read_members(
    text: str, at: int, path: str, way: Mapping[str, JSON], envelope: Envelope, *, into: dict[str, JSON]
) -> int:
    """Read an object `into` members, looking for the events along `way`; return where it ends."""
    at = skip_space(text, expect(text, at, "{"))
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        name, at = string_at(text, at)
        if name in into:
            raise JsonTextError(f"The member {name[:80]!r} appears twice in one object.", code="json.repeated_member")
        at = skip_space(text, expect(text, skip_space(text, at), ":"))
        inside = path + member(name)
        if name in way and way[name] is None and text[at : at + 1] == "[":
            into[name] = True
            at = _read_events(text, at, inside, envelope)
        elif way.get(name) and text[at : at + 1] == "{":
            into[name] = {}
            at = _read_members(text, at, inside, way[name], envelope, into=into[name])
        else:
            into[name], at = value_at(text, at)
        at = skip_space(text, at)
        if text[at : at + 1] != ",":
            return expect(text, at, "}")
        at = skip_space(text, at + 1)


def _read_events(text: str, at: int, path: str, envelope: Envelope) -> int:
    """Read an array of events into the envelope; return where it ends."""
    events = envelope.events if envelope.events is not None else []
    envelope.events = events
    at = skip_space(text, expect(text, at, "["))
    if text[at : at + 1] == "]":
        return at + 1
    count = 0
    while True:
        error = None
        value: JSON = None
        try:
            value, end = value_at(text, at)
        except JsonTextError as problem:
            if problem.code not in _OF_ONE_VALUE:
                raise
            error, end = problem, end_of(text, at)
        events.append(EventText(f"{path}[{count}]", text[at:end], value, error))
        count += 1
        at = skip_space(text, end)
        if text[at : at + 1] != ",":
            return expect(text, at, "]")
        at = skip_space(text, at + 1)
