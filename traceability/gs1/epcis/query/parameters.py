"""The parameters of SimpleEventQuery (EPCIS 2.0 §8.2.7.1, §12): from an address or from JSON to a query.

In an address a parameter that takes several values may be repeated, and each text may hold several, separated by `|`,
which no URI may contain (GS1's OpenAPI: `pipeDelimited`); in JSON several values are an array. Nothing is ignored: an
unknown name, a missing value or one that cannot be read is an error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final, TypeAlias, TypeVar, get_args

from traceability.gs1.epcis.context import Names as Prefixes
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.master_data import attribute_names
from traceability.gs1.epcis.problems import Findings, member
from traceability.gs1.epcis.query.conditions import (
    Amounts,
    Comparison,
    Condition,
    Corrects,
    Declares,
    IsAt,
    IsCalled,
    Joins,
    Moves,
    Names,
    OneOf,
    Persists,
    Refers,
    Span,
)
from traceability.gs1.epcis.query.event_query import EventQuery, Order
from traceability.gs1.epcis.query.field_conditions import Area, HasField
from traceability.gs1.epcis.query.master_data_conditions import Below, Described, Field
from traceability.gs1.epcis.query.sensor_conditions import (
    IsSensed,
    Measure,
    Measures,
    SensedAt,
    Senses,
    SensorTime,
    said,
)
from traceability.gs1.epcis.query.values import Given, QueryParameterError, field_names
from traceability.gs1.epcis.strict_json import JSON, Number, is_number
from traceability.gs1.epcis.vocabulary import (
    BIZ_STEP,
    DISPOSITION,
    ERROR_REASON,
    MEASUREMENT,
    SOURCE_TYPE,
    TRANSACTION_TYPE,
)

MAX_VALUES: Final = 1_000
"""Values that all conditions of a query may have together."""

MAX_NAME: Final = 1_024
"""Characters of the longest name that is looked at."""

_T = TypeVar("_T")
_Read: TypeAlias = Callable[[Given], Condition | None]
_ReadFamily: TypeAlias = Callable[[Given, re.Match[str]], Condition | None]
_COMPARISONS: Final[tuple[Comparison, ...]] = get_args(Comparison)
_ACTIONS: Final = ("ADD", "OBSERVE", "DELETE")
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "epc": ("epcList", "childEPCs"),
    "parentID": ("parentID",),
    "inputEPC": ("inputEPCList",),
    "outputEPC": ("outputEPCList",),
    "anyEPC": ("parentID", "epcList", "childEPCs", "inputEPCList", "outputEPCList"),
    "epcClass": ("quantityList", "childQuantityList"),
    "inputEPCClass": ("inputQuantityList",),
    "outputEPCClass": ("outputQuantityList",),
    "anyEPCClass": ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"),
}


def read_query(parameters: Iterable[tuple[str, str]], names: Prefixes | None = None) -> EventQuery:
    """Return the query that the parameters of an address, names and texts, express; the order says nothing.

    `names` explain the prefixes in them, those of GS1's context if none are given. Raises `QueryParameterError`:
    `query.unknown_parameter`, `query.unknown_prefix`, `query.repeated`, `query.too_many_values`, `query.value`.
    """
    given: dict[str, list[str]] = defaultdict(list)
    for name, text in parameters:
        given[name] += [text] if name in _UNDIVIDED else text.split("|")
    names = names or standard_names()
    return _query({name: Given(name, values, names) for name, values in given.items()})


def read_json_query(value: JSON) -> EventQuery:
    """Return the query that a JSON object expresses: the query language of EPCIS 2.0 (§12, query-schema.json).

    Its members are the parameters, several values an array, numbers `Number` or int; a `@context` explains prefixes.
    Raises what `read_query` raises, with the path of the member.
    """
    if not isinstance(value, dict):
        raise _at("", QueryParameterError("A query is a JSON object of parameters."))
    findings = Findings(None, "")
    names = standard_names().within(value.get("@context"), findings, "")
    if findings.failed:
        raise _at("@context", QueryParameterError("A @context is an address, an object of prefixes, or several."))
    given = {
        name: Given(name, _texts(name, values), names, typed=True)
        for name, values in value.items()
        if name != "@context"
    }
    try:
        return _query(given)
    except QueryParameterError as error:
        raise error if error.path else _at("", error) from None


def _texts(name: str, values: JSON) -> list[str]:
    """Return values as texts, numbers as `Number`; null alone is the value of the standard's type Void."""
    found: list[str] = []
    for one in values if isinstance(values, list) else [values]:
        if is_number(one) or isinstance(one, float):
            found.append(Number(one))
        elif isinstance(one, bool) or (one is None and one is values):
            found.append({True: "true", False: "false", None: ""}[one])
        elif isinstance(one, str):
            found.append(one)
        else:
            raise _at(name, QueryParameterError("A value is a text, a number or a boolean, or an array of them."))
    return found


