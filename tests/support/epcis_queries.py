"""Small random events and questions about them: few things, places and instants, so that most questions find some."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.support.epcis_events import PALLET, document, typed
from traceability.gs1.epcis import read_document
from traceability.ledger.event import LedgerEvent

MAKER, RIVAL = "maker.example", "rival.example"
GTIN, OTHER_GTIN = "https://id.gs1.org/01/09521234000013", "https://id.gs1.org/01/09521234000020"
FOREIGN_GTIN = "https://id.gs1.org/01/09529999000019"
EPCS = [
    f"{GTIN}/21/1",
    f"{GTIN}/10/A7/21/2",
    f"{OTHER_GTIN}/21/1",
    f"{FOREIGN_GTIN}/21/1",
    PALLET,
    "https://farm.example/cow/1",
]
CLASSES = [GTIN, f"{GTIN}/10/A7", f"{OTHER_GTIN}/10/A7", "urn:epc:idpat:sgtin:9529999.000001.*"]
PATTERNS = [
    *EPCS, *CLASSES, "urn:epc:idpat:sgtin:9521234.000001.*", "urn:epc:idpat:sgtin:9521234.*.*",
    "urn:epc:idpat:sgtin:952999.*.*", "urn:epc:idpat:sgtin:*.*.*", "urn:epc:idpat:sscc:9521234.*",
    "urn:epc:idpat:giai:9521234.*",
]  # fmt: skip
PLACES = [
    "https://id.gs1.org/414/9521234000006",
    "https://id.gs1.org/414/9521234000013",
    "urn:epc:id:sgln:9521234.00000.gate1",
]
PARTIES = ["https://id.gs1.org/417/9521234000006", "https://id.gs1.org/417/9521234000013"]
ORDERS = ["urn:epcglobal:cbv:bt:9521234000006:1", "https://maker.example/po/2"]
STEPS = ["shipping", "receiving", "https://maker.example/step"]
DISPOSITIONS = ["in_transit", "damaged"]
TIMES = [f"2026-03-01T0{hour}:00:00Z" for hour in range(5)]
KINDS = ["ObjectEvent", "ObjectEvent", "AggregationEvent", "TransformationEvent", "TransactionEvent"]
MATCHES = ["epc", "parentID", "inputEPC", "outputEPC", "anyEPC"]
CLASS_MATCHES = ["epcClass", "inputEPCClass", "outputEPCClass", "anyEPCClass"]
SOURCE_TYPES = ["owning_party", "location", "https://maker.example/keeper"]

_order = st.fixed_dictionaries({"type": st.sampled_from(["po", "inv"]), "bizTransaction": st.sampled_from(ORDERS)})
_epcs = st.lists(st.sampled_from(EPCS), min_size=1, max_size=2, unique=True)
_elements = st.lists(
    st.fixed_dictionaries({"epcClass": st.sampled_from(CLASSES)}, optional={"quantity": st.sampled_from([1, 2.5])}),
    max_size=1,
)


def _maybe(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


def _ends(name: str) -> st.SearchStrategy[list[dict[str, str]]]:
    one = st.fixed_dictionaries({"type": st.sampled_from(SOURCE_TYPES), name: st.sampled_from([*PARTIES, PLACES[0]])})
    return st.lists(one, max_size=1)


@st.composite
def members(draw: DrawFn) -> dict[str, Any]:
    """Draw the JSON of an event without an eventID."""
    kind = draw(
        st.sampled_from(["ObjectEvent", "ObjectEvent", "AggregationEvent", "TransformationEvent", "TransactionEvent"])
    )
    action = draw(st.sampled_from(["ADD", "OBSERVE"]))
    what: dict[str, Any] = {"action": action}
    match kind:
        case "ObjectEvent":
            what |= {"epcList": draw(_epcs), "quantityList": draw(_elements) or None}
        case "AggregationEvent":
            what |= {"parentID": PALLET, "childEPCs": draw(_epcs), "childQuantityList": draw(_elements) or None}
        case "TransactionEvent":
            what |= {"epcList": draw(_epcs), "parentID": draw(_maybe([PALLET]))}
        case _:
            what = {
                "inputEPCList": draw(_epcs), "outputEPCList": draw(_epcs), "inputQuantityList": draw(_elements) or None,
                "transformationID": draw(_maybe([ORDERS[1]])), "action": None,
            }  # fmt: skip
    orders = draw(
        st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["po", "inv"]), "bizTransaction": st.sampled_from(ORDERS)}),
            min_size=kind == "TransactionEvent",
            max_size=2,
        )
    )
    places = draw(st.tuples(_maybe(PLACES), _maybe(PLACES)))
    declared = {"declarationTime": "2026-03-02T00:00:00Z"} if draw(st.integers(0, 4)) == 0 else None
    return typed(
        kind,
        eventTime=draw(st.sampled_from(TIMES)),
        eventTimeZoneOffset="+00:00",
        bizStep=draw(_maybe(STEPS)),
        disposition=draw(_maybe(DISPOSITIONS)),
        readPoint=places[0] and {"id": places[0]},
        bizLocation=places[1] and {"id": places[1]},
        bizTransactionList=orders or None,
        sourceList=draw(_ends("source")) or None,
        destinationList=draw(_ends("destination")) or None,
        errorDeclaration=declared,
        **what,
    )


def captured(event: dict[str, Any], captured_by: str = MAKER) -> LedgerEvent:
    read = read_document(document(event), captured_by=captured_by)
    assert read.valid, read.problems
    return read.events[0].event


def _values(name: str, values: list[str]) -> st.SearchStrategy[tuple[str, str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(lambda v: (name, "|".join(v)))


def _one(name: str, values: list[str]) -> st.SearchStrategy[tuple[str, str]]:
    return st.sampled_from(values).map(lambda value: (name, value))


CONDITIONS = st.one_of(
    *(_values(f"MATCH_{name}", PATTERNS) for name in (*MATCHES, *CLASS_MATCHES)),
    *(_values(f"EQ_{name}", PLACES) for name in ("readPoint", "bizLocation")),
    *(_values(f"EQ_bizTransaction_{kind}", ORDERS) for kind in ("po", "inv")),
    *(
        _values(f"EQ_{name}_{kind}", [*PARTIES, PLACES[0]])
        for name in ("source", "destination")
        for kind in SOURCE_TYPES
    ),
    _values("EQ_bizStep", STEPS),
    _values("EQ_disposition", DISPOSITIONS),
    _values("EQ_action", ["ADD", "OBSERVE"]),
    _values("EQ_transformationID", ORDERS),
    _values("eventType", ["ObjectEvent", "TransformationEvent", "AssociationEvent"]),
    *(_one(f"{how}_{what}Time", TIMES) for how in ("GE", "LT") for what in ("event",)),
    _one("EXISTS_errorDeclaration", ["true", "false"]),
    *(_one(f"{how}_quantity", ["1", "2"]) for how in ("EQ", "GT", "GE", "LT", "LE")),
)  # fmt: skip
ORDER = st.fixed_dictionaries(
    {},
    optional={
        "orderBy": st.sampled_from(["eventTime", "recordTime"]),
        "orderDirection": st.sampled_from(["ASC", "DESC"]),
    },
).map(lambda given: list(given.items()))
PARAMETERS = st.tuples(st.lists(CONDITIONS, max_size=2, unique_by=lambda one: one[0]), ORDER).map(
    lambda both: [*both[0], *both[1]]
)
