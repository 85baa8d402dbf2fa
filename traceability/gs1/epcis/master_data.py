"""Master data (EPCIS 2.0 §6.5, §9.2, CBV 2.0 §10): what an organisation says of a place, a product, a party.

A *vocabulary element* has an identifier, attributes and children. One organisation's word on one element, for a time or
for good, is an event of the ledger: it has a leaf, and a later one of the same organisation corrects it. Headers of
documents, files and the API all become the same elements, read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, structs
from msgspec.json import Decoder
from msgspec.structs import force_setattr

from traceability.gs1.epcis.context import Names, standard_names
from traceability.gs1.epcis.fields import identified
from traceability.gs1.epcis.problems import Findings, Problem, member, shown
from traceability.gs1.epcis.strict_json import CONTAINERS, JSON, dumps, loads
from traceability.gs1.epcis.times import read_time
from traceability.gs1.identifiers import IdentifierError, parse_identifier
from traceability.gs1.uris import is_absolute_uri, is_uri_reference
from traceability.ledger.access import MASTER_DATA
from traceability.ledger.event import (
    PAYLOAD,
    UNREADABLE,
    LedgerEvent,
    decision_event,
    microseconds,
    opaque_index,
    utc_text,
)
from traceability.ledger.index import IndexRows, Visibility
from traceability.ledger.parts import Parts

ELEMENT_STATED: Final = "epcis.vocabulary_element_stated.v1"
VOCABULARY_TYPE: Final = "urn:epcglobal:epcis:vtype:"
CBV_ATTRIBUTE: Final = "urn:epcglobal:cbv:mda:"

HEADER: Final = "$.epcisHeader.epcisMasterData"
"""Where master data stands in a document."""

MAX_ELEMENT_BYTES: Final = 1 << 18
"""An element as JSON, its children with it."""

_LONGEST_VALUE_TAG: Final = 200
_OLD_ATTRIBUTE: Final = "urn:epcglobal:cbv:mda#"
_WEB_ATTRIBUTE: Final = "https://ref.gs1.org/cbv/mda/"
_OTHER_NAMES: Final = {"BizLocation": "BusinessLocation"}
_FIELDS: Final = frozenset({"id", "attributes", "children", "isA", "type"})


class VocabularyElement(Struct, frozen=True, gc=False):
    """What is said of one thing; `id` and `children` are canonical identifiers, attribute names full IRIs.

    It is said of the time from `valid_from` to before `valid_until` (microseconds UTC), open where None. `withdrawn`:
    nothing is said any more from `valid_from` on. `subject` is who is meant, whatever the spelling.
    """

    vocabulary: str
    id: str
    attributes: Mapping[str, JSON] = {}
    children: tuple[str, ...] = ()
    valid_from: int | None = None
    valid_until: int | None = None
    withdrawn: bool = False
    subject: str = ""

    def __post_init__(self) -> None:
        if not self.subject:
            force_setattr(self, "subject", parse_identifier(self.id).subject)

    def holds_at(self, time: int) -> bool:
        """Tell whether it is said of a time."""
        return (self.valid_from is None or time >= self.valid_from) and (
            self.valid_until is None or time < self.valid_until
        )

    def is_said_at(self, time: int) -> bool:
        """Tell whether it is said of a time, and not withdrawn."""
        return not self.withdrawn and self.holds_at(time)

    def payload(self) -> bytes:
        """Return it as the ledger keeps it."""
        members: dict[str, JSON] = {"vocabulary": self.vocabulary, "id": self.id}
        if self.attributes:
            members["attributes"] = dict(self.attributes)
        if self.children:
            members["children"] = list(self.children)
        members |= {
            name: utc_text(time)
            for name, time in (("valid_from", self.valid_from), ("valid_until", self.valid_until))
            if time is not None
        }
        if self.withdrawn:
            members["withdrawn"] = True
        return dumps(members)

    def digest(self) -> bytes:
        """Return a digest of what is said, whatever the order of attributes and children."""
        attributes = dict(sorted(self.attributes.items()))
        same = structs.replace(self, attributes=attributes, children=tuple(sorted(set(self.children))))
        return sha256(same.payload()).digest()

    def tags(self, organisation: str) -> list[str]:
        """Return the tags of the event in which an organisation says so (docs/guide/tags.md)."""
        return list(self._each_tag(organisation))

    def is_tagged(self, organisation: str, tags: AbstractSet[str]) -> bool:
        """Tell whether the event in which an organisation says so has one of these tags."""
        return not tags.isdisjoint(self._each_tag(organisation))

    def _each_tag(self, organisation: str) -> Iterator[str]:
        yield from (f"org:{organisation}", f"element:{self.subject}", f"vocabulary:{self.vocabulary}")
        for name, value in self.attributes.items():
            if value is not None:
                yield f"attribute:{name}"
                yield from (value_tag(name, text) for text in texts_of(value))

    def event(self, organisation: str, stated_at: int, personal: Iterable[str] = ()) -> LedgerEvent:
        """Return the event in which an organisation says so at a time; attributes named in `personal` can be erased."""
        named = frozenset(personal)
        taken = {f"{PAYLOAD}attributes/{_escaped(name)}": v for name, v in self.attributes.items() if name in named}
        rest = structs.replace(self, attributes={name: v for name, v in self.attributes.items() if name not in named})
        return decision_event(
            ELEMENT_STATED,
            rest.payload(),
            captured_by=organisation,
            occurred_at=stated_at,
            tags=rest.tags(organisation),
            personal=dumps(taken) if taken else b"",
        )


class Statement(Struct, frozen=True, gc=False):
    """An organisation said at a time (`stated_at`, µs UTC) what an element is: the event at `position`."""

    element: VocabularyElement
    stated_by: str
    stated_at: int
    position: int
    event_id: UUID
    recorded_at: int


class _Head(Struct, gc=False):
    captured_by: str
    occurred_at: str


class _More(Struct, gc=False):
    payload: dict[str, Any]


_read_head: Final = Decoder(_Head).decode
_read_more: Final = Decoder(_More).decode


def statement_of(parts: Parts, position: int, event_id: UUID, recorded_at: int) -> Statement | None:
    """Read the statement that an event is, with the personal attributes that are open.

    None for what only others can have written and nobody can read.
    """
    try:
        head = _read_head(parts.head)
        said = _read_more(parts.more).payload
        attributes = said.get("attributes", {})
        if not all(type(value) is str for value in attributes.values()):
            attributes = loads(parts.more)["payload"]["attributes"]  # keeps numbers as they were written
        for pointer, value in (loads(parts.personal) if parts.personal else {}).items():
            attributes[_unescaped(pointer.removeprefix(f"{PAYLOAD}attributes/"))] = value
        thing = parse_identifier(said["id"])
        element = VocabularyElement(
            said["vocabulary"],
            thing.uri,
            attributes,
            tuple([parse_identifier(child).uri for child in said.get("children", ())]),
            microseconds(said["valid_from"]) if "valid_from" in said else None,
            microseconds(said["valid_until"]) if "valid_until" in said else None,
            said.get("withdrawn", False),
            thing.subject,
        )
        return Statement(element, head.captured_by, microseconds(head.occurred_at), position, event_id, recorded_at)
    except (*UNREADABLE, IdentifierError):
        return None


def element_rows(parts: Parts, identity: str) -> IndexRows:
    """Return the index rows of such an event: not one of EPCIS, so no query meets it on its way through events."""
    rows = opaque_index(parts)
    seen = Visibility(rows.visibility.captured_by, (), MASTER_DATA)
    return replace(rows, visibility=seen, identity=identity, sighting=None)


def value_tag(name: str, text: str) -> str:
    """Return the tag under which an attribute of a value is found; the end of a long value is not looked at."""
    return f"attribute:{name}={text[:_LONGEST_VALUE_TAG]}"


def texts_of(value: JSON) -> Iterator[str]:
    """Yield the texts that an attribute's value is equal to: its own, those of an array, those in any language."""
    if isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
    elif isinstance(value, dict):
        if "@value" in value:
            yield from texts_of(value["@value"])
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        yield str(value)