def _at(name: str, error: QueryParameterError) -> QueryParameterError:
    error.path = f"${member(name)}" if name else "$"
    return error


def _query(given: Mapping[str, Given]) -> EventQuery:
    if sum(len(one.values) for name, one in given.items() if name not in _UNDIVIDED) > MAX_VALUES:
        raise QueryParameterError(
            f"A query has at most {MAX_VALUES} values.", code="query.too_many_values", hint="Ask in several queries."
        )
    conditions = [_read(name, one, _condition) for name, one in given.items() if name not in _UNDIVIDED]
    rest = {name: _read(name, one, _UNDIVIDED[name]) for name, one in given.items() if name in _UNDIVIDED}
    if "eventCountLimit" in rest and "orderBy" not in rest:
        raise QueryParameterError("eventCountLimit needs orderBy.", hint="The first of what, by which order?")
    if "eventCountLimit" in rest and "maxEventCount" in rest:
        raise QueryParameterError("eventCountLimit and maxEventCount exclude each other.")
    order = rest.get("orderBy", Order.EVENT_TIME)
    return EventQuery(
        conditions=tuple(condition for condition in conditions if condition is not None),
        event_time=Span(rest.get("GE_eventTime"), rest.get("LT_eventTime")),
        record_time=Span(rest.get("GE_recordTime"), rest.get("LT_recordTime")),
        order=order if isinstance(order, Order) else Order.EVENT_TIME,
        descending=rest.get("orderDirection", "DESC") == "DESC",
        limit=rest.get("eventCountLimit"),
        maximum=rest.get("maxEventCount"),
        sorted_by=None if isinstance(order, Order) else order,
    )


def _read(name: str, given: Given, read: Callable[[str, Given], _T]) -> _T:
    try:
        return read(name, given)
    except QueryParameterError as error:
        raise _at(name, error) if given.typed else error from None


def _moment_of(_: str, given: Given) -> int:
    return given.time()


def _order(_: str, given: Given) -> Order | frozenset[str]:
    """Return the order, or the names of the field that the answer is sorted by."""
    text = given.only()
    if ":" in text:
        return field_names(text, given.names, inner=False)
    (order,) = given.one_of(tuple(Order))
    return Order(order)


def _direction(_: str, given: Given) -> str:
    given.only()
    (direction,) = given.one_of(("ASC", "DESC"))
    return direction


def _count(_: str, given: Given) -> int:
    return given.count()


# What is no condition: times that the index knows, the order, and how much; a text of theirs is one value.
_UNDIVIDED: Final[Mapping[str, Callable[[str, Given], Any]]] = {
    **{f"{how}_{what}": _moment_of for what in ("eventTime", "recordTime") for how in ("GE", "LT")},
    "orderBy": _order,
    "orderDirection": _direction,
    "eventCountLimit": _count,
    "maxEventCount": _count,
}


def _condition(name: str, given: Given) -> Condition | None:
    fixed = _CONDITIONS.get(name)
    if fixed is not None:
        return fixed(given)
    if len(name) <= MAX_NAME:
        for title, pattern, read in _FAMILIES:
            match = pattern(name)
            if match is not None:
                return read(Given(title, given.values, given.names, given.typed), match)
    raise QueryParameterError(
        "The query has a parameter that EPCIS does not know.",
        code="query.unknown_parameter",
        hint="Names are case-sensitive, such as MATCH_epc, EQ_bizStep and GE_eventTime.",
    )


# One parameter a function: what it is given becomes a condition, or none where it asks for nothing.


