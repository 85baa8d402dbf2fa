"""Random events and questions of every family, seeded: few things, places, readings and instants, so that most
questions find some. Identifiers are written as URN or as Digital Link, whichever comes."""

from __future__ import annotations

from random import Random
from typing import Any

MAKER, RIVAL = "maker.example", "rival.example"
EX = "https://maker.example/ns#"
CONTEXT = ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld", {"ex": EX}]

PACK = "https://id.gs1.org/01/09521234000013/21/1"
LOT_PACK = "https://id.gs1.org/01/09521234000013/10/A7/21/2"
OTHER = "https://id.gs1.org/01/09521234000020/21/1"
FOREIGN = "https://id.gs1.org/01/09529999000019/21/1"
PALLET = "https://id.gs1.org/00/095212340000000013"
COW = "https://farm.example/cow/1"
TOOL = "urn:epc:id:gid:95100000.12345.400"
CLASS = "https://id.gs1.org/01/09521234000013"
LOT = "https://id.gs1.org/01/09521234000013/10/A7"
OTHER_LOT = "https://id.gs1.org/01/09521234000020/10/A7"
FOREIGN_CLASS = "urn:epc:idpat:sgtin:9529999.000001.*"
COMPANY = "urn:epc:idpat:sgtin:9521234.*.*"
PLACE, GATE = "https://id.gs1.org/414/9521234000006", "https://id.gs1.org/414/9521234000006/254/gate1"
PARTIES = ["https://id.gs1.org/417/9521234000006", "https://id.gs1.org/417/9521234000013"]
SPELLINGS = {
    "urn:epc:id:sgtin:9521234.000001.1": PACK,
    "urn:epc:id:sscc:9521234.0000000001": PALLET,
    "urn:epc:idpat:sgtin:9521234.000001.*": CLASS,
    "urn:epc:class:lgtin:9521234.000001.A7": LOT,
    "https://id.gs1.org/01/09529999000019": FOREIGN_CLASS,
    "urn:epc:id:sgln:9521234.00000.0": PLACE,
    "urn:epc:id:sgln:9521234.00000.gate1": GATE,
    "urn:epc:id:pgln:9521234.00000": PARTIES[0],
    "urn:epcglobal:cbv:bizstep:shipping": "shipping",
    "https://ref.gs1.org/cbv/Disp-recalled": "recalled",
    "gs1:MT-Temperature": "Temperature",
    "urn:epcglobal:cbv:er:did_not_occur": "did_not_occur",
    "urn:epc:id:giai:9521234.S1": "https://id.gs1.org/8004/9521234S1",
}
THINGS = [PACK, LOT_PACK, OTHER, FOREIGN, PALLET, COW, TOOL, "urn:epc:id:sgtin:9521234.000001.1"]
CLASSES = [CLASS, LOT, OTHER_LOT, FOREIGN_CLASS, "urn:epc:class:lgtin:9521234.000001.A7"]
PALLETS = [PALLET, "urn:epc:id:sscc:9521234.0000000001", "urn:epc:idpat:sscc:9521234.*"]
PATTERNS = [
    *THINGS, *CLASSES, COMPANY, "urn:epc:idpat:sgtin:*.*.*", "urn:epc:idpat:sscc:9521234.*",
    "urn:epc:idpat:giai:9521234.*", "urn:epc:id:sscc:9521234.0000000001",
    "urn:epc:idpat:gid:95100000.*.*", "urn:epc:idpat:bic:*",
]  # fmt: skip
PLACES = [PLACE, GATE, "urn:epc:id:sgln:9521234.00000.0", "urn:epc:id:sgln:9521234.00000.gate1"]
ORDERS = ["urn:epcglobal:cbv:bt:9521234000006:1", "https://maker.example/po/2"]
STEPS = ["shipping", "receiving", "https://maker.example/step", "urn:epcglobal:cbv:bizstep:shipping"]
DISPOSITIONS = ["in_transit", "damaged", "recalled", "https://ref.gs1.org/cbv/Disp-recalled"]
REASONS = ["did_not_occur", "urn:epcglobal:cbv:er:did_not_occur", "incorrect_data", "https://maker.example/why"]
TIMES = [f"2026-03-01T0{hour}:00:00{offset}" for hour in range(4) for offset in ("Z", "+01:00")]
TYPES = ["Temperature", "gs1:MT-Temperature", "Pressure", "https://maker.example/Warmth"]
DEVICES = ["urn:epc:id:giai:9521234.S1", "https://id.gs1.org/8004/9521234S1", "https://maker.example/device/2"]
REFERENCES = ["https://maker.example/a", "https://maker.example/b"]
UOMS = ["CEL", "KEL", "FAH", "XYZ"]
AMOUNTS = ["0", "273.15", "32", "5", "5.0", "-1.5"]
MEASURES = ["value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue"]
QUANTITIES = ["1", "2.5", "1000", "2500"]
FIELDS = ["colour", "weight", "tested", "note"]
SCALARS: list[Any] = [
    "red", "007", "4.1", 4.1, 5, "5", True, "2026-03-01", "2026-03-01T01:00:00+01:00", "2026-03-02T00:00:00Z", None,
]  # fmt: skip
ASKED = [
    "red", "blue", "007", "7", "4.1", "4.10", "5", "true", "2026-03-01", "2026-03-01T00:00:00Z", "2026-03-01T12:00:00Z",
]  # fmt: skip
COMPARISONS = ["EQ", "GT", "GE", "LT", "LE"]
AREAS = ["", "ILMD_", "ERROR_DECLARATION_", "SENSORELEMENT_", "SENSORMETADATA_", "SENSORREPORT_", "readPoint_",
         "bizLocation_"]  # fmt: skip
