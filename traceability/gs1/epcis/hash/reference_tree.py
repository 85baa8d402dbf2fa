"""Events as the tree that the reference implementation of the CBV event hash makes of them, from JSON and from XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from traceability.gs1.epcis.context import STANDARD_PREFIXES, is_standard_context
from traceability.gs1.epcis.hash.keys import EventHashError
from traceability.gs1.epcis.hash.reference_hash import BUSINESS, Child, Node, fails, sort
from traceability.gs1.epcis.hash.reference_words import KNOWN_TERMS, UsedWords
from traceability.gs1.epcis.problems import shown
from traceability.gs1.epcis.strict_json import JSON, Number
from traceability.gs1.epcis.xml.tree import Element, attributes, name_of

REPOSITORY: Final = "https://repository-x.example.com/"
"""The namespace of the member ignoreFields, which names members of events that are not hashed."""
_COMMENTS: Final = ("rdfs:comment", "comment")
_BUSINESS_LISTS: Final = frozenset({"sourceList", "destinationList", "bizTransactionList"})
_RENAMED: Final = {
    "inputEPC": "epc",
    "outputEPC": "epc",
    "inputQuantity": "quantityElement",
    "outputQuantity": "quantityElement",
    "childQuantity": "quantityElement",
}
_CBV_IN_XML: Final = ("cbv:", STANDARD_PREFIXES["cbv"])
_PREFIXES_IN_XML: Final = (("gs1:", STANDARD_PREFIXES["gs1"]), _CBV_IN_XML)


class JsonTrees:
    """Makes trees of the events of one document in JSON, once every event was shown to it."""

    def __init__(self, context: JSON, members: Mapping[str, JSON]) -> None:
        self._failure: EventHashError | None = None
        self._namespaces: dict[str, str] = {}
        standard = False
        terms: dict[str, str] = {}
        for part in context if isinstance(context, list) else [context]:
            if type(part) is str:
                standard = standard or is_standard_context(part)
            elif isinstance(part, dict):
                for name, meaning in part.items():
                    if type(meaning) is not str:
                        self._failure = fails(f"the context's term {shown(name)}, which is {shown(meaning)}")
                    elif (standard and STANDARD_PREFIXES.get(name, meaning) != meaning) or name in KNOWN_TERMS:
                        self._failure = fails(f"the context's term {shown(name)}, which is one of GS1's own")
                    else:
                        terms[name] = meaning
        self._namespaces.update(terms)
        # Without GS1's context no word is known as one.
        self._words = UsedWords(terms) if standard else None
        self._ignored = _ignored_in_json(members, next((p for p, uri in terms.items() if uri == REPOSITORY), ""))
        self.show(members)

    def show(self, value: JSON) -> None:
        """Take note of the words that an event uses."""
        if self._words is not None:
            self._words.show(value)

    def tree(self, event: dict[str, JSON]) -> Node:
        """Return the tree of an event; raises `EventHashError` where the reference fails."""
        if self._failure is not None:
            raise self._failure
        kind = event.get("type")
        if type(kind) is not str:
            raise EventHashError("", "epcis.missing_field", "An event needs a type.")
        return _corrected(self._node(event, self._ignored))._replace(name=self._written_out(kind))

    def _node(self, value: JSON, ignored: Iterable[str] = ()) -> Node:
        if isinstance(value, list):
            items: list[Child] = [self._node(item) for item in value]
            if not BUSINESS.intersection(item for item in value if type(item) is str):
                sort(items)
            return Node("", "", items)
        if not isinstance(value, dict):
            return Node("", self._text(value), [])
        text = value.get("#text", "")
        if type(text) is not str:
            raise fails(f"the #text {shown(text)}")
        children: list[Child] = []
        for name, inner in value.items():
            if name == "#text" or name in _COMMENTS or name in ignored:
                continue
            if name.startswith("@xmlns"):
                self._namespaces[name[7:]] = str(inner)
                continue
            node = self._node(inner)
            named = self._named(name)
            found = node.children if isinstance(inner, list) else [node]
            children += [Node(named, one.text, one.children) for one in found if isinstance(one, Node)]
        if not BUSINESS & value.keys():
            sort(children)
        return Node("", self._written_out(text), children)

    def _named(self, name: str) -> str:
        prefix, colon, local = name.partition(":")
        return f"{{{self._namespaces[prefix]}}}{local}" if colon and prefix in self._namespaces else name

    def _text(self, value: JSON) -> str:
        if type(value) is not str:
            return _as_python_writes(value)
        text = self._written_out(value)
        prefix, colon, local = text.partition(":")
        if not colon or prefix not in self._namespaces:
            return text
        return self._namespaces[prefix].replace("{", "").replace("}", "") + local

    def _written_out(self, text: str) -> str:
        return text if self._words is None else self._words.written_out(text)


def _ignored_in_json(members: Mapping[str, JSON], prefix: str) -> frozenset[str]:
    body = members.get("epcisBody")
    results = body.get("queryResults") if isinstance(body, dict) else None
    found = (results if isinstance(results, dict) else members).get(f"{prefix}:ignoreFields")
    return frozenset(name for name in found if type(name) is str) if isinstance(found, list) else frozenset()


def _as_python_writes(value: JSON) -> str:
    if isinstance(value, Number):
        return str(float(value) if set(value) & set(".eE") else int(value))
    return str(value)


def _corrected(node: Node) -> Node:
    """Give the lists of JSON the elements that XML has around and inside them, at every depth."""
    kept: list[Node] = []
    lists: dict[str, list[Child]] = {}
    child_epcs: list[Child] = []
    for child in node.children:
        assert isinstance(child, Node), "pairs are made only below"
        if child.name.endswith("List"):
            lists.setdefault(child.name, []).append(Node(child.name[: -len("List")], child.text, child.children))
        elif child.name == "childEPCs":
            child_epcs.append(Node("epc", child.text, []))
        else:
            kept.append(child)
    whole = [Node(name, "", [*_pairs(items)] if name in _BUSINESS_LISTS else items) for name, items in lists.items()]
    if child_epcs:
        whole.append(Node("childEPCs", "", child_epcs))
    corrected: list[Child] = [
        child if child.name in _BUSINESS_LISTS else _corrected(child) for child in (*kept, *whole)
    ]
    name = _RENAMED.get(node.name, node.name)
    if name == "quantity" and corrected:
        name = "quantityElement"
    return Node(name, node.text, corrected)


def _pairs(items: Iterable[Child]) -> Iterator[Child]:
    """Yield the first two members of each element, in the order in which they were written."""
    for item in items:
        assert isinstance(item, Node)
        first, second = [*item.children, None, None][:2]
        if not isinstance(first, Node) or not isinstance(second, Node):
            raise fails(f"a {item.name} without a type, and all events of its document with it")
        yield first, second


def xml_tree(root: Element, ignored: Iterable[str]) -> Node:
    """Return the tree of an event's element, without the fields whose names are `ignored`."""
    for name in ignored:
        found = next((child for child in root if name_of(child.tag) == name), None)
        if found is not None:
            root.remove(found)
    return _expanded(_element(root))