def _types(given: Given) -> Condition:
    return OneOf("type", frozenset(TYPE_NAMES[name] for name in given.one_of(tuple(TYPE_NAMES))))


def _event_ids(given: Given) -> Condition:
    uris = given.uris()
    # The hex digits of a UUID are the same in either case (RFC 9562 §4), and ours are in lower case.
    return IsCalled(uris.union(uri.lower() for uri in uris if uri.lower().startswith("urn:uuid:")))


def _declared(given: Given) -> Condition | None:
    return Declares() if given.flag() else None


def _sensed(given: Given) -> Condition | None:
    return IsSensed() if given.flag() else None


def _of_type(given: Given) -> Condition:
    return Senses("type", given.words(MEASUREMENT))


def _devices(given: Given) -> Condition:
    return Senses("deviceID", given.subjects())


def _booleans(given: Given) -> Condition:
    return Senses("booleanValue", given.one_of(("true", "false")))


def _hexadecimals(given: Given) -> Condition:
    return Senses("hexBinaryValue", frozenset(said("hexBinaryValue", text) for text in given.texts()))


def _span(given: Given, *, since: bool) -> Span:
    return Span(since=given.time()) if since else Span(until=given.time())


def _declaration_time(*, since: bool) -> _Read:
    return lambda given: Declares(declared=_span(given, since=since))


def _matching(lists: Sequence[str]) -> _Read:
    return lambda given: Names(frozenset(lists), given.patterns())


def _references(attribute: str) -> _Read:
    return lambda given: Senses(attribute, given.uris())


def _moment(attribute: SensorTime, *, since: bool) -> _Read:
    return lambda given: SensedAt(attribute, _span(given, since=since))


# A family of parameters: the rest of the name says which type, unit or field is meant.


def _transactions(given: Given, match: re.Match[str]) -> Condition:
    return Refers(given.word(TRANSACTION_TYPE, match["type"]), given.references())


def _sources(given: Given, match: re.Match[str]) -> Condition:
    return Moves("sources", given.word(SOURCE_TYPE, match["type"]), given.subjects())


def _destinations(given: Given, match: re.Match[str]) -> Condition:
    return Moves("destinations", given.word(SOURCE_TYPE, match["type"]), given.subjects())


def _having(given: Given, match: re.Match[str]) -> Condition:
    texts = given.texts()
    if not all(texts):
        raise QueryParameterError(f"{given.title} is the name of an attribute.")
    return Described(Field(match["field"]), frozenset().union(*(attribute_names(text, given.names) for text in texts)))


def _equal(given: Given, match: re.Match[str]) -> Condition:
    return Described(Field(match["field"]), attribute_names(match["attribute"], given.names), given.texts())


def _quantities(given: Given, match: re.Match[str]) -> Condition:
    comparison = _comparison(given, match)
    return Amounts(comparison, given.numbers(), match["uom"])


def _readings(given: Given, match: re.Match[str]) -> Condition:
    comparison = _comparison(given, match)
    measure: Measure = next(one for one in get_args(Measure) if one == match["measure"])
    return Measures(measure, comparison, given.numbers(), match["uom"])


def _fields(given: Given, match: re.Match[str]) -> Condition | None:
    area, inner = Area(match["area"] or ""), match["inner"] is not None
    names = field_names(match["field"], given.names, inner=inner)
    if match["how"] == "EXISTS":
        return HasField(area, inner, names, "EXISTS") if given.flag() else None
    comparison = _comparison(given, match)
    return HasField(area, inner, names, comparison, given.asked(ordered=comparison != "EQ"))


def _comparison(given: Given, match: re.Match[str]) -> Comparison:
    """Return how to compare; only to be equal may there be several values."""
    if match["how"] != "EQ":
        given.only()
    return next(one for one in _COMPARISONS if one == match["how"])


