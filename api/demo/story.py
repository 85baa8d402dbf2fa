"""The demo's manifest, typed: who takes part, which document each of them captures, and what to look at."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final

from pydantic import BaseModel, ConfigDict

from traceability.ledger.access import PUBLIC, Grant

_FOLDER: Final = "stories"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublicProfile(_Record):
    """What everybody may see of an organisation's events: parts, and CBV steps or None for all."""

    parts: frozenset[str]
    steps: frozenset[str] | None


class Participant(_Record):
    """An organisation of the demo and the one document that it captures; the first GLN is its party's."""

    name: str
    display_name: str
    glns: tuple[str, ...]
    document: str
    public: PublicProfile

    def read_document(self) -> bytes:
        """Return the EPCIS 2.0 JSON-LD document."""
        return _read(self.document)

    def grant(self) -> Grant:
        """Return the public profile as a grant."""
        return Grant(self.name, PUBLIC, self.public.steps, self.public.parts)


class StoryLink(_Record):
    """A thing worth looking at; `path` is a GS1 Digital Link without its domain."""

    path: str
    label: str


class Story(_Record):
    """A supply chain, told in one sentence."""

    title: str
    sentence: str
    links: tuple[StoryLink, ...]


class Manifest(_Record):
    """Everything that the demo loads."""

    organisations: tuple[Participant, ...]
    stories: tuple[Story, ...]


@lru_cache(maxsize=1)
def manifest() -> Manifest:
    """Return the demo's manifest."""
    return Manifest.model_validate_json(_read("manifest.json"))


def _read(name: str) -> bytes:
    return files("api.demo").joinpath(_FOLDER, name).read_bytes()