KINDS = [
    *["ObjectEvent"] * 4, *["AggregationEvent", "TransformationEvent", "TransactionEvent"] * 2, "AssociationEvent",
]  # fmt: skip
LISTS = ["epc", "parentID", "inputEPC", "outputEPC", "anyEPC"]
CLASS_LISTS = ["epcClass", "inputEPCClass", "outputEPCClass", "anyEPCClass"]


def event(random: Random, number: int) -> dict[str, Any]:
    """Return an event of JSON; `number` is its own."""
    kind = random.choice(KINDS)
    one: dict[str, Any] = {
        "type": kind,
        "eventTime": random.choice(TIMES),
        "eventTimeZoneOffset": "+00:00",
        **_what(random, kind),
        **_extensions(random),
    }
    _put(random, one, "eventID", f"urn:x:{number}", share=0.7)
    _put(random, one, "bizStep", random.choice(STEPS))
    _put(random, one, "disposition", random.choice(DISPOSITIONS))
    for field in ("readPoint", "bizLocation"):
        _put(random, one, field, {"id": random.choice(PLACES), **_extensions(random)})
    for field, target in (("sourceList", "source"), ("destinationList", "destination")):
        kinds = random.choice(["owning_party", "location", "https://maker.example/keeper"])
        thing = PLACE if kinds == "location" else random.choice([*PARTIES, "urn:epc:id:pgln:9521234.00000"])
        _put(random, one, field, [{"type": kinds, target: thing}], share=0.5)
    if kind == "TransactionEvent" or random.random() < 0.3:
        one["bizTransactionList"] = [
            {**random.choice([{"type": "po"}, {"type": "inv"}, {}]), "bizTransaction": random.choice(ORDERS)}
            for _ in range(random.randint(1, 2))
        ]
    persistent: dict[str, Any] = {}
    _put(random, persistent, "set", [random.choice(DISPOSITIONS)], share=0.2)
    _put(random, persistent, "unset", random.sample(DISPOSITIONS[:3], 2), share=0.15)
    if persistent:
        one["persistentDisposition"] = persistent
    if random.random() < 0.25:
        one["errorDeclaration"] = {
            "declarationTime": random.choice(TIMES),
            "reason": random.choice(REASONS),
            "correctiveEventIDs": [f"urn:x:{random.randint(0, 5)}"],
            **_extensions(random),
        }
    if random.random() < 0.5:
        one["sensorElementList"] = [_element(random) for _ in range(random.randint(1, 2))]
    if kind == "TransformationEvent" or (kind == "ObjectEvent" and one["action"] == "ADD"):
        _put(random, one, "ilmd", _extensions(random) or {"ex:colour": "red"}, share=0.7)
    return one


