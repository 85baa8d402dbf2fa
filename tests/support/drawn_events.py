"""Events of every type with everything that EPCIS and XML have words for, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.support.epcis_events import LOT, OTHER_PACK, PACK, PALLET, PARTY, PLACE

characters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
texts = st.text(characters | st.sampled_from("\t\n\r<>&\"' é€😀"), max_size=12)
names = st.sampled_from(
    [
        "https://x.example/a",
        "https://x.example/b",
        "https://y.example/ns#a",
        "urn:x:y:a",
        "urn:epcglobal:cbv:mda:lotNumber",
        "http://epcis.gs1us.org/hc/nsdropShipment",
        "https://x.example/é-1.2_3",
        "https://x.example/7b",
        "tag:x,2026:a",
    ]
)
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False, width=32)
scalars = texts | numbers | st.booleans() | st.none()


def members(inner: st.SearchStrategy[Any], least: int = 0, most: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Return extensions by name."""
    return st.lists(st.tuples(names, inner), min_size=least, max_size=most).map(dict)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    keywords = st.sampled_from(["@unit", "@value", "@language", "id", "type"])
    plain = st.lists(st.tuples(keywords, texts), max_size=2).map(dict)
    return st.builds(lambda first, second: {**first, **second}, plain, members(inner, 1))


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    flat = st.lists(inner.filter(lambda one: not isinstance(one, list)), max_size=3)
    return flat.filter(lambda found: found != [None])


values = st.recursive(scalars, lambda inner: _arrays(inner) | _objects(inner), max_leaves=6)
extensions = members(values)
readings = st.sampled_from([4, 4.1, -0.5, 1e-7, 100])


@st.composite
def reports(draw: st.DrawFn) -> dict[str, Any]:
    fields = draw(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["Temperature", "https://x.example/Taste"])},
            optional={
                "value": readings,
                "booleanValue": st.booleans(),
                "stringValue": texts,
                "uom": st.just("CEL"),
                "component": st.sampled_from(["x", "https://x.example/left"]),
                "exception": st.just("ALARM_CONDITION"),
                "time": st.just("2026-03-01T08:00:00Z"),
                "deviceID": st.just("https://id.gs1.org/8004/4000001111"),
            },
        )
    )
    return {**fields, **draw(members(scalars, most=1))}


sensors = st.lists(
    st.builds(
        lambda metadata, found, more: {"sensorMetadata": metadata, "sensorReport": found, **more},
        st.builds(lambda more: {"time": "2026-03-01T08:00:00Z", **more}, members(texts, most=1)),
        st.lists(reports(), min_size=1, max_size=2),
        extensions,
    ),
    min_size=1,
    max_size=2,
)
quantities = st.lists(
    st.fixed_dictionaries({"epcClass": st.just(LOT)}, optional={"quantity": st.integers(0, 10**6) | st.just(0.25)}),
    min_size=1,
    max_size=2,
)
places = st.builds(lambda more: {"id": PLACE, **more}, extensions)
dispositions = st.sampled_from(["damaged", "in_transit", "https://x.example/lost"])
listed = st.lists(dispositions, min_size=1, max_size=2)
EPCS = [PACK, "urn:epc:id:sgtin:9521234.000001.1002"]
OF_TYPE: dict[str, dict[str, Any]] = {
    "ObjectEvent": {"action": "ADD", "epcList": EPCS},
    "AggregationEvent": {"action": "ADD", "parentID": PALLET, "childEPCs": EPCS},
    "AssociationEvent": {"action": "DELETE", "parentID": PALLET},
    "TransactionEvent": {
        "action": "ADD", "epcList": [PACK, PACK], "bizTransactionList": [{"bizTransaction": "urn:x:po"}],
    },
    "TransformationEvent": {"inputEPCList": [PACK], "outputEPCList": [OTHER_PACK], "transformationID": "urn:x:t"},
}  # fmt: skip
LISTS = {
    "ObjectEvent": "quantityList", "AggregationEvent": "childQuantityList", "AssociationEvent": "childQuantityList",
    "TransactionEvent": "quantityList", "TransformationEvent": "inputQuantityList",
}  # fmt: skip


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Return an event that is well-formed, and can be said in XML."""
    kind = draw(st.sampled_from(sorted(OF_TYPE)))
    optional: dict[str, st.SearchStrategy[Any]] = {
        "eventID": st.just("urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"),
        "recordTime": st.just("2026-03-01T09:16:00+01:00"),
        "errorDeclaration": st.builds(
            lambda more: {
                "declarationTime": "2026-03-02T00:00:00Z", "reason": "did_not_occur", "correctiveEventIDs": ["urn:x:2"],
                **more,
            },
            extensions,
        ),
        "certificationInfo": st.just("https://x.example/certificate"),
        "bizStep": st.sampled_from(["shipping", "https://x.example/washing"]),
        "disposition": dispositions,
        "readPoint": places,
        "bizLocation": places,
        "sourceList": st.just([{"type": "owning_party", "source": PARTY}]),
        "destinationList": st.just([{"type": "https://x.example/heir", "destination": PARTY}]),
        "persistentDisposition": st.fixed_dictionaries({"set": listed}, optional={"unset": listed}),
        "sensorElementList": sensors,
        LISTS[kind]: quantities,
    }  # fmt: skip
    if kind != "TransactionEvent":
        optional["bizTransactionList"] = st.just([{"type": "po", "bizTransaction": "urn:x:po"}])
    if kind in ("ObjectEvent", "TransformationEvent"):
        optional["ilmd"] = members(values, 1)
    given = draw(st.fixed_dictionaries({}, optional=optional))
    when = {"eventTime": "2026-03-01T09:15:00.25+01:00", "eventTimeZoneOffset": "+01:00"}
    return {"type": kind, **when, **OF_TYPE[kind], **given, **draw(extensions)}
