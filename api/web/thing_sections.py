"""What an item's page has beside the history: what watched the thing, what is irregular, and files to take along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from api.irregularities import IrregularitiesOut
from api.monitoring import PATH
from api.monitoring_models import SessionLine
from api.web.monitoring_pages import session_line
from api.web.names import Names
from api.web.page import Detail, Irregular, Irregularity, Session, Sessions
from api.web.sign_in import IRREGULARITIES

SESSIONS: Final = 5
"""Sessions that are listed, the last opened first."""
IRREGULARITIES_SHOWN: Final = 5
_FILES: Final = (
    ("graphml", "GraphML"),
    ("mermaid", "Mermaid"),
    ("jsonld", "JSON-LD"),
    ("json", "JSON"),
    ("ndjson", "JSON, a line each"),
)
_BUNDLE: Final = ("zip", "bundle that verifies offline")


def sessions_section(thing: str, found: Sequence[SessionLine], *, more: bool, names: Names) -> Sessions | None:
    """Return the section, or None when nothing watched the thing."""
    if not found:
        return None
    lines: list[Session] = [session_line(one, names) for one in found]
    return Sessions(tuple(lines), f"{PATH}?{urlencode({'thing': thing})}" if more else None)


def irregular_section(thing: str, found: IrregularitiesOut) -> Irregular | None:
    """Return the section, or None when nothing is irregular."""
    if not found.irregularities:
        return None
    behind = None
    if found.judged_to < found.head:
        behind = f"Judged up to position {found.judged_to} of {found.head}."
    return Irregular(
        lines=tuple(
            Irregularity(one.severity, one.code, one.told, known=bool(one.acknowledged)) for one in found.irregularities
        ),
        href=f"{IRREGULARITIES.path}?{urlencode({'thing': thing})}",
        behind=behind,
    )


def exports(path: str, *, published: bool) -> tuple[Detail, ...]:
    """Return the files of the trace of the thing at a path; a bundle needs an event that is published."""
    files = (*_FILES, _BUNDLE) if published else _FILES
    return tuple(Detail(label, label, f"/provenance/traces{path}?format={form}") for form, label in files)