def _put(random: Random, one: dict[str, Any], field: str, value: Any, *, share: float = 0.5) -> None:
    if random.random() < share:
        one[field] = value


def _what(random: Random, kind: str) -> dict[str, Any]:
    things = random.sample(THINGS[:6], random.randint(1, 2))
    if random.random() < 0.3:
        things = [next((urn for urn, link in SPELLINGS.items() if link == thing), thing) for thing in things]
    counted: list[dict[str, Any]] = []
    if random.random() < 0.7:
        counted = [{"epcClass": random.choice(CLASSES), "quantity": float(random.choice(QUANTITIES))}]
        _put(random, counted[0], "uom", random.choice(["KGM", "GRM", "XYZ"]), share=0.7)
    action = random.choice(["ADD", "ADD", "OBSERVE", "OBSERVE", "DELETE"])
    match kind:
        case "ObjectEvent":
            return {"action": action, "epcList": things, "quantityList": counted}
        case "AggregationEvent" | "AssociationEvent":
            return {"action": action, "parentID": PALLET, "childEPCs": things, "childQuantityList": counted}
        case "TransactionEvent":
            parent = {"parentID": PALLET} if random.random() < 0.5 else {}
            return {"action": action, "epcList": things, "quantityList": counted, **parent}
    joined = {"transformationID": ORDERS[1]} if random.random() < 0.5 else {}
    fields = random.sample(["inputQuantityList", "outputQuantityList"], random.randint(1, 2))
    return {"inputEPCList": things, "outputEPCList": things[:1], **dict.fromkeys(fields, counted), **joined}


def _element(random: Random) -> dict[str, Any]:
    return {
        "sensorMetadata": {**_holder(random, metadata=True), **_extensions(random)},
        "sensorReport": [
            {"type": random.choice(TYPES), **_holder(random, metadata=False), **_readings(random)}
            for _ in range(random.randint(1, 2))
        ],
        **_extensions(random),
    }


def _holder(random: Random, *, metadata: bool) -> dict[str, Any]:
    one: dict[str, Any] = {}
    for name in ("time", "startTime", "endTime") if metadata else ("time",):
        _put(random, one, name, random.choice(TIMES), share=0.3)
    _put(random, one, "deviceID", random.choice(DEVICES), share=0.3)
    for name in ("dataProcessingMethod", "bizRules"):
        _put(random, one, name, random.choice(REFERENCES), share=0.2)
    return one


def _readings(random: Random) -> dict[str, Any]:
    one: dict[str, Any] = {}
    for name in MEASURES:
        _put(random, one, name, float(random.choice(AMOUNTS)), share=0.3)
    _put(random, one, "uom", random.choice(UOMS), share=0.8)
    for name in ("microorganism", "chemicalSubstance", "uriValue"):
        _put(random, one, name, random.choice(REFERENCES), share=0.15)
    _put(random, one, "stringValue", random.choice(['a "b"', "c"]), share=0.15)
    _put(random, one, "booleanValue", random.random() < 0.5, share=0.15)
    _put(random, one, "hexBinaryValue", random.choice(["ab", "AB", "0f"]), share=0.15)
    return {**one, **_extensions(random)}


