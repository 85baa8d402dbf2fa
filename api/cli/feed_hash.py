"""`traceability feed hash`: the CBV event hash of every event of documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from api.cli.context import EXIT_FALSE, JSON, counted, note, print_json, settings_for
from api.cli.documents import Files, documents_of
from traceability.gs1.epcis.blocks import Block
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.hash.documents import HashedEvent, HashMode, hashed_document, hashed_events
from traceability.gs1.epcis.problems import Problem

_IN_MEMORY: Final = 4 << 20
_NONE: Final = "none"
"""Begins the line of an event that has no hash; its code follows, so that lines and events stay one to one."""


def hash_(
    files: Files,
    *,
    mode: Annotated[
        HashMode, typer.Option("--mode", help="The standard's rules, or what its reference implementation makes of it.")
    ] = HashMode.SPEC,
    prehash: Annotated[bool, typer.Option("--prehash", help="Print the strings that are hashed instead.")] = False,
    json: JSON = False,
) -> None:
    """Print the CBV event hash of each event, one a line, in the order of the document; need no database.

    The hash names an event by what it says, in JSON and XML alike (CBV 2.0 §8.9). An event that cannot be hashed has a
    line `none` and its code, is explained on stderr, and makes the exit code 1.

    For example:

    - `traceability feed hash shipment.json`
    - `traceability feed hash shipment.xml --prehash`
    - `gunzip -c day.json.gz | traceability feed hash - --mode ref-compat`
    """
    documents: list[dict[str, Any]] = []
    events = failed = 0
    with ExitStack() as stack:
        for name, path in documents_of(files, settings_for(), stack):
            with _hashed(path, mode) as (problems, found):
                # What else is wrong around the events is for `feed check` to say: it changes no hash.
                document: dict[str, Any] = {"file": name, "events": [], "problems": [*problems]}
                failed += any(problem.severity == "error" for problem in problems)
                _tell(name, problems)
                for one in found:
                    events += 1
                    if one.problem is not None:
                        failed += 1
                        document["problems"].append(one.problem)
                        _tell(name, [one.problem])
                    if json:
                        document["events"].append(_document_of(one, with_prehash=prehash))
                    else:
                        typer.echo(_line_of(one, with_prehash=prehash))
                documents.append(document)
    if json:
        print_json({"mode": mode, "files": documents})
    if failed:
        note(f"{counted(events, 'event')} read; {failed} without a hash.")
        raise typer.Exit(EXIT_FALSE)


@contextmanager
def _hashed(path: Path, mode: HashMode) -> Iterator[tuple[list[Problem], Iterator[HashedEvent]]]:
    """Give why no event of a document can be read, and its events; a long document is never in memory whole."""
    if path.stat().st_size <= _IN_MEMORY:
        yield hashed_document(path.read_bytes(), mode)
        return
    with path.open("rb") as source:

        def read(block: Block) -> bytes:
            source.seek(block.offset)
            return source.read(block.size)

        envelope = open_envelope(source)
        yield [] if envelope.blocks else envelope.problems, hashed_events(envelope, read, mode)


def _tell(name: str, problems: list[Problem]) -> None:
    for problem in problems:
        note(f"{name}: {problem.path}: {problem.severity} {problem.code}: {problem.message}")


def _line_of(one: HashedEvent, *, with_prehash: bool) -> str:
    if one.problem is not None:
        return f"{_NONE} {one.problem.code}"
    return one.prehash if with_prehash else str(one.hash)


def _document_of(one: HashedEvent, *, with_prehash: bool) -> dict[str, Any]:
    found = {"path": one.path, "hash": one.hash}
    return {**found, "prehash": None if one.problem is not None else one.prehash} if with_prehash else found
