"""The names of extensions as a CBV event hash writes them, and the error for an event that has no hash."""

from __future__ import annotations

from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.hash.values import braced
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.strict_json import JSON

_RDFS_COMMENT: Final = "http://www.w3.org/2000/01/rdf-schema#comment"
REFERENCES: Final = {"@id": "id", "id": "id", "@type": "type", "type": "type"}
"""Members of JSON-LD whose values are names too, and how they are written."""
_NOT_WRITTEN: Final = frozenset({"@context", "comment"})
_CACHED: Final = 4096
# Only texts this short are remembered, so that a hostile feed cannot turn a cache into a memory leak.
_CACHED_LENGTH: Final = 256
_CACHED_PIECES: Final = 1024
_CACHED_BYTES: Final = 1024


class EventHashError(InvalidInputError):
    """An event that has no hash. `path` leads from the event to what is wrong, and continues a JSONPath."""

    def __init__(self, path: str, code: str, message: str) -> None:
        super().__init__(message, code=code, hint="Correct the event; the others have their hashes.")
        self.path = path

    def inside(self, step: str) -> EventHashError:
        """Return the error as one of what is around."""
        self.path = step + self.path
        return self


class Keys(dict[str, str]):
    """How the names of extensions are written that stand under `names`; those that are not hashed are empty."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self.names = names
        self.pieces: dict[bytes, str] = {}
        """What objects of extensions give, by their JSON."""

    def __missing__(self, name: str) -> str:
        """Return the name with its namespace in braces."""
        iri = self.names.iri(name) or name
        key = "" if name in _NOT_WRITTEN or iri == _RDFS_COMMENT else REFERENCES.get(name) or braced(iri)
        if len(self) < _CACHED and len(name) <= _CACHED_LENGTH:
            self[name] = key
        return key

    def remember(self, source: bytes, piece: str) -> None:
        """Note what an object gives."""
        if len(source) + len(piece) <= _CACHED_BYTES:
            if len(self.pieces) >= _CACHED_PIECES:
                self.pieces.clear()
            self.pieces[source] = piece

    def within(self, context: JSON) -> Keys:
        """Return the keys under a context that is added."""
        findings = Findings(None, "")
        inner = self.names.within(context, findings, "")
        if findings.failed:
            raise EventHashError("['@context']", "epcis.context", findings.problems[0].message)
        return Keys(inner)
