"""The pre-hash string as the reference implementation of the CBV event hash writes it, defects and all.

The reference is RalphTro/epcis-event-hash-generator, commit 5d2f1c3. It reads an event into a tree of names, texts and
children (`reference_tree`), takes from it the fields it has an order for, and writes what is left behind them, sorted.
So business transactions, sources and destinations stand behind the sensors, and what an object has too much of stands
once more at the end. What makes it fail, where it drops the event without a word, is an `EventHashError` here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from traceability.gs1.epcis.hash.keys import EventHashError
from traceability.gs1.epcis.hash.reference_links import normalised
from traceability.gs1.epcis.problems import shown


class Node(NamedTuple):
    """An element, an attribute or a member: its name, its text, and what is inside it."""

    name: str
    text: str
    children: list[Child]


Pair: TypeAlias = tuple[Node, Node]
"""A type and the business transaction, source or destination that it belongs to."""
Child: TypeAlias = Node | Pair
_Order: TypeAlias = Sequence[tuple[str, "_Order"]]

BUSINESS: Final = frozenset({"bizTransaction", "source", "destination"})
"""Elements that come in pairs with their type."""

_NONE: Final[_Order] = ()


def _plain(*names: str) -> _Order:
    return [(name, _NONE) for name in names]


_EPCS: Final = _plain("epc")
_QUANTITIES: Final[_Order] = [("quantityElement", _plain("epcClass", "quantity", "uom"))]
_METADATA: Final = _plain(
    "time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules"
)
_REPORT: Final = _plain(
    "type", "exception", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "time", "microorganism",
    "chemicalSubstance", "value", "component", "stringValue", "booleanValue", "hexBinaryValue", "uriValue", "minValue",
    "maxValue", "meanValue", "sDev", "percRank", "percValue", "uom", "coordinateReferenceSystem",
)  # fmt: skip
# Pairs are never among the fields it looks for, which is why their lists are left for the end; but their extensions and
# texts are looked at, as those of every field with an order.
_PAIRS: Final[_Order] = [("", _NONE)]
_EVENT: Final[_Order] = [
    *_plain("eventTime", "eventTimeZoneOffset", "certificationInfo", "parentID"),
    *[(name, _EPCS) for name in ("epcList", "inputEPCList", "childEPCs")],
    *[(name, _QUANTITIES) for name in ("quantityList", "childQuantityList", "inputQuantityList")],
    ("outputEPCList", _EPCS),
    ("outputQuantityList", _QUANTITIES),
    *_plain("action", "transformationID", "bizStep", "disposition"),
    ("persistentDisposition", _plain("set", "unset")),
    *[(name, _plain("id")) for name in ("readPoint", "bizLocation")],
    *[(name, _PAIRS) for name in ("bizTransactionList", "sourceList", "destinationList")],
    ("sensorElementList", [("sensorElement", [("sensorMetadata", _METADATA), ("sensorReport", _REPORT)])]),
]
_NOT_HASHED: Final = frozenset({"recordTime", "eventID", "type", "errorDeclaration"})

_VOCABULARIES: Final = (
    ("urn:epcglobal:cbv:bizstep:", "https://ref.gs1.org/cbv/BizStep-"),
    ("urn:epcglobal:cbv:disp:", "https://ref.gs1.org/cbv/Disp-"),
    ("urn:epcglobal:cbv:btt:", "https://ref.gs1.org/cbv/BTT-"),
    ("urn:epcglobal:cbv:sdt:", "https://ref.gs1.org/cbv/SDT-"),
    ("urn:epcglobal:cbv:er:", "https://ref.gs1.org/cbv/ER-"),
)
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
    r"(?:\s*(?:([Zz]|UTC|GMT)|([+-])(\d\d):?(\d\d)?))?)?",
    re.ASCII,
).fullmatch
_HAS_DIGIT: Final = re.compile(r"\d").search
_CACHED: Final = 4096


def fails(what: str) -> EventHashError:
    """Return the error of an event for which the reference has no hash."""
    return EventHashError("", "epcis.reference_fails", f"The reference implementation fails at {what}.")


def sort(children: list[Child]) -> None:
    """Sort by name, text and what is inside; raises `EventHashError` where these cannot be compared."""
    try:
        children.sort()
    except TypeError:
        raise fails("elements of one name and text that differ inside") from None


def reference_prehash(event: Node) -> str:
    """Return the pre-hash string of an event; its tree is used up. Raises `EventHashError` where that fails."""
    ordered = _in_order(event.children, _EVENT)
    rest = [child for child in event.children if not isinstance(child, Node) or child.name not in _NOT_HASHED]
    return f"eventType={event.name}{ordered}{_sorted(rest)}"


def _in_order(children: list[Child], order: _Order) -> str:
    """Write the fields that an order names, then the extensions beside them, and take these out of `children`."""
    extensions = _extensions(children)
    pieces: list[str] = []
    for name, inside in order:
        written: list[str] = []
        for child in [child for child in children if isinstance(child, Node) and child.name == name]:
            if piece := _field(child, inside):
                written.append(piece)
            if not child.children:
                children.remove(child)
        pieces += sorted(written)
    return "".join(pieces) + _sorted(extensions)


def _field(node: Node, order: _Order) -> str:
    inner = _in_order(node.children, order) if order else ""
    written = ""
    if node.text:
        name = node.name.lower()
        value = node.text.strip()
        written = _time(value) if "time" in name and "offset" not in name else _value(value)
        written = written and f"={written}"
    return node.name + written + inner if written or inner else ""


def _extensions(children: list[Child]) -> list[Child]:
    """Take the extensions out of the children of anything but an event, which it tells by a time or an action."""
    if len(children) <= 1 or any(
        isinstance(child, Node) and ("eventTime" in child.name or "action" in child.name) for child in children
    ):
        return []
    found: list[Child] = [c for c in children if isinstance(c, Node) and "{" in c.name and "/}" in c.name]
    for child in found:
        children.remove(child)
    return found


def _sorted(children: Sequence[Child]) -> str:
    """Write whatever there is."""
    pieces = []
    for child in children:
        if isinstance(child, Node):
            value = child.text.strip()
            written = f"={_value(value)}" if value else ""
            pieces.append(child.name + written + _sorted(child.children))
        else:
            pieces.append(_sorted(child))
    if not any(isinstance(child, Node) and child.name in BUSINESS for child in children):
        pieces.sort()
    return "".join(pieces)


@lru_cache(maxsize=_CACHED)
def _value(value: str) -> str:
    for urn, web in _VOCABULARIES:
        value = value.replace(urn, web)
    value = _number(value)
    return normalised(value) or value


def _number(value: str) -> str:
    """Write whatever Python reads as a number, as Python writes it."""
    try:
        found = float(value)
        return str(int(found) if int(found) == found else found)
    except ValueError:
        return value
    except OverflowError:
        raise fails(f"the number {shown(value)}, which is infinite") from None


def _time(value: str) -> str:
    """Write a time with three decimals, half to even; one without an offset is taken for UTC, another text kept."""
    found = _TIME(value)
    if found is None:
        if _HAS_DIGIT(value):
            raise fails(f"the time {shown(value)}, which it fills in from today's date or guesses")
        return value
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = found.groups()
    offset = UTC
    try:
        if sign:
            away = timedelta(hours=int(hours), minutes=int(minutes or 0))
            offset = timezone(-away if sign == "-" else away)
        time = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "").ljust(6, "0")[:6]), offset,
        )  # fmt: skip
    except ValueError:
        return value
    try:
        time = time.astimezone(UTC)
        return time.replace(microsecond=round(time.microsecond, -3)).isoformat(timespec="milliseconds")[:-6] + "Z"
    except (ValueError, OverflowError):
        raise fails(f"the time {shown(value)}") from None
