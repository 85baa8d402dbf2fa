"""One event, checked against the rules of its type and cut by dimension (EPCIS 2.0 §7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from traceability.gs1.epcis.context import EPCIS_NAMESPACES, Names
from traceability.gs1.epcis.dimensions import cut_business_list, cut_certification, cut_ilmd, cut_place
from traceability.gs1.epcis.fields import canonical_object, extension, is_uri, time_field, unknown_field
from traceability.gs1.epcis.problems import Findings, member, shown
from traceability.gs1.epcis.sensor import cut_sensor_elements
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.times import is_offset, lacks_offset, utc
from traceability.gs1.epcis.vocabulary import BIZ_STEP, DISPOSITION, ERROR_REASON
from traceability.gs1.epcis.what import Named, cut_items
from traceability.ledger.parts import ITEM_LISTS

TYPE_NAMES: Final[Mapping[str, str]] = {
    "ObjectEvent": "epcis.object_event.v2",
    "AggregationEvent": "epcis.aggregation_event.v2",
    "TransactionEvent": "epcis.transaction_event.v2",
    "TransformationEvent": "epcis.transformation_event.v2",
    "AssociationEvent": "epcis.association_event.v2",
}
"""EPCIS event types and their names on the ledger."""

_PLACES: Final = ("readPoint", "bizLocation")
_BUSINESS_LISTS: Final = ("bizTransactionList", "sourceList", "destinationList")
_COMMON: Final = frozenset({
    "@context", "type", "eventTime", "eventTimeZoneOffset", "recordTime", "eventID", "errorDeclaration", "bizStep",
    "disposition", "persistentDisposition", "certificationInfo", "sensorElementList", *_PLACES, *_BUSINESS_LISTS,
})  # fmt: skip
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "ObjectEvent": frozenset({"action", "epcList", "quantityList", "ilmd"}),
    "AggregationEvent": frozenset({"action", "parentID", "childEPCs", "childQuantityList"}),
    "AssociationEvent": frozenset({"action", "parentID", "childEPCs", "childQuantityList"}),
    "TransactionEvent": frozenset({"action", "parentID", "epcList", "quantityList"}),
    "TransformationEvent": frozenset({
        "action", "inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList", "transformationID",
        "ilmd",
    }),
}  # fmt: skip
_FIELDS: Final = {name: _COMMON | fields for name, fields in _OF_TYPE.items()}
ALL_FIELDS: Final = _COMMON.union(*_OF_TYPE.values())
"""The members of an event, of whatever type."""
EVENT_TYPES: Final[Mapping[str, str]] = {
    prefix + name: name for name in TYPE_NAMES for prefix in ("", "epcis:", *EPCIS_NAMESPACES)
}  # fmt: skip
"""Every spelling of a type of event."""
_ACTIONS: Final = frozenset({"ADD", "OBSERVE", "DELETE"})
# Members that the ledger itself writes into the head. Under such a name an extension would be taken for one of them:
# every verifier refuses a part that holds a member of another (commitment.md).
_OF_LEDGER: Final = frozenset({"captured_by", "occurred_at"})
HEAD_OF_DECLARATION: Final = ("declarationTime", "reason")


@dataclass(slots=True)
class Cut:
    """The canonical members of an event by part, in the order of the commitment's table.

    `named` are the identifiers of the items that `what` holds as bytes.
    """

    head: dict[str, JSON]
    what: tuple[bytes, ...]
    named: list[Named]
    where: dict[str, JSON]
    why: dict[str, JSON]
    how: dict[str, JSON]
    more: dict[str, JSON]


def cut_event(
    event: dict[str, JSON], names: Names, captured_by: str, findings: Findings, *, distinct: bool = True
) -> Cut | None:
    """Check an event and cut it; None when its type is unknown, of no use when `findings` has an error.

    `distinct` tells whether a list of EPCs may name a thing only once, as the JSON schema of EPCIS 2.0 asks and that of
    XML does not.
    """
    if "@context" in event:
        names = names.within(event["@context"], findings, "")
    given = event.get("type")
    event_type = EVENT_TYPES.get(given) if type(given) is str else None
    if event_type is None:
        if "type" in event:
            message = f"{shown(given)} is not an event type of EPCIS: {', '.join(TYPE_NAMES)}."
            findings.error(".type", "epcis.event_type", message)
        else:
            findings.error("", "epcis.missing_field", "An event needs a type.")
        return None
    head: dict[str, JSON] = {"type": TYPE_NAMES[event_type], "captured_by": captured_by}
    _cut_when(event, head, findings)
    _cut_action(event, event_type, head, findings)
    _cut_terms(event, names, head, findings)
    more: dict[str, JSON] = {}
    if "eventID" in event:
        more["eventID"] = _event_id(event["eventID"], ".eventID", findings)
    if "errorDeclaration" in event:
        _cut_declaration(event["errorDeclaration"], names, head, more, findings)
        if "eventID" not in event:
            message = (
                "An errorDeclaration without an eventID does not say which event it takes back: it takes back none."
            )
            findings.warn(".errorDeclaration", "epcis.nothing_retracted", message)
    if "recordTime" in event:
        more["recordTime"] = time_field(event["recordTime"], names, ".recordTime", findings)
    _cut_extensions(event, event_type, names, more, findings)
    # The schema of EPCIS 2.0 lets a TransactionEvent name a thing twice.
    what, named = cut_items(event, findings, distinct=distinct and event_type != "TransactionEvent")
    if event_type != "ObjectEvent" or not event.get("epcList"):
        _check_what(event, event_type, findings)
    where: dict[str, JSON] = {f: cut_place(f, event[f], names, findings) for f in _PLACES if f in event}
    why: dict[str, JSON] = {f: cut_business_list(f, event[f], names, findings) for f in _BUSINESS_LISTS if f in event}
    return Cut(head, tuple(what), named, where, why, _cut_how(event, names, findings), more)


def _cut_when(event: dict[str, JSON], head: dict[str, JSON], findings: Findings) -> None:
    time = event.get("eventTime")
    occurred_at = utc(time) if type(time) is str else None
    if occurred_at is not None:
        head["occurred_at"] = occurred_at
    elif "eventTime" not in event:
        findings.error("", "epcis.missing_field", "An event needs an eventTime.")
    elif type(time) is str and lacks_offset(time):
        message = f"The eventTime {shown(time)} has no offset from UTC, so nobody knows when it was."
        findings.error(".eventTime", "epcis.naive_time", message)
    else:
        message = f"An eventTime is a date, a time and an offset of at most 14 hours, not {shown(time)}."
        findings.error(".eventTime", "epcis.time", message)
    offset = event.get("eventTimeZoneOffset")
    if type(offset) is str and is_offset(offset):
        head["eventTimeZoneOffset"] = offset
    elif "eventTimeZoneOffset" not in event:
        findings.error("", "epcis.missing_field", "An event needs an eventTimeZoneOffset.")
    else:
        message = f"An eventTimeZoneOffset is between -14:00 and +14:00, such as +01:00, not {shown(offset)}."
        findings.error(".eventTimeZoneOffset", "epcis.offset", message)


def _cut_action(event: dict[str, JSON], event_type: str, head: dict[str, JSON], findings: Findings) -> None:
    action = event.get("action")
    if event_type == "TransformationEvent":
        if "action" not in event:
            return
        message = "A TransformationEvent has no action; it is kept."
        findings.warn(".action", "epcis.field_of_other_type", message)
    if type(action) is str and action in _ACTIONS:
        head["action"] = action
    elif "action" not in event:
        findings.error("", "epcis.missing_field", f"An event of type {event_type} needs an action.")
    else:
        findings.error(".action", "epcis.action", f"An action is ADD, OBSERVE or DELETE, not {shown(action)}.")


def _cut_terms(event: dict[str, JSON], names: Names, head: dict[str, JSON], findings: Findings) -> None:
    if "bizStep" in event:
        head["bizStep"] = BIZ_STEP.word(event["bizStep"], names, ".bizStep", findings)
    if "disposition" in event:
        head["disposition"] = DISPOSITION.word(event["disposition"], names, ".disposition", findings)
    if "persistentDisposition" not in event:
        return
    value, path = event["persistentDisposition"], ".persistentDisposition"
    if not isinstance(value, dict) or not value or not value.keys() <= {"set", "unset"}:
        message = f"A persistentDisposition is an object with set, unset or both, not {shown(value)}."
        findings.error(path, "epcis.persistent_disposition", message)
        return
    canonical: dict[str, JSON] = {}
    for name, words in value.items():
        if not isinstance(words, list) or not words:
            message = f"{name} is an array of dispositions, not {shown(words)}."
            findings.error(path + member(name), "epcis.persistent_disposition", message)
            continue
        canonical[name] = [
            DISPOSITION.word(word, names, f"{path}.{name}[{i}]", findings) for i, word in enumerate(words)
        ]
    head["persistentDisposition"] = canonical


def _cut_declaration(
    value: JSON, names: Names, head: dict[str, JSON], more: dict[str, JSON], findings: Findings
) -> None:
    """Cut an error declaration in two: when and why are in the head, the rest is in `more` (EPCIS 2.0 §7.4.1.2)."""
    path = ".errorDeclaration"
    if not isinstance(value, dict):
        findings.error(path, "epcis.type", f"An errorDeclaration is an object, not {shown(value)}.")
        return
    if "declarationTime" not in value:
        findings.error(path, "epcis.missing_field", "An errorDeclaration needs a declarationTime.")
    canonical = canonical_object(
        value,
        {"declarationTime": time_field, "reason": ERROR_REASON.word, "correctiveEventIDs": _event_ids},
        names,
        path,
        findings,
    )
    head["errorDeclaration"] = {name: canonical.pop(name) for name in HEAD_OF_DECLARATION if name in canonical}
    if canonical:
        more["errorDeclaration"] = canonical


def _event_id(value: JSON, path: str, findings: Findings) -> JSON:
    if not is_uri(value):
        findings.error(path, "epcis.event_id", f"An eventID is a URI, not {shown(value)}.")
    return value


def _event_ids(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    if not isinstance(value, list):
        findings.error(path, "epcis.type", f"correctiveEventIDs is an array, not {shown(value)}.")
        return None
    return [_event_id(event_id, f"{path}[{i}]", findings) for i, event_id in enumerate(value)]


def _cut_extensions(
    event: dict[str, JSON], event_type: str, names: Names, more: dict[str, JSON], findings: Findings
) -> None:
    fields = _FIELDS[event_type]
    if event.keys() <= fields:
        return
    for name, value in event.items():
        if name in fields:
            continue
        if name in ALL_FIELDS:
            message = f"An event of type {event_type} has no {name}."
            findings.error(f".{name}", "epcis.field_of_other_type", message)
            continue
        iri = names.iri(name)
        if iri is not None or not unknown_field(name, names, "", findings):
            if iri is not None and iri.startswith(EPCIS_NAMESPACES):
                message = f"{shown(name)} is a name of EPCIS itself, which has no prefix here."
                findings.error(member(name), "epcis.reserved_name", message)
            elif iri is None and name in _OF_LEDGER:
                message = f"{shown(name)} is a name of the ledger's own, and no context in the document explains it."
                findings.error(member(name), "epcis.reserved_name", message)
            extension(name, value, names, "", findings, into=more)


def _cut_how(event: dict[str, JSON], names: Names, findings: Findings) -> dict[str, JSON]:
    how: dict[str, JSON] = {}
    if "sensorElementList" in event:
        how["sensorElementList"] = cut_sensor_elements(event["sensorElementList"], names, findings)
    if "ilmd" in event:
        how["ilmd"] = cut_ilmd(event["ilmd"], names, findings)
        if event.get("action", "ADD") != "ADD":
            findings.error(".ilmd", "epcis.ilmd", "Master data of an instance or lot comes with the action ADD only.")
    if "certificationInfo" in event:
        how["certificationInfo"] = cut_certification(event["certificationInfo"], names, findings)
    return how


def _check_what(event: dict[str, JSON], event_type: str, findings: Findings) -> None:
    """Hold the event to naming what it is about, as its type demands (EPCIS 2.0 §7.4.2 to §7.4.6)."""
    named = {field for field in ITEM_LISTS if event.get(field)}
    deletes = event.get("action") == "DELETE"
    match event_type:
        case "ObjectEvent":
            # A sensor may speak of a place alone.
            observed = event.get("sensorElementList") and ("readPoint" in event or "epcList" in event)
            if not named and not observed:
                _miss("an epcList, a quantityList, or sensor elements with a readPoint", event_type, findings)
        case "TransactionEvent":
            if not event.get("bizTransactionList"):
                _miss("a bizTransactionList", event_type, findings)
            if not named and not deletes:
                _miss("an epcList, a quantityList or a parentID", event_type, findings)
        case "TransformationEvent":
            inputs = "inputEPCList" in named or "inputQuantityList" in named
            outputs = "outputEPCList" in named or "outputQuantityList" in named
            if not (inputs and outputs) and not ((inputs or outputs) and "transformationID" in named):
                _miss("inputs and outputs, or one of them and a transformationID", event_type, findings)
        case _:
            if "parentID" not in event and event.get("action") != "OBSERVE":
                _miss("a parentID unless it observes", event_type, findings)
            if "childEPCs" not in named and "childQuantityList" not in named and not deletes:
                _miss("childEPCs or a childQuantityList unless it deletes", event_type, findings)


def _miss(wanted: str, event_type: str, findings: Findings) -> None:
    findings.error("", "epcis.what", f"An event of type {event_type} needs {wanted}.")