def name_of(attributes: Mapping[str, JSON]) -> str | None:
    """Return what people call the thing, by the CBV's attributes for a name or a short description."""
    for attribute in _NAMING:
        for text in texts_of(attributes.get(attribute)):
            if text.strip():
                return text.strip()
    return None


_NAMING: Final = tuple(
    CBV_ATTRIBUTE + word
    for word in (
        "name", "descriptionShort", "regulatedProductName", "functionalName", "tradeItemDescription",
        "labelDescription", "siteName",
    )
)  # fmt: skip


def attribute_name(name: str, names: Names) -> str:
    """Return an attribute's name as an IRI; one that no context explains stays as it is."""
    known = names.iri(name) or name
    for namespace in (_OLD_ATTRIBUTE, _WEB_ATTRIBUTE):
        if known.startswith(namespace):
            return CBV_ATTRIBUTE + known.removeprefix(namespace)
    return known


def attribute_names(text: str, names: Names) -> frozenset[str]:
    """Return what an attribute that a question names may be called: a bare word may be one of the CBV."""
    return frozenset({attribute_name(text, names)} if ":" in text else {text, CBV_ATTRIBUTE + text})


def vocabulary_type(text: str) -> str:
    """Return the URI of a vocabulary from that or from its last word, `BusinessLocation`."""
    word = text.removeprefix(VOCABULARY_TYPE)
    word = _OTHER_NAMES.get(word, word)
    return word if ":" in word else VOCABULARY_TYPE + word


