"""Which words of GS1's vocabularies a document in JSON uses, as JSON-LD tells it under GS1's context.

The reference implementation of the CBV event hash expands a whole document, gathers every web URI of the CBV and of
GS1's Web Vocabulary that comes out, and replaces each text anywhere in the document that one of them, and no other,
ends with. What comes out is told here by a table of the context's terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from traceability.gs1.epcis.context import STANDARD_PREFIXES
from traceability.gs1.epcis.hash.values import (
    ALERTS,
    BIZ_STEPS,
    COMPONENTS,
    DISPOSITIONS,
    ERROR_REASONS,
    MEASUREMENTS,
    PARTY_TYPES,
    TRANSACTION_TYPES,
)
from traceability.gs1.epcis.strict_json import JSON

_GATHERED: Final = ("https://ref.gs1.org/cbv", "https://gs1.org/voc")
_Words: TypeAlias = Mapping[str, str]


class _Vocabulary(dict[str, str]):
    """The bare words that the values of a field are looked up in, and their web URIs."""

    def __init__(self, spellings: _Words, *without: str) -> None:
        super().__init__({word: uri for word, uri in spellings.items() if ":" not in word and word not in without})


_Inside: TypeAlias = Mapping[str, "_Vocabulary | _Inside"]

_PARTIES: Final[_Inside] = {"type": _Vocabulary(PARTY_TYPES)}
_DISPOSITIONS: Final = _Vocabulary(DISPOSITIONS)
_FIELDS: Final[_Inside] = {
    "bizStep": _Vocabulary(BIZ_STEPS),
    "disposition": _DISPOSITIONS,
    "persistentDisposition": {"set": _DISPOSITIONS, "unset": _DISPOSITIONS},
    "sourceList": _PARTIES,
    "destinationList": _PARTIES,
    "bizTransactionList": {"type": _Vocabulary(TRANSACTION_TYPES)},
    "errorDeclaration": {"reason": _Vocabulary(ERROR_REASONS)},
    "sensorElementList": {
        "sensorReport": {
            "type": _Vocabulary(MEASUREMENTS, "EffectiveDose", "EffectiveDoseRate"),
            "exception": _Vocabulary(ALERTS),
            "component": _Vocabulary(COMPONENTS),
        }
    },
}
"""Fields whose values are words, and those inside which others are."""
_REFERENCES: Final = frozenset({
    "@id", "@type", "id", "type", "member", "certificationInfo", "bizLocation", "readPoint", "transformationID",
    "epcList", "source", "destination", "epcClass", "parentID", "childEPCs", "inputEPCList", "outputEPCList",
    "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules", "coordinateReferenceSystem",
    "microorganism", "chemicalSubstance", "uriValue", "correctiveEventIDs", "eventID", "bizTransaction", "children",
})  # fmt: skip
"""Terms whose values are IRIs, which may be written with a prefix."""
KNOWN_TERMS: Final = _REFERENCES | _FIELDS.keys() | {
    "AggregationEvent", "AssociationEvent", "Collection", "EPCISDocument", "EPCISQueryDocument", "ObjectEvent",
    "TransactionEvent", "TransformationEvent", "action", "baseURL", "booleanValue", "childQuantityList", "component",
    "creationDate", "declarationTime", "endTime", "epcisBody", "epcisHeader", "eventList", "eventTime",
    "eventTimeZoneOffset", "exception", "hexBinaryValue", "ilmd", "inputQuantityList", "instanceIdentifier",
    "masterData", "maxValue", "meanValue", "minValue", "outputQuantityList", "percRank", "percValue", "quantity",
    "quantityList", "queryName", "queryResults", "reason", "receiver", "recordTime", "resultsBody", "sDev",
    "schemaVersion", "sender", "sensorMetadata", "sensorReport", "set", "startTime", "stringValue", "subscriptionID",
    "time", "unset", "uom", "value", "vocabularyList",
}  # fmt: skip
"""All other terms of GS1's context: what stands under a bare name that is none is not expanded."""


class UsedWords:
    """The words that a document was seen to use; `terms` are those that its own context declares."""

    def __init__(self, terms: Mapping[str, str]) -> None:
        self._terms = terms
        self._uris: set[str] = set()
        self._replaced: dict[str, str] = {}

    def show(self, value: JSON) -> None:
        """Take note of what the document, or an event of it, expands to."""
        self._replaced.clear()
        self._look(value, _FIELDS)

    def written_out(self, text: str) -> str:
        """Return the web URI that a text is taken for, or the text."""
        found = self._replaced.get(text)
        if found is None:
            ends = [uri for uri in self._uris if uri.endswith((f"-{text}", f"/{text}"))]
            found = self._replaced[text] = ends[0] if len(ends) == 1 else text
        return found

    def _look(self, value: JSON, inside: _Inside) -> None:
        if isinstance(value, list):
            for item in value:
                self._look(item, inside)
        elif isinstance(value, dict):
            for name, inner in value.items():
                if ":" in name or name in KNOWN_TERMS or name in self._terms or "@vocab" in self._terms:
                    self._look_at_member(name, inner, inside)

    def _look_at_member(self, name: str, value: JSON, inside: _Inside) -> None:
        words = inside.get(name)
        named = isinstance(words, _Vocabulary)
        for item in value if isinstance(value, list) else (value,):
            if type(item) is str:
                self._note(item, words if isinstance(words, _Vocabulary) else {}, named=named or name in _REFERENCES)
            elif isinstance(words, _Vocabulary) or words is None:
                self._look(item, inside)
            else:
                self._look(item, {**inside, **words})

    def _note(self, text: str, words: _Words, *, named: bool) -> None:
        if named:
            text = words.get(text) or self._expanded(text)
        if text.startswith(_GATHERED):
            self._uris.add(text)

    def _expanded(self, text: str) -> str:
        text = self._terms.get(text, text)
        prefix, colon, local = text.partition(":")
        if not colon or local.startswith("//"):
            return text
        namespace = self._terms.get(prefix) or STANDARD_PREFIXES.get(prefix)
        return text if namespace is None else namespace + local