def ignored_in_xml(members: Mapping[str, JSON]) -> list[str]:
    """Return the names of the fields that a document in XML wants ignored."""
    found = members.get(f"{REPOSITORY}ignoreFields")
    return list(found) if isinstance(found, dict) else []


def _element(element: Element) -> Node:
    children: list[Child] = [Node(name, text, []) for name, text in attributes(element)]
    children += [_element(child) for child in element]
    sort(children)
    pairs: list[Child] = []
    for child in children:
        if isinstance(child, Node) and child.name in BUSINESS:
            kind = child.children[0] if child.children else None
            if not isinstance(kind, Node) or kind.name != "type":
                raise fails(f"a {child.name} without a type, and all events of its document with it")
            pairs.append((kind, Node(child.name, child.text, [])))
    return Node(element.tag, (element.text or "").strip(), pairs or children)


def _expanded(node: Node) -> Node:
    """Write out the prefixes of GS1 at the beginning of texts; in a pair only that of the CBV, and only in its type."""
    text = node.text
    for prefix, namespace in _PREFIXES_IN_XML:
        if text.startswith(prefix):
            text = text.replace(prefix, namespace)
    children: list[Child] = []
    for child in node.children:
        if isinstance(child, Node):
            children.append(_expanded(child))
        else:
            kind, subject = child
            cbv = kind.text.replace(*_CBV_IN_XML) if kind.text.startswith(_CBV_IN_XML[0]) else kind.text
            children.append((kind._replace(text=cbv), subject))
    return Node(node.name, text, children)