@dataclass(slots=True)
class ReadElements:
    """What was read: the good elements, how many are left out, and what is wrong with those."""

    elements: list[VocabularyElement] = field(default_factory=list)
    malformed: int = 0
    problems: list[Problem] = field(default_factory=list)


def read_master_data(value: JSON, context: JSON = None, path: str = "$") -> ReadElements:
    """Read an `epcisMasterData` object that stands at the JSONPath `path`, in the names of a document's @context.

    Nothing raises. An element that breaks a rule is left out whole; what is wrong is a warning, because no event is
    refused for it.
    """
    names = standard_names().within(context, Findings(None, "$"), "")
    around = Findings(None, path)
    read = ReadElements()
    vocabularies = value.get("vocabularyList") if isinstance(value, dict) else None
    for at, vocabulary in _objects(vocabularies, ".vocabularyList", around):
        kind = vocabulary.get("type")
        if type(kind) is not str or not kind or not is_absolute_uri(vocabulary_type(kind)):
            around.error(at, "epcis.master_data", f"A vocabulary has a type, which is a URI, not {shown(kind)}.")
            continue
        inside = f"{at}.vocabularyElementList"
        for place, element in _objects(vocabulary.get("vocabularyElementList", []), inside, around):
            noted = Findings(None, path)
            found = read_element(vocabulary_type(kind), element, names, place, noted)
            around.take(noted)
            if found is None:
                read.malformed += 1
            else:
                read.elements.append(found)
    read.problems = [replace(problem, severity="warning") for problem in around.problems]
    return read


def read_header(master_data: bytes, context: JSON) -> ReadElements:
    """Read what `Envelope.master_data` holds, empty for none, as `read_master_data` does."""
    return read_master_data(loads(master_data), context, HEADER) if master_data else ReadElements()


