"""Names of extensions with the prefixes that a reader declares (GS1-Extensions, EPCIS 2.0 §12.5.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.event import ALL_FIELDS, TYPE_NAMES
from traceability.gs1.epcis.fields import is_uri
from traceability.gs1.epcis.query.tags import DECLARATION_FIELDS, ELEMENT_FIELDS, PLACE_FIELDS
from traceability.gs1.epcis.sensor import READING_FIELDS
from traceability.gs1.epcis.strict_json import JSON

_PREFIX: Final = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII).fullmatch
# The terms of GS1's context that an answer is made of.
_TERMS: Final = ALL_FIELDS.union(
    TYPE_NAMES, DECLARATION_FIELDS, PLACE_FIELDS, ELEMENT_FIELDS, READING_FIELDS,
    ("EPCISQueryDocument", "schemaVersion", "creationDate", "epcisBody", "queryResults", "queryName", "resultsBody"),
    ("eventList", "epcClass", "quantity", "bizTransaction", "source", "destination", "set", "unset"),
)  # fmt: skip
# What JSON-LD and XML take for the rest of a name; anything else stays a full IRI.
_LOCAL: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII).fullmatch


def declarations(text: str | None) -> Iterator[tuple[str, str]]:
    """Yield what a header `GS1-Extensions` declares, `prefix=IRI` separated by commas; the right sides may be anything.

    What has no prefix before it, such as the name of a capability, is left to others.
    """
    for entry in (text or "").split(","):
        prefix, _, iri = entry.strip().partition("=")
        if _PREFIX(prefix) is not None:
            yield prefix, iri


def declared(text: str | None) -> Mapping[str, str]:
    """Return the namespaces that a header `GS1-Extensions` declares for an answer, by prefix.

    What is no IRI, and a prefix that GS1's context explains itself, is left out; so is a term of
    that context, which would mean something else to whoever reads the answer as JSON-LD.
    """
    found = {}
    for prefix, iri in declarations(text):
        known = prefix in _TERMS or standard_names().iri(f"{prefix}:x") is not None
        if is_uri(iri) and not known:
            found[prefix] = iri
    return found


def shortened(value: JSON, prefixes: Mapping[str, str]) -> JSON:
    """Return a value whose member names are `prefix:local` where a namespace fits, the longest of several."""
    spaces = sorted(((iri, prefix) for prefix, iri in prefixes.items()), key=lambda one: -len(one[0]))
    return _shortened(value, spaces)


def _shortened(value: JSON, spaces: list[tuple[str, str]]) -> JSON:
    if isinstance(value, list):
        return [_shortened(one, spaces) for one in value]
    if isinstance(value, dict):
        return {_name(name, spaces): _shortened(one, spaces) for name, one in value.items()}
    return value


def _name(name: str, spaces: list[tuple[str, str]]) -> str:
    for iri, prefix in spaces:
        if name.startswith(iri) and _LOCAL(name[len(iri) :]) is not None:
            return f"{prefix}:{name[len(iri) :]}"
    return name