_HOW: Final = "(?P<how>EQ|GT|GE|LT|LE)"
_UOM: Final = "(?:_(?P<uom>[A-Z0-9]{2,4}))?"
_MEASURES: Final = "value|minValue|maxValue|meanValue|sDev|percValue"
_ELEMENTS: Final = "|".join(Field)
_AREAS: Final = "|".join(filter(None, Area))
_FAMILIES: Final[Sequence[tuple[str, Callable[[str], re.Match[str] | None], _ReadFamily]]] = tuple(
    (title, re.compile(pattern, re.ASCII).fullmatch, read)
    for title, pattern, read in (
        ("HASATTR_<field>", f"HASATTR_(?P<field>{_ELEMENTS})", _having),
        # GS1's OpenAPI and its query schema spell this one differently.
        ("EQATTR_<field>_<attribute>", rf"EQ_?ATTR_(?P<field>{_ELEMENTS})_(?P<attribute>\S+)", _equal),
        ("EQ_bizTransaction_<type>", r"EQ_bizTransaction_(?P<type>\S+)", _transactions),
        ("EQ_source_<type>", r"EQ_source_(?P<type>\S+)", _sources),
        ("EQ_destination_<type>", r"EQ_destination_(?P<type>\S+)", _destinations),
        ("<EQ|GT|GE|LT|LE>_quantity[_<uom>]", f"{_HOW}_quantity{_UOM}", _quantities),
        (f"<EQ|GT|GE|LT|LE>_<{_MEASURES}>[_<uom>]", f"{_HOW}_(?P<measure>{_MEASURES}){_UOM}", _readings),
        ("<EQ|GT|GE|LT|LE>_percRank", f"{_HOW}_(?P<measure>percRank)(?P<uom>(?!))?", _readings),
        (
            f"<EQ|GT|GE|LT|LE|EXISTS>_[INNER_][<{_AREAS}>_]<field>",
            rf"(?P<how>EQ|GT|GE|LT|LE|EXISTS)_(?P<inner>INNER_)?(?:(?P<area>{_AREAS})_)?(?P<field>\S*[:#]\S+)",
            _fields,
        ),
    )
)
_CONDITIONS: Final[Mapping[str, _Read]] = {
    "eventType": _types,
    "EQ_action": lambda given: OneOf("action", given.one_of(_ACTIONS)),
    "EQ_bizStep": lambda given: OneOf("biz_step", given.words(BIZ_STEP)),
    "EQ_disposition": lambda given: OneOf("disposition", given.words(DISPOSITION)),
    "EQ_persistentDisposition_set": lambda given: Persists("set", given.words(DISPOSITION)),
    "EQ_persistentDisposition_unset": lambda given: Persists("unset", given.words(DISPOSITION)),
    "EQ_readPoint": lambda given: IsAt("read_point", given.subjects()),
    "EQ_bizLocation": lambda given: IsAt("biz_location", given.subjects()),
    "WD_readPoint": lambda given: Below(Field.READ_POINT, given.subjects()),
    "WD_bizLocation": lambda given: Below(Field.BIZ_LOCATION, given.subjects()),
    "EQ_transformationID": lambda given: Joins(given.subjects()),
    "EQ_eventID": _event_ids,
    "EXISTS_errorDeclaration": _declared,
    # GS1's OpenAPI and its query schema spell this one differently.
    **{
        f"{how}_{name}": _declaration_time(since=how == "GE")
        for name, how in product(("errorDeclarationTime", "errorDeclaration_Time"), ("GE", "LT"))
    },
    "EQ_errorReason": lambda given: Declares(given.words(ERROR_REASON)),
    "EQ_correctiveEventID": lambda given: Corrects(given.uris()),
    **{f"MATCH_{what}": _matching(lists) for what, lists in _LISTS.items()},
    "EXISTS_sensorElementList": _sensed,
    "EXISTS_sensorElement": _sensed,  # so in GS1's TCR-53
    **{f"{how}_{what}": _moment(what, since=how == "GE") for what, how in product(get_args(SensorTime), ("GE", "LT"))},
    "EQ_type": _of_type,
    "EQ_deviceID": _devices,
    **{
        f"EQ_{attribute}": _references(attribute)
        for attribute in ("dataProcessingMethod", "microorganism", "chemicalSubstance", "bizRules", "uriValue")
    },
    "EQ_stringValue": lambda given: Senses("stringValue", given.texts()),
    "EQ_booleanValue": _booleans,
    "EQ_hexBinaryValue": _hexadecimals,
}
PARAMETERS: Final = (*_CONDITIONS, *(title for title, _, _ in _FAMILIES), *sorted(_UNDIVIDED))
"""The names of every parameter and family that is answered, for documentation."""