def read_element(
    vocabulary: str, value: dict[str, JSON], names: Names, path: str, findings: Findings
) -> VocabularyElement | None:
    """Read one element as a header has it: `id`, `attributes` of `id` and `attribute`, `children`.

    Returns None with an error noted when it breaks a rule.
    """
    if "@context" in value:
        names = names.within(value["@context"], findings, path)
    thing = identified(value.get("id"), f"{path}.id", findings)
    attributes: dict[str, JSON] = {}
    for at, attribute in _objects(value.get("attributes", []), f"{path}.attributes", findings):
        name = attribute.get("id")
        # xsd:anyURI (EPCIS 2.0 §9.5): a bare word is one, too, but no question could name what has a space in it.
        if type(name) is not str or not is_uri_reference(name) or "attribute" not in attribute:
            message = "An attribute has an id, which is a URI, and a value, called attribute."
            findings.error(at, "epcis.master_data", message)
            continue
        inner = attribute["attribute"]
        said = names.expanded(inner, f"{at}.attribute", findings) if isinstance(inner, CONTAINERS) else inner
        known = attribute_name(name, names)
        # A second attribute of one name is a second value of it.
        attributes[known] = [*_listed(attributes[known]), *_listed(said)] if known in attributes else said
    children = value.get("children", [])
    if not isinstance(children, list):
        findings.error(f"{path}.children", "epcis.master_data", f"Children are an array, not {shown(children)}.")
        children = []
    named = [identified(child, f"{path}.children[{i}]", findings) for i, child in enumerate(children)]
    for name in value.keys() - _FIELDS - {"@context"}:
        findings.warn(path + member(name), "epcis.unknown_field", "This member of an element is not kept.")
    if thing is None or findings.failed:
        return None
    element = VocabularyElement(
        vocabulary, thing.uri, attributes, tuple(dict.fromkeys(child.uri for child in named if child is not None))
    )
    return element if _fits(element, path, findings) else None


def element_from(
    vocabulary: str,
    identifier: str,
    attributes: Mapping[str, JSON],
    children: Iterable[str] = (),
    *,
    valid_from: str | None = None,
    valid_until: str | None = None,
    findings: Findings,
) -> VocabularyElement | None:
    """Make an element of what a person or program gave: a bare attribute name is a word of the CBV, times have offsets.

    Returns None with an error noted when it breaks a rule. A time may be a day, which begins at midnight in UTC.
    """
    names = standard_names()
    thing = identified(identifier, ".id", findings)
    named = [identified(child, ".children", findings) for child in children]
    since, until = (
        _time(text, f".{name}", findings) for name, text in (("valid_from", valid_from), ("valid_until", valid_until))
    )
    if since is not None and until is not None and until <= since:
        findings.error(".valid_until", "epcis.master_data", "An element is valid from a time until a later one.")
    said: dict[str, JSON] = {}
    for name, value in attributes.items():
        if not is_uri_reference(name):
            message = f"The name of an attribute is a URI or a word of the CBV; {shown(name)} is neither."
            findings.error(".attributes", "epcis.master_data", message)
        said[attribute_name(name, names) if ":" in name else CBV_ATTRIBUTE + name] = value
    if not vocabulary or not is_absolute_uri(vocabulary_type(vocabulary)):
        message = f"The type of a vocabulary is a URI or the last word of one; {shown(vocabulary)} is neither."
        findings.error(".vocabulary", "epcis.master_data", message)
    if thing is None or findings.failed:
        return None
    known = tuple(dict.fromkeys(child.uri for child in named if child is not None))
    element = VocabularyElement(vocabulary_type(vocabulary), thing.uri, said, known, since, until)
    return element if _fits(element, "", findings) else None


def _fits(element: VocabularyElement, path: str, findings: Findings) -> bool:
    size = len(element.payload())
    if size > MAX_ELEMENT_BYTES:
        findings.error(path, "epcis.master_data", f"An element has at most {MAX_ELEMENT_BYTES} bytes, not {size}.")
    return size <= MAX_ELEMENT_BYTES


def _time(text: str | None, path: str, findings: Findings) -> int | None:
    if text is None:
        return None
    try:
        moment = read_time(text)
        if moment.tzinfo is None and len(text) == len("2026-03-01"):
            moment = moment.replace(tzinfo=UTC)
        if moment.tzinfo is not None:
            return microseconds(moment.astimezone(UTC).isoformat())
    except (ValueError, OverflowError):
        pass
    findings.error(path, "epcis.time", f"A time has a date, a time of day and an offset; {shown(text)} has not.")
    return None


def _objects(values: JSON, path: str, findings: Findings) -> Iterator[tuple[str, dict[str, JSON]]]:
    if not isinstance(values, list):
        findings.error(path, "epcis.master_data", f"An array belongs here, not {shown(values)}.")
        return
    for i, value in enumerate(values):
        if isinstance(value, dict):
            yield f"{path}[{i}]", value
        else:
            findings.error(f"{path}[{i}]", "epcis.master_data", f"An object belongs here, not {shown(value)}.")


def _listed(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else [value]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
