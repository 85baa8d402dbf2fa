"""The parameters of SimpleEventQuery, read from a URL (EPCIS 2.0 §8.2.7.1, §12): names and texts in, a query out.

A parameter that takes several values may be repeated, and each text may hold several, separated by `|`, which no URI
may contain (GS1's OpenAPI: `pipeDelimited`). Nothing is ignored: an unknown name, an empty value or one that cannot
be read is an error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal, TypeAlias, get_args

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.fields import is_uri
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.query import (
    Amounts,
    Condition,
    EventQuery,
    IsAt,
    IsCalled,
    IsDeclaration,
    Joins,
    Moves,
    Names,
    OneOf,
    Order,
    Refers,
    Span,
)
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.vocabulary import BIZ_STEP, DISPOSITION, SOURCE_TYPE, TRANSACTION_TYPE, Vocabulary
from traceability.gs1.identifiers import IdentifierError, parse_identifier, read_identifier
from traceability.gs1.patterns import parse_pattern
from traceability.ledger.event import microseconds

MAX_VALUES: Final = 1_000
"""Values that all conditions of a query may have together."""

MAX_NAME: Final = 512
"""Characters of the longest name that is looked at."""

Comparison = Literal["EQ", "GT", "GE", "LT", "LE"]
_Read: TypeAlias = Callable[[list[str]], Condition]
_ACTIONS: Final = frozenset({"ADD", "OBSERVE", "DELETE"})
_AMOUNT: Final = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII).fullmatch
_COUNT: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII).fullmatch
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
# Parameters of the standard that are not answered yet, told apart from misspelt ones.
_OTHERS: Final = re.compile(
    r"(?:(?:GE|LT)_(?:errorDeclarationTime|time|startTime|endTime)|WD_(?:readPoint|bizLocation)|maxEventCount"
    r"|EQ_(?:persistentDisposition_(?:set|unset)|errorReason|correctiveEventID|type|deviceID|dataProcessingMethod"
    r"|microorganism|chemicalSubstance|bizRules|stringValue|booleanValue|hexBinaryValue|uriValue)"
    r"|(?:EQ|GT|GE|LT|LE)_(?:quantity|value|minValue|maxValue|meanValue|sDev|percValue|percRank)(?:_\w+)?"
    r"|(?:EQ|GT|GE|LT|LE|EXISTS)_(?:INNER_)?(?:ILMD_|ERROR_DECLARATION_|SENSOR\w+?_|readPoint_|bizLocation_)?\S+[:#/]\S+"
    r"|(?:HASATTR|EQATTR|EQ_ATTR)_\w+)"
).fullmatch


class QueryParameterError(InvalidInputError):
    """The parameters make no query, which EPCIS 2.0 calls QueryParameterException (§8.2.3)."""

    code = "query.value"


def read_query(parameters: Iterable[tuple[str, str]]) -> EventQuery:
    """Return the query that the parameters, names and texts, express; the order says nothing.

    Raises `QueryParameterError`: `query.unknown_parameter`, `query.unsupported` for what the standard has and is not
    answered here, `query.repeated`, `query.too_many_values`, `query.value`.
    """
    given: dict[str, list[str]] = defaultdict(list)
    for name, text in parameters:
        given[name].append(text)
    conditions: list[Condition] = []
    rest: dict[str, str] = {}
    count = 0
    for name, texts in given.items():
        if name in _SINGLE:
            rest[name] = _only(name, texts)
            continue
        read = _reader_of(name)
        values = [value for text in texts for value in text.split("|")]
        count += len(values)
        if count > MAX_VALUES:
            raise QueryParameterError(
                f"A query has at most {MAX_VALUES} values.",
                code="query.too_many_values",
                hint="Ask in several queries.",
            )
        conditions.append(read(values))
    order = _choice("orderBy", rest.get("orderBy", Order.EVENT_TIME), tuple(Order))
    direction = _choice("orderDirection", rest.get("orderDirection", "DESC"), ("ASC", "DESC"))
    if "eventCountLimit" in rest and "orderBy" not in rest:
        raise QueryParameterError("eventCountLimit needs orderBy.", hint="The first of what, by which order?")
    return EventQuery(
        conditions=tuple(conditions),
        event_time=Span(_time("GE_eventTime", rest), _time("LT_eventTime", rest)),
        record_time=Span(_time("GE_recordTime", rest), _time("LT_recordTime", rest)),
        order=Order(order),
        descending=direction == "DESC",
        limit=None if "eventCountLimit" not in rest else count_of("eventCountLimit", rest["eventCountLimit"]),
    )


def count_of(name: str, text: str) -> int:
    """Read a count of 1 or more; raises `QueryParameterError` (`query.value`)."""
    if _COUNT(text) is None:
        raise QueryParameterError(f"{name} is a whole number from 1.")
    return int(text)


_SINGLE: Final = frozenset({
    "GE_eventTime", "LT_eventTime", "GE_recordTime", "LT_recordTime", "orderBy", "orderDirection", "eventCountLimit",
})  # fmt: skip


def _reader_of(name: str) -> _Read:
    fixed = _CONDITIONS.get(name)
    if fixed is not None:
        return fixed
    family, _, kind = name[3:].partition("_")
    if name.startswith("EQ_") and kind and family in _FAMILIES:
        return lambda values: _FAMILIES[family](kind, values)
    # A pattern this loose is for names, not for whatever fits into an address.
    if len(name) <= MAX_NAME and _OTHERS(name) is not None:
        raise QueryParameterError(
            "The query has a parameter that this repository does not answer yet.",
            code="query.unsupported",
            hint="The guide lists the parameters that it answers.",
        )
    raise QueryParameterError(
        "The query has a parameter that EPCIS does not know.",
        code="query.unknown_parameter",
        hint="Names are case-sensitive, such as MATCH_epc, EQ_bizStep and GE_eventTime.",
    )


def _only(name: str, texts: Sequence[str]) -> str:
    if len(texts) != 1:
        raise QueryParameterError(f"{name} is given once.", code="query.repeated")
    return texts[0]


def _choice(name: str, text: str, choices: Sequence[str]) -> str:
    if text not in choices:
        raise QueryParameterError(f"{name} is one of {', '.join(choices)}.")
    return text


def _time(name: str, given: Mapping[str, str]) -> int | None:
    if name not in given:
        return None
    time = utc(given[name])
    if time is None:
        raise QueryParameterError(
            f"{name} is a date, a time and an offset from UTC.",
            hint="In a URL the + of an offset is written %2B: 2026-03-01T09:15:00%2B01:00.",
        )
    return microseconds(time)


def _types(values: list[str]) -> Condition:
    if not TYPE_NAMES.keys() >= set(values):
        raise QueryParameterError(f"eventType is one of {', '.join(TYPE_NAMES)}.")
    return OneOf("type", frozenset(TYPE_NAMES[value] for value in values))


def _actions(values: list[str]) -> Condition:
    if not _ACTIONS.issuperset(values):
        raise QueryParameterError("EQ_action is one of ADD, OBSERVE, DELETE.")
    return OneOf("action", frozenset(values))


def _word(name: str, vocabulary: Vocabulary, value: str) -> str:
    findings = Findings(None, "")
    word = vocabulary.word(value, standard_names(), "", findings)
    if word is None or findings.failed:
        raise QueryParameterError(
            f"{name} names a {vocabulary.name} of the Core Business Vocabulary, or a full URI.",
            hint="The words are bare, such as shipping, in_transit, po, owning_party.",
        )
    return word


def _words(name: str, member: Literal["biz_step", "disposition"], vocabulary: Vocabulary) -> _Read:
    return lambda values: OneOf(member, frozenset(_word(name, vocabulary, value) for value in values))


def _subjects(name: str, values: Iterable[str]) -> frozenset[str]:
    try:
        return frozenset(parse_identifier(value).subject for value in values)
    except IdentifierError as error:
        raise _no_identifier(name, error) from error


def _no_identifier(name: str, error: IdentifierError) -> QueryParameterError:
    return QueryParameterError(
        f"A value of {name} is no identifier ({error.code}).",
        hint="Give GS1 Digital Links, EPC URNs or other full URIs.",
    )


def _names(name: str, lists: Iterable[str]) -> _Read:
    def read(values: list[str]) -> Condition:
        try:
            return Names(frozenset(lists), tuple(map(parse_pattern, dict.fromkeys(values))))
        except IdentifierError as error:
            raise _no_identifier(name, error) from error

    return read


def _declared(values: list[str]) -> Condition:
    name = "EXISTS_errorDeclaration"
    return IsDeclaration(_choice(name, _only(name, values), ("true", "false")) == "true")


def _event_ids(values: list[str]) -> Condition:
    if not all(map(is_uri, values)):
        raise QueryParameterError("EQ_eventID is a URI.")
    return IsCalled(frozenset(values))


def _amounts(name: str, comparison: Comparison) -> _Read:
    def read(values: list[str]) -> Condition:
        text = _only(name, values)
        if _AMOUNT(text) is None:
            raise QueryParameterError(f"{name} is a number.")
        return Amounts(comparison, Decimal(text))

    return read


def _transactions(kind: str, values: list[str]) -> Condition:
    name = "EQ_bizTransaction_<type>"
    try:
        uris = frozenset(read_identifier(value)[0].uri for value in values)
    except IdentifierError as error:
        raise _no_identifier(name, error) from error
    return Refers(_word(name, TRANSACTION_TYPE, kind), uris)


def _ends(name: str, member: Literal["sources", "destinations"]) -> Callable[[str, list[str]], Condition]:
    return lambda kind, values: Moves(member, _word(name, SOURCE_TYPE, kind), _subjects(name, values))


_FAMILIES: Final[Mapping[str, Callable[[str, list[str]], Condition]]] = {
    "bizTransaction": _transactions,
    "source": _ends("EQ_source_<type>", "sources"),
    "destination": _ends("EQ_destination_<type>", "destinations"),
}
_CONDITIONS: Final[Mapping[str, _Read]] = {
    "eventType": _types,
    "EQ_action": _actions,
    "EQ_bizStep": _words("EQ_bizStep", "biz_step", BIZ_STEP),
    "EQ_disposition": _words("EQ_disposition", "disposition", DISPOSITION),
    "EQ_readPoint": lambda values: IsAt("read_point", _subjects("EQ_readPoint", values)),
    "EQ_bizLocation": lambda values: IsAt("biz_location", _subjects("EQ_bizLocation", values)),
    "EQ_transformationID": lambda values: Joins(_subjects("EQ_transformationID", values)),
    "EQ_eventID": _event_ids,
    "EXISTS_errorDeclaration": _declared,
    **{f"MATCH_{what}": _names(f"MATCH_{what}", lists) for what, lists in _LISTS.items()},
    **{f"{how}_quantity": _amounts(f"{how}_quantity", how) for how in get_args(Comparison)},
}
PARAMETERS: Final = (
    *_CONDITIONS,
    *(f"EQ_{family}_<type>" for family in _FAMILIES),
    *sorted(_SINGLE),
)
"""The names of every parameter that is answered, for documentation."""
