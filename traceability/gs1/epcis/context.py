"""JSON-LD contexts: from names with prefixes to full IRIs (EPCIS 2.0 §10.1, JSON-LD 1.1 §4.1).

No context is ever fetched. GS1's own is known by its address; what other remote contexts define is unknown, so a
name that only they could explain stays as written, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from traceability.gs1.epcis.problems import Findings, member, shown
from traceability.gs1.epcis.strict_json import CONTAINERS, JSON

EPCIS_NAMESPACES: Final = ("https://ref.gs1.org/epcis/", "https://ns.gs1.org/epcis/")

STANDARD_PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "epcis": "https://ref.gs1.org/epcis/",
        "cbv": "https://ref.gs1.org/cbv/",
        "cbvmda": "urn:epcglobal:cbv:mda:",
        "gs1": "https://gs1.org/voc/",
        "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        "owl": "http://www.w3.org/2002/07/owl#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "dcterms": "http://purl.org/dc/terms/",
    }
)
"""The prefixes of GS1's context, which hold in every document."""

_STANDARD: Final = re.compile(
    r"https?://(?:ref\.gs1\.org/standards/epcis/(?:[\w.-]+/)?|gs1\.github\.io/EPCIS/|ns\.gs1\.org/epcis/)"
    r"epcis-context\.jsonld"
).fullmatch
SCHEMES: Final = frozenset({"http", "https", "urn", "tag", "did", "ni", "geo", "info", "ftp", "mailto", "data", "cid"})
"""Schemes that names are written in; any other word before a colon is a prefix that nobody declared."""
_REFERENCES: Final = frozenset({"@id", "@type", "id", "type"})
_CACHED_NAMES: Final = 4096
_CHAIN: Final = 16
# A short name stands for a long one wherever it is used, and a context is copied wherever another is added to it:
# without bounds a small document could grow into a very large event.
MAX_TERMS: Final = 1000
MAX_IRI_LENGTH: Final = 512


class Names:
    """The names that are in force at one place of a document."""

    __slots__ = ("_cache", "_terms", "_vocabulary", "foreign")

    def __init__(self, terms: Mapping[str, str], vocabulary: str | None = None, *, foreign: bool = False) -> None:
        self._terms = terms
        self._vocabulary = vocabulary
        self.foreign = foreign
        """Whether a remote context that we do not know takes part, which might explain any name."""
        self._cache: dict[str, str | None] = {}

    def iri(self, name: str) -> str | None:
        """Return the IRI of a member name or term, None when no context in force explains it."""
        try:
            return self._cache[name]
        except KeyError:
            found = self._resolve(name)
            if len(self._cache) < _CACHED_NAMES and len(name) <= MAX_IRI_LENGTH:
                self._cache[name] = found
            return found

    def within(self, context: JSON, findings: Findings, path: str) -> Names:
        """Return the names in force in the object at `path`, which adds `context` to these."""
        if context is None:
            return self
        terms = dict(self._terms)
        vocabulary = self._vocabulary
        foreign = self.foreign
        for part in context if isinstance(context, list) else [context]:
            if type(part) is str:
                foreign = foreign or _STANDARD(part) is None
            elif isinstance(part, dict):
                for name, meaning in part.items():
                    target = meaning.get("@id") if isinstance(meaning, dict) else meaning
                    if name == "@vocab":
                        vocabulary = target if type(target) is str else None
                    elif not name.startswith("@") and type(target) is str:
                        terms[name] = target
            elif part is not None:
                message = f"A context is an address or an object of prefixes, not {shown(part)}."
                findings.error(f"{path}['@context']", "epcis.context", message)
        if len(terms) > MAX_TERMS:
            findings.error(f"{path}['@context']", "epcis.context", f"At most {MAX_TERMS} terms may be declared.")
            return self
        return Names(terms, vocabulary, foreign=foreign)

    def expanded(self, value: JSON, path: str, findings: Findings) -> JSON:
        """Return an extension's value with every member name inside it as an IRI.

        An object may bring a context of its own. `@id` and `@type` hold names themselves, which are resolved too:
        the context that explains them is not kept.
        """
        if isinstance(value, list):
            return [self.expanded(item, f"{path}[{i}]", findings) for i, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        names = self.within(value["@context"], findings, path) if "@context" in value else self
        found: dict[str, JSON] = {}
        for name, inner in value.items():
            if name == "@context":
                continue
            if name in _REFERENCES and type(inner) is str:
                found[name] = names.reference(inner)
                continue
            known = name
            if name not in _REFERENCES and not name.startswith("@"):
                known = names.named(name, path, findings)
                if known in found:
                    names.repeated(known, path + member(name), findings)
            # A place is worked out only where something can be wrong: most members are plain values.
            found[known] = (
                names.expanded(inner, path + member(name), findings) if isinstance(inner, CONTAINERS) else inner
            )
        return found

    def named(self, name: str, path: str, findings: Findings) -> str:
        """Return the IRI of an extension's name, or the name itself with a warning when nobody explains it."""
        iri = self._cache.get(name) or self.iri(name)
        if iri is not None:
            return iri
        findings.warn_once(
            path + member(name),
            "epcis.unresolved_name",
            name,
            f"No context in the document explains the name {shown(name)}; it is kept as written.",
        )
        return name

    @staticmethod
    def repeated(iri: str, path: str, findings: Findings) -> None:
        """Refuse a second member of one meaning: a part may hold a name only once."""
        findings.error(path, "epcis.repeated_name", f"Two members of one object both mean {shown(iri)}.")

    def reference(self, value: str) -> str:
        """Return the IRI that a value such as `example:thing` stands for; a word without a prefix stays."""
        return (self.iri(value) or value) if ":" in value else value

    def _resolve(self, name: str) -> str | None:
        expanded = self._expand(name)
        for _ in range(_CHAIN):  # a prefix may itself be written with a prefix, and two may name each other
            again = self._expand(expanded) if expanded is not None else None
            if again is None or again == expanded:
                break
            expanded = again
        else:
            return None
        # A word that only stands for another word could be taken for a field of EPCIS.
        if expanded is None or ":" not in expanded or (expanded != name and len(expanded) > MAX_IRI_LENGTH):
            return None
        return expanded

    def _expand(self, name: str) -> str | None:
        term = self._terms.get(name)
        if term is not None:
            return None if term.startswith("@") else term
        prefix, colon, local = name.partition(":")
        if not colon:
            return None if self._vocabulary is None else self._vocabulary + name
        if local.startswith("//"):
            return name
        namespace = self._terms.get(prefix)
        if namespace is not None:
            return namespace + local
        return name if prefix.lower() in SCHEMES else None


def is_standard_context(address: str) -> bool:
    """Tell whether an address is one of those of GS1's context."""
    return _STANDARD(address) is not None


def standard_names() -> Names:
    """Return the names that GS1's context declares, which a document's own then extend."""
    return Names(STANDARD_PREFIXES)