def _extensions(random: Random, depth: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in FIELDS:
        if random.random() < 0.3 + 0.2 * (depth > 0):
            found[f"ex:{field}"] = _value(random, depth)
    return found


def _value(random: Random, depth: int) -> Any:
    drawn = random.random()
    if drawn < 0.5 or depth > 1:
        return random.choice(SCALARS)
    if drawn < 0.6:
        return [_value(random, depth + 1) for _ in range(random.randint(0, 2))]
    if drawn < 0.65:
        return {"@type": "xsd:date", "@value": "2026-03-01"}
    return _extensions(random, depth + 1)


def parameter(random: Random) -> tuple[str, list[str]]:
    """Return one parameter of a query, its values apart."""
    return random.choice(_FAMILIES)(random)


def _some(random: Random, name: str, values: list[str], most: int = 2) -> tuple[str, list[str]]:
    return name, random.sample(values, random.randint(1, min(most, len(values))))


def _listed(random: Random) -> tuple[str, list[str]]:
    name, values = random.choice(list(_VALUES.items()))
    return _some(random, f"EQ_{name}" if name != "eventType" else name, values)


def _matched(random: Random) -> tuple[str, list[str]]:
    name = random.choice([*LISTS, *CLASS_LISTS])
    # What stands in a field at all is asked for more often, else some fields would hardly ever be found.
    likely = PALLETS if name == "parentID" else CLASSES if name in CLASS_LISTS else PATTERNS
    return _some(random, f"MATCH_{name}", random.choice([likely, PATTERNS]))


def _timed(random: Random) -> tuple[str, list[str]]:
    what = random.choice(["eventTime", "errorDeclarationTime", "time", "startTime", "endTime"])
    return f"{random.choice(['GE', 'LT'])}_{what}", [random.choice(TIMES)]


def _related(random: Random) -> tuple[str, list[str]]:
    family = random.choice(["bizTransaction", "source", "destination"])
    if family == "bizTransaction":
        return _some(random, f"EQ_{family}_{random.choice(['po', 'inv'])}", ORDERS)
    kind = random.choice(["owning_party", "location", "https://maker.example/keeper"])
    ends = [PLACE, GATE] if kind == "location" else [*PARTIES, "urn:epc:id:pgln:9521234.00000"]
    return _some(random, f"EQ_{family}_{kind}", ends)


def _existing(random: Random) -> tuple[str, list[str]]:
    name = random.choice(["errorDeclaration", "sensorElementList"])
    return f"EXISTS_{name}", [random.choice(["true", "true", "false"])]


def _counted(random: Random) -> tuple[str, list[str]]:
    how = random.choice(COMPARISONS)
    uom = random.choice(["", "_KGM", "_GRM", "_XYZ"])
    return _some(random, f"{how}_quantity{uom}", QUANTITIES, 2 if how == "EQ" else 1)


def _measured(random: Random) -> tuple[str, list[str]]:
    how, what = random.choice(COMPARISONS), random.choice(MEASURES)
    uom = "" if what == "percRank" else random.choice(["", *(f"_{uom}" for uom in UOMS)])
    return _some(random, f"{how}_{what}{uom}", AMOUNTS, 2 if how == "EQ" else 1)


def _extended(random: Random) -> tuple[str, list[str]]:
    how = random.choice(["EXISTS", "EQ", *COMPARISONS])
    name = f"{how}_{random.choice(['', 'INNER_'])}{random.choice(AREAS)}{EX}{random.choice(FIELDS)}"
    if how == "EXISTS":
        return name, [random.choice(["true", "true", "false"])]
    return _some(random, name, ASKED if how == "EQ" else ASKED[4:7] + ASKED[8:], 2 if how == "EQ" else 1)


_VALUES = {
    "eventType": ["ObjectEvent", "AggregationEvent", "TransformationEvent", "AssociationEvent"],
    "action": ["ADD", "OBSERVE", "DELETE"],
    "bizStep": STEPS,
    "disposition": DISPOSITIONS,
    "persistentDisposition_set": DISPOSITIONS,
    "persistentDisposition_unset": DISPOSITIONS,
    "readPoint": PLACES,
    "bizLocation": PLACES,
    "transformationID": ORDERS,
    "eventID": [f"urn:x:{number}" for number in range(20)],
    "errorReason": REASONS,
    "correctiveEventID": [f"urn:x:{number}" for number in range(6)],
    "type": TYPES,
    "deviceID": DEVICES,
    "dataProcessingMethod": REFERENCES,
    "bizRules": REFERENCES,
    "microorganism": REFERENCES,
    "chemicalSubstance": REFERENCES,
    "uriValue": REFERENCES,
    "stringValue": ['a "b"', "c", "d"],
    "booleanValue": ["true", "false"],
    "hexBinaryValue": ["ab", "AB", "0F", "1234"],
}
_FAMILIES = [_listed] * 3 + [_matched, _timed, _related, _existing, _counted, _measured, _measured] + [_extended] * 4
