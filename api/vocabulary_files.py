"""Files of master data: a document with a header, in JSON or XML, or a table of comma-separated values."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO, StringIO
from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.master_data import ReadElements, element_from, read_header, read_master_data
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.strict_json import JSON, read_value, text_of

MAX_BYTES: Final = 1 << 26
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_ID, _TYPE, _CHILDREN, _FROM, _UNTIL = "id", "type", "children", "valid_from", "valid_until"
_COLUMNS: Final = frozenset({_ID, _TYPE, _CHILDREN, _FROM, _UNTIL})


def read_file(data: bytes, *, vocabulary: str | None = None) -> tuple[ReadElements, JSON]:
    """Read a file; return what is in it and the creationDate of a document, None where there is none.

    JSON is an EPCIS document, its header, or what a header holds; XML is an EPCIS document. Anything else is a table
    whose first line names the columns: `id`, `type` (or `vocabulary` for all lines), `children` with spaces between,
    `valid_from`, `valid_until` and attributes, those of the CBV by their bare names. Raises `InvalidInputError`:
    `json.…`, `xml.…`, `epcis.…`, `vocabulary.too_long`, `vocabulary.columns`.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"A file of master data has at most {MAX_BYTES} bytes", code="vocabulary.too_long")
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if data.lstrip()[:1] in (b"{", b"["):
        return _read_json(read_value(data))
    if data.lstrip()[:1] == b"<":
        return _read_xml(data)
    return _read_table(text_of(data), vocabulary), None


def _read_json(value: JSON) -> tuple[ReadElements, JSON]:
    context, created, path = None, None, "$"
    if isinstance(value, dict):
        context, created = value.get("@context"), value.get("creationDate")
        for name in ("epcisHeader", "epcisMasterData"):
            if name in value:
                value, path = value[name], f"{path}.{name}"
                if not isinstance(value, dict):
                    break
    return read_master_data(value, context, path), created


def _read_xml(data: bytes) -> tuple[ReadElements, JSON]:
    envelope = open_envelope(BytesIO(data))
    for problem in envelope.problems:
        if problem.severity == "error":
            raise InvalidInputError(problem.message, code=problem.code, hint="An EPCIS document belongs here.")
    return read_header(envelope.master_data, envelope.header_context), envelope.members.get("creationDate")


def _read_table(text: str, vocabulary: str | None) -> ReadElements:
    read = ReadElements()
    lines = csv.reader(StringIO(text, newline=""), strict=True)
    columns: list[str] = []
    for number, row in _rows(lines):
        if not columns:
            columns = _columns(row, vocabulary)
            continue
        findings = Findings(number, f"line {number}")
        cells = {name: cell for name, cell in zip(columns, row, strict=False) if cell.strip()}
        if len(row) > len(columns):
            findings.error("", "epcis.master_data", f"The line has {len(row)} cells, the first line {len(columns)}.")
        element = element_from(
            cells.get(_TYPE, vocabulary or "").strip(),
            cells.get(_ID, "").strip(),
            _attributes(cells),
            cells.get(_CHILDREN, "").split(),
            valid_from=cells.get(_FROM),
            valid_until=cells.get(_UNTIL),
            findings=findings,
        )
        read.problems += [replace(problem, severity="warning") for problem in findings.problems]
        if element is None:
            read.malformed += 1
        else:
            read.elements.append(element)
    return read


def _rows(lines: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, counted from 1."""
    try:
        for number, row in enumerate(lines, 1):
            if any(cell.strip() for cell in row):
                yield number, row
    except csv.Error as error:
        raise InvalidInputError(
            f"This is no table of comma-separated values: {error}", code="vocabulary.columns"
        ) from error


def _columns(row: list[str], vocabulary: str | None) -> list[str]:
    columns = [name.strip() for name in row]
    missing = [name for name in (_ID, *(() if vocabulary else (_TYPE,))) if name not in columns]
    if missing or len(set(columns)) != len(columns) or not all(columns):
        raise InvalidInputError(
            "The first line of a table names its columns, each once"
            + (f"; missing: {', '.join(missing)}" if missing else ""),
            code="vocabulary.columns",
            hint="Such as: type,id,name,city,children,valid_from,valid_until",
        )
    return columns


def _attributes(cells: Mapping[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in cells.items() if name not in _COLUMNS}
